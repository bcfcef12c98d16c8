"""Workspaces by clicks and keys: a space is made, its JupyterLab opened, and a cell in it trains and deploys with the SDK."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.chromium import Page, opened_by
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import SLOW, Team
from sagewright.testing.waiting import until

from .calls import STUDIO
from .looks import Looks

pytestmark = pytest.mark.xdist_group("browser")
CELL = """
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.serializers import CSVSerializer
session = sagemaker.Session()
rows = "\\n".join(f"{2 * x},{x}" for x in range(40))
data = session.upload_string_as_file_body(rows, session.default_bucket(), "lab/rows.csv")
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
job = Estimator(image, sagemaker.get_execution_role(), instance_count=1, instance_type="ml.m5.large", hyperparameters={"num_round": 20, "eta": 0.5})
job.fit({"train": sagemaker.inputs.TrainingInput(data, content_type="text/csv")}, logs=False)
predictor = job.deploy(1, "ml.m5.large", serializer=CSVSerializer())
print("PREDICTION", round(float(predictor.predict([[30]]))))
predictor.delete_endpoint()
""".strip()


SCRIPT = "#!/bin/bash\nset -e\necho 'made by the script' > ~/made.txt\n"


EDITOR = "document.querySelector('.jp-Notebook .jp-CodeCell .cm-content[contenteditable=true]')"


async def run(lab: Page, code: str) -> str:
    """Open a notebook from the launcher, type a cell and run it by the keyboard; what it printed."""
    await lab.click("Python 3 (ipykernel)", '.jp-LauncherCard[data-category="Notebook"]')
    # what is typed before the notebook has come from the server would be lost, as people see by the kernel's state
    await lab.shows("| Idle", seconds=SLOW)
    await lab.until(EDITOR)
    await lab.value(f"{EDITOR}.focus()")
    await lab.write(code)
    await lab.until(f"{EDITOR}.innerText.includes({json.dumps(code.splitlines()[-1])})")
    await lab.press("Shift+Enter")
    await lab.until("/^\\[\\d+\\]:?$/.test(document.querySelector('.jp-CodeCell .jp-InputPrompt')?.innerText.trim())", SLOW)
    return str(await lab.value("document.querySelector('.jp-CodeCell .jp-OutputArea').innerText"))


async def stopped_and_deleted(page: Page, name: str) -> None:
    """On the list that shows it alone: stop it, then delete it, which asks for its name."""
    await page.click(f"Choose {name}", "input")
    await page.click("Stop", "button", exact=True)
    await page.click("Stop", '[role="dialog"] button', exact=True)
    await page.shows("Stopped")
    await page.until("!document.querySelector('td input:checked')")  # what has been done leaves nothing chosen
    await page.click(f"Choose {name}", "input")
    await page.click("Delete", "button", exact=True)
    await page.fill(f"Type “{name}” to go on", name)
    await page.click("Delete", '[role="dialog"] button', exact=True)
    await page.shows("Nothing matches")


@pytest.mark.timeout(900)
async def test_a_cell_in_jupyterlab_trains_and_deploys(studio: Page, server: TestServer, looks: Looks) -> None:
    team, name = Team(server), unique("lab")
    await studio.follow(f"{STUDIO}/workspaces")
    await studio.click("Create a workspace", "a")
    await studio.fill("Name", name)
    await looks.at("create-workspace")
    await studio.click("Create the workspace", "button")
    await studio.shows(name, "Stopped")
    await studio.click("Start JupyterLab", "button")
    await studio.shows("Running", seconds=SLOW)
    await looks.at("workspace")
    await studio.click("Open JupyterLab", "button")
    async with opened_by(studio, "/jupyterlab/default/lab") as lab:
        said = await run(lab, CELL)
        await lab.picture(looks.folder / "jupyterlab.png")
        assert "PREDICTION 60" in said
        assert "Traceback" not in said
    await studio.follow(f"{STUDIO}/workspaces?q={name}")
    await studio.shows(name, "Running", "owner alone")
    await looks.at("workspaces")
    await stopped_and_deleted(studio, name)
    assert name not in str(team.sagemaker.list_spaces(DomainIdEquals=team.domain, SpaceNameContains=name)["Spaces"])
    assert looks.faults == {}


@pytest.mark.timeout(900)
async def test_a_notebook_instance_by_clicks(studio: Page, server: TestServer, looks: Looks) -> None:
    sagemaker, name = server.client("sagemaker"), unique("book")
    await studio.follow(f"{STUDIO}/notebook-instances?q={name}")
    await studio.click("Create a notebook instance", "a")
    await studio.fill("Name", name)
    await looks.at("create-notebook-instance")
    await studio.click("Create the notebook instance", "button")
    await studio.shows(name, "In service", seconds=SLOW)
    await looks.at("notebook-instance")
    await studio.click("Open JupyterLab", "button")
    async with opened_by(studio, "/notebook/lab") as lab:
        await lab.until("document.querySelector('.jp-LauncherCard')")
    await studio.follow(f"{STUDIO}/notebook-instances?q={name}")
    await studio.shows(name, "Open JupyterLab")
    await looks.at("notebook-instances")
    await stopped_and_deleted(studio, name)
    assert sagemaker.list_notebook_instances(NameContains=name)["NotebookInstances"] == []
    assert looks.faults == {}


async def test_people_and_their_start_scripts(studio: Page, server: TestServer, looks: Looks) -> None:
    team, name = Team(server), unique("ada")
    await studio.follow(f"{STUDIO}/people")
    await studio.shows("This is you")
    # the owner's own link is not for a browser to make: the page says why, and what makes it
    await studio.follow(f"{STUDIO}/people/owner")
    await studio.click("Make a sign-in link", "button")
    await studio.shows("No link was made", "iam:PassRole", "sagewright studio --profile owner")
    await looks.at("owners-link")
    await studio.follow(f"{STUDIO}/people")
    await studio.shows("This is you")
    await looks.at("people")
    await studio.click("Add somebody", "a")
    await studio.fill("Name", name)
    await looks.at("add-somebody")
    await studio.click("Add the profile", "button")
    await studio.shows(name, "In service")
    await studio.click("Make a sign-in link", "button")
    await studio.shows("once, within five minutes", "/_sagewright/studio/auth?token=")
    await looks.at("user-profile")
    await studio.click("Delete", "button", exact=True)
    await studio.click("Delete", '[role="dialog"] button', exact=True)
    await studio.shows("Deleted.")

    await studio.follow(f"{STUDIO}/start-scripts/create")
    await studio.fill("Name", name)
    await studio.fill("Script", SCRIPT, "textarea")
    await looks.at("create-start-script")
    await studio.click("Create the script", "button")
    await studio.click("Script", '[role="tab"]', exact=True)
    await studio.shows("made by the script")
    await looks.at("start-script")
    await looks.at("start-scripts", f"/start-scripts?q={name}")
    await studio.shows(name)
    # it is offered where a workspace is made
    await studio.follow(f"{STUDIO}/workspaces/create")
    await choose(studio, "Start script", name)
    await studio.shows(f"studio-lifecycle-config/{name}")
    script = team.sagemaker.describe_studio_lifecycle_config(StudioLifecycleConfigName=name)["StudioLifecycleConfigContent"]
    assert base64.b64decode(script).decode() == SCRIPT
    team.sagemaker.delete_studio_lifecycle_config(StudioLifecycleConfigName=name)
    assert looks.faults == {}


async def choose(page: Page, field: str, option: str) -> None:
    """An option of a select, by the keyboard."""
    button = f"sw.find('button', {json.dumps(field)})"
    # what there is to choose from has come
    await page.quiet()
    await page.until(button)
    await page.value(f"{button}.focus()")
    await page.press(" ")
    await page.until(f"sw.find('[role=option]', {json.dumps(option)})")
    for _ in range(await page.value("document.querySelectorAll('[role=option]').length")):
        await page.press("ArrowDown")
        if await page.value(f"document.querySelector('[role=option][class*=highlighted]')?.innerText.includes({json.dumps(option)})"):
            break
    await page.press("Enter")


def shutdown(team: Team) -> dict[str, Any]:
    settings = team.sagemaker.describe_domain(DomainId=team.domain)["DefaultUserSettings"].get("JupyterLabAppSettings", {})
    return dict(settings.get("AppLifecycleManagement", {}).get("IdleSettings", {}))


async def test_an_administrator_sets_when_idle_workspaces_stop(studio: Page, server: TestServer, looks: Looks) -> None:
    team = Team(server)
    await studio.follow(f"{STUDIO}/domain")
    await studio.shows("default", "Idle workspaces")
    await studio.click("Stop JupyterLab that nobody uses", "input")
    await studio.fill("After, minutes", "600")
    await looks.at("domain")
    await studio.click("Keep these settings", "button")
    await studio.shows("Kept.")
    until(lambda: shutdown(team).get("IdleTimeoutInMinutes") == 600)
    assert shutdown(team)["LifecycleManagement"] == "ENABLED"
    await studio.follow(f"{STUDIO}/workspaces/create")
    await studio.shows("Empty: 600.")
    await studio.follow(f"{STUDIO}/domain?tab=overview")
    await looks.at("domain-overview")
    off = {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": {"LifecycleManagement": "DISABLED"}}}}
    until(lambda: team.sagemaker.describe_domain(DomainId=team.domain)["Status"] == "InService")
    team.sagemaker.update_domain(DomainId=team.domain, DefaultUserSettings=off)
    assert looks.faults == {}


async def test_what_is_emptied_of_a_domain_becomes_its_default(studio: Page, server: TestServer) -> None:
    """UpdateDomain leaves alone what it is not given: the form says what then holds."""
    team = Team(server)
    idle = {"LifecycleManagement": "ENABLED", "IdleTimeoutInMinutes": 90, "MinIdleTimeoutInMinutes": 70, "MaxIdleTimeoutInMinutes": 100}
    said = {"JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.m5.xlarge"}, "AppLifecycleManagement": {"IdleSettings": idle}}}
    until(lambda: team.sagemaker.describe_domain(DomainId=team.domain)["Status"] == "InService")
    team.sagemaker.update_domain(DomainId=team.domain, DefaultUserSettings=said)
    await studio.follow(f"{STUDIO}/domain")
    await studio.until("sw.find('input', 'A workspace may say at least')?.value === '70'")
    await studio.fill("After, minutes", "")
    await studio.shows("Say after how many minutes.")
    await studio.until("!sw.find('button', 'Keep these settings')")
    await studio.fill("After, minutes", "95")
    for field in ("Instance type", "A workspace may say at least", "A workspace may say at most"):
        await studio.fill(field, "")
    await studio.press("Escape")
    await studio.shows('"MinIdleTimeoutInMinutes": 60', '"MaxIdleTimeoutInMinutes": 525600', '"InstanceType": "ml.t3.medium"')
    await studio.click("Keep these settings", "button")
    await studio.shows("Kept.")
    until(lambda: shutdown(team) == {**idle, "IdleTimeoutInMinutes": 95, "MinIdleTimeoutInMinutes": 60, "MaxIdleTimeoutInMinutes": 525_600})
    domain = team.sagemaker.describe_domain(DomainId=team.domain)
    assert domain["DefaultUserSettings"]["JupyterLabAppSettings"]["DefaultResourceSpec"]["InstanceType"] == "ml.t3.medium"
    off = {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": {"LifecycleManagement": "DISABLED"}}}}
    until(lambda: team.sagemaker.describe_domain(DomainId=team.domain)["Status"] == "InService")
    team.sagemaker.update_domain(DomainId=team.domain, DefaultUserSettings=off)


async def test_a_code_repository_is_added_and_offered(studio: Page, server: TestServer, looks: Looks) -> None:
    sagemaker, name, url = server.client("sagemaker"), unique("code"), "https://git.example.com/team/rain.git"
    await studio.follow(f"{STUDIO}/code-repositories?q={name}")
    await studio.click("Add a code repository", "a")
    await studio.fill("Name", name)
    await studio.fill("URL", url)
    await studio.fill("Branch", "main")
    await looks.at("add-code-repository")
    await studio.click("Add the repository", "button")
    await studio.shows(name, url, "main")
    await looks.at("code-repository")
    assert sagemaker.describe_code_repository(CodeRepositoryName=name)["GitConfig"] == {"RepositoryUrl": url, "Branch": "main"}
    book, others = unique("book"), [name, f"{url}?2", f"{url}?3"]
    await studio.follow(f"{STUDIO}/notebook-instances/create")
    await studio.fill("Name", book)
    await studio.fill("Repository", name)
    await studio.until(f"sw.find('[role=option]', {json.dumps(name)})")
    await studio.press("Escape")  # what is offered goes away: it would cover the button
    for number, other in enumerate(others, 1):
        await studio.click("Add a repository", "button")
        await studio.shows("Choose the additional repository, or remove it.")
        await studio.fill(f"Additional repository {number}", other)
        await studio.press("Escape")
    # the API takes three
    await studio.until("!sw.find('button', 'Add a repository')")
    await looks.at("create-notebook-instance-with-repositories")
    await studio.click("Create the notebook instance", "button")
    await studio.shows(book, "Opened first", "Beside it", *others[1:])
    made = sagemaker.describe_notebook_instance(NotebookInstanceName=book)
    assert (made["DefaultCodeRepository"], made["AdditionalCodeRepositories"]) == (name, others)
    await looks.at("notebook-instance-with-repositories")
    await studio.follow(f"{STUDIO}/code-repositories?q={name}")
    await studio.shows(name, url)
    await looks.at("code-repositories")
    await studio.click(f"Choose {name}", "input")
    await studio.click("Delete", "button", exact=True)
    await studio.click("Delete", '[role="dialog"] button', exact=True)
    await studio.shows("Nothing matches")
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.describe_code_repository(CodeRepositoryName=name)
    # nothing answers at the address, so that the clone fails, and with it the start
    until(lambda: sagemaker.describe_notebook_instance(NotebookInstanceName=book)["NotebookInstanceStatus"] == "Failed", SLOW)
    sagemaker.delete_notebook_instance(NotebookInstanceName=book)
    assert looks.faults == {}

"""Flows by keyboard alone, what is open over a page included; whoever has the focus is seen, and axe finds nothing there."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops

from sagewright.testing.chromium import Page, chromium, opened_by
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import SLOW, Team

from .conftest import AXE, STUDIO
from .keys import Keys
from .looks import CHECK, SETTLED
from .test_access import auditor
from .test_flows import BUILD

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def keys(studio: Page) -> Keys:
    return Keys(studio)


async def faultless(page: Page) -> None:
    if not await page.value("'axe' in window"):
        await page.value(AXE.read_text() + ";true")
    await page.value(SETTLED)
    assert await page.value(CHECK) == []


def with_password(server: TestServer, password: str) -> str:
    """A profile that has set one; its name."""
    team = Team(server)
    name = team.profile()
    with httpx.Client(headers={"origin": server.url}) as http:
        http.get(str(team.sagemaker.create_presigned_domain_url(DomainId=team.domain, UserProfileName=name)["AuthorizedUrl"]))
        assert http.post(f"{server.url}{STUDIO}/api/password", json={"Password": password}).status_code == 204
    return name


async def test_sign_in_and_out(server: TestServer, tmp_path: Path) -> None:
    name = with_password(server, "a long password")
    async with chromium(tmp_path / "profile") as page:
        keys = Keys(page)
        await page.goto(f"{server.url}{STUDIO}/")
        await page.shows("User profile")
        await faultless(page)
        await keys.write("User profile", name)
        await keys.write("Password", "a long password")
        await page.press("Enter")
        await page.shows("Recent work", name)
        await keys.activate(name)
        await page.until("sw.find('[role=menuitem]', 'Sign out')")
        await faultless(page)
        await keys.arrow("ArrowDown", "Sign out", "menuitem")
        await page.press("Enter")
        await page.shows("Or without a password")


@pytest.mark.timeout(300)
async def test_explain_a_denial(server: TestServer, tmp_path: Path) -> None:
    async with chromium(tmp_path / "profile") as page:
        keys = Keys(page)
        await page.goto(auditor(server)[1])
        await page.shows("Overview", "Recent work")
        await keys.activate("Explain a denial", "link", exact=True)
        await page.shows("Who wants to do what")
        await keys.write("Does", "s3:GetObject")
        await page.press("Escape")  # what is offered goes away, what is written stays
        await keys.write("On", "arn:aws:s3:::secrets/key", exact=True)
        await page.press("Enter")
        await page.shows("It may not: a statement denies it", "NeverSecrets")
        await faultless(page)
        assert page.complaints == []


@pytest.mark.timeout(300)
async def test_compare_runs_and_jobs(studio: Page, keys: Keys, jobs: Jobs) -> None:
    name = unique("keys")
    jobs.sagemaker.create_experiment(ExperimentName=name)
    jobs.sagemaker.create_trial(ExperimentName=name, TrialName=name)
    for run, rate in (("slow", 0.1), ("fast", 0.2)):
        jobs.sagemaker.create_trial_component(TrialComponentName=f"{name}-{run}", Parameters={"rate": {"NumberValue": rate}})
        jobs.sagemaker.associate_trial_component(TrialComponentName=f"{name}-{run}", TrialName=name)
    pair = [jobs.train("print(1)", TrainingJobName=f"{name}-{end}", HyperParameters={"rate": end}) for end in ("a", "b")]
    for job in pair:
        jobs.ended(job)
    await studio.follow(f"{STUDIO}/experiments/{name}")
    await keys.activate(f"Compare with {name}-slow")
    await studio.shows("+100 %")
    await faultless(studio)

    await keys.activate("Training jobs", "link", exact=True)
    await keys.write("Find training jobs", name)
    await studio.until(f"location.search.includes('q=') && document.querySelectorAll('tbody tr').length === 2 && document.body.innerText.includes({json.dumps(pair[0])})")
    for job in pair:
        await keys.cell(job, f"Choose {job}", "checkbox")
        await studio.press(" ")
        await studio.until(f"sw.find('input[type=checkbox]', {json.dumps('Choose ' + job)})?.checked")
    await keys.to("Compare two", "button", back=True)
    await studio.press("Enter")
    await studio.shows("Compare", *pair)


@pytest.mark.timeout(600)
async def test_from_a_file_to_a_prediction(studio: Page, keys: Keys, jobs: Jobs, tmp_path: Path) -> None:
    """Upload, train, watch, deploy and ask, by links, fields and buttons that Tab and arrows reach."""
    name = unique("keys")
    file = tmp_path / f"{name}.csv"
    file.write_text("".join(f"{2 * a + 3 * b:.4f},{a:.4f},{b:.4f}\n" for a, b in ((random.random(), random.random()) for _ in range(300))))
    await keys.activate("Data", "link", exact=True)
    await keys.write("Find data by name", jobs.bucket)
    await studio.until("document.querySelectorAll('tbody tr').length === 1")
    await keys.cell(jobs.bucket, jobs.bucket, "link")
    await studio.press("Enter")
    await studio.shows("Upload", f"s3://{jobs.bucket}/")
    # the dialog that asks for a file is the system's, with keys of its own: it is opened by a key and answered by the browser's remote control
    async with studio.tab.expect_file_chooser() as asked:
        await keys.activate("Upload", exact=True)
    await (await asked.value).set_files(file)
    await studio.shows("Stored")
    await faultless(studio)
    await keys.write("Find by the beginning of the name", name)
    await studio.until("location.search.includes('q=') && document.querySelectorAll('tbody tr').length === 1")
    await keys.cell(file.name, file.name, "link")
    await studio.press("Enter")
    await studio.shows("3 columns, without names")

    await keys.activate("Training jobs", "link", exact=True)
    await keys.activate("Create a training job", "link")
    await studio.shows("What runs")
    await keys.write("Name", name, exact=True)
    await keys.write("Where", f"s3://{jobs.bucket}/{file.name}")
    await keys.write("Models go to", f"s3://{jobs.bucket}/{name}-out")
    await keys.activate("Start training")
    await studio.shows(name, "What it went through", "Completed", "Uploading", seconds=BUILD)
    await keys.tab("Log")
    await studio.until("[...document.querySelectorAll('.log-line')].some((l) => l.innerText.includes('train-rmse'))")
    await faultless(studio)

    await keys.activate("Make a model")
    await studio.until(f"sw.find('input', 'Artifact')?.value.endsWith({json.dumps(name + '/output/model.tar.gz')})")
    await keys.activate("Create the model")
    await studio.shows("Primary container")
    await keys.activate("Deploy")
    await studio.shows("How it serves", name)
    await keys.write("Name", name, exact=True)
    await keys.activate("Deploy")
    await studio.shows("Variants", "In service", seconds=BUILD)
    await keys.tab("Test")
    await keys.write("Body", "0.5,0.5", exact=True)
    await keys.activate("Invoke")
    said = await studio.until("document.querySelector('pre[aria-label=Answer]')?.innerText", BUILD)
    assert float(said) == pytest.approx(2.5, abs=0.4)
    await faultless(studio)
    jobs.sagemaker.delete_endpoint(EndpointName=name)


PROMPT = "document.querySelector('.jp-CodeCell .jp-InputPrompt')?.innerText.trim()"


@pytest.mark.timeout(900)
async def test_a_workspace_and_a_cell_in_it(studio: Page, keys: Keys, server: TestServer) -> None:
    """A space is made, started and opened in Studio; in JupyterLab its own keys open a notebook and run a cell."""
    name, team = unique("keys"), Team(server)
    await keys.activate("Workspaces", "link", exact=True)
    await keys.activate("Create a workspace", "link")
    await keys.write("Name", name, exact=True)
    await keys.activate("Create the workspace")
    await studio.shows(name, "Stopped")
    await keys.activate("Start JupyterLab")
    await studio.shows("Running", seconds=SLOW)
    await faultless(studio)
    await keys.activate("Open JupyterLab")
    async with opened_by(studio, "/jupyterlab/default/lab") as lab:
        inside = Keys(lab)
        await lab.until("document.querySelector('.jp-LauncherCard')", SLOW)
        await inside.to("Python 3 (ipykernel)")
        await lab.press("Enter")
        await lab.shows("| Idle", seconds=SLOW)
        await lab.until("document.activeElement?.closest('.jp-Notebook')")
        if not await lab.value("document.activeElement.closest('.cm-editor') !== null"):
            await lab.press("Enter")  # from the cell into its text
        await lab.until("document.activeElement?.closest('.cm-editor')")
        await lab.write("print(6 * 7)")
        await lab.press("Shift+Enter")
        await lab.until(f"/^\\[\\d+\\]:?$/.test({PROMPT})", SLOW)
        assert "42" in str(await lab.value("document.querySelector('.jp-CodeCell .jp-OutputArea').innerText"))
    await keys.activate("Stop", exact=True)
    await studio.until("document.activeElement?.closest('[role=dialog]')")
    await keys.activate("Stop", exact=True)
    await studio.shows("Stopped", seconds=SLOW)
    # in the list, a name is a stop of the arrow keys
    await keys.activate("Workspaces", "link", exact=True)
    await keys.write("Find workspaces", name)
    await studio.until("location.search.includes('q=') && document.querySelectorAll('tbody tr').length === 1")
    await keys.cell(name, name, "link")
    await studio.press("Enter")
    await studio.shows("Start JupyterLab", "Who works in it")
    team.sagemaker.delete_space(DomainId=team.domain, SpaceName=name)


async def test_skip_link_and_palette(studio: Page, keys: Keys) -> None:
    await studio.follow(f"{STUDIO}/models")
    await studio.quiet()
    await studio.press("Tab")
    assert (await keys.focus())["name"] == "Skip to the page"
    await studio.press("Enter")
    await studio.press("Tab")
    assert await studio.value("document.activeElement.closest('#main') !== null")
    await studio.press("Control+k")
    await studio.until("document.activeElement?.getAttribute('role') === 'combobox'")
    await faultless(studio)
    await studio.press("Escape")
    await studio.until("!document.querySelector('dialog[open]') && document.activeElement.closest('#main') !== null")


def seen(before: bytes, after: bytes, place: dict[str, Any]) -> bool:
    """Whether the surroundings of a place look different in two pictures."""
    # the component library draws some of its rings 6 to 8 pixels away
    box = (int(place["left"]) - 8, int(place["top"]) - 8, int(place["right"]) + 8, int(place["bottom"]) + 8)
    one, other = (Image.open(io.BytesIO(picture)).convert("RGB").crop(box) for picture in (before, after))
    return ImageChops.difference(one, other).getbbox() is not None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", ["/", "/training-jobs", "/data", "/training-jobs/create"])
async def test_the_focus_is_seen(studio: Page, keys: Keys, path: str, tmp_path: Path) -> None:
    """Every stop of Tab looks otherwise with the focus than without."""
    await studio.follow(STUDIO + path)
    await studio.quiet()
    await studio.value("document.getAnimations().forEach((a) => a.finish()), true")
    last: tuple[dict[str, Any], float, bytes] | None = None
    unseen, stops = [], 0
    for _ in range(60):
        await studio.press("Tab")
        at = await keys.focus()
        if at["role"] == "body":
            break
        stops += 1
        await studio.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")  # it is drawn
        await studio.picture(tmp_path / "at.png")
        shot, scrolled = (tmp_path / "at.png").read_bytes(), await studio.value("scrollY")
        if last and last[1] == scrolled and not seen(last[2], shot, last[0]["place"]):
            unseen.append(f"{last[0]['role']} {last[0]['name'][:60]!r}")
        last = (at, scrolled, shot)
    assert stops > 15
    assert unseen == []

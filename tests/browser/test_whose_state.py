"""Whose state a page shows: that of the thing in its address, of whoever is signed in now, and as it is now."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.desk import Desk, asked
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import default_domain

from .conftest import STUDIO
from .test_tuning import page_says

pytestmark = pytest.mark.xdist_group("browser")
PASSWORD = "correct horse battery"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
HELD = """
{ const ask = fetch; let open; const opened = new Promise((go) => (open = go)); window.release = open;
  window.fetch = async (...given) => { if (given[0] instanceof Request && (await given[0].clone().text()).includes(window.held)) { window.waiting = true; await opened; } return ask(...given); }; } true
"""
"""Requests with the text ``held`` in them go when ``release()`` is called."""
SLOW = """
{ const ask = fetch; window.slow = 0;
  window.fetch = async (...given) => {
    const said = given[0] instanceof Request ? [given[0].url, ...[...given[0].headers].flat(), await given[0].clone().text()].join(' ') : '';
    const answer = await ask(...given);
    if (said.includes('GetMetricData')) { window.slow += 1; await new Promise((go) => setTimeout(go, 3000)); } return answer; }; } true
"""


def model(jobs: Jobs, name: str) -> str:
    jobs.sagemaker.create_model(ModelName=name, ExecutionRoleArn=jobs.role, PrimaryContainer={"Image": IMAGE})
    return name


async def test_somebody_else_in_the_same_tab_works_with_keys_of_their_own(studio: Page, server: TestServer) -> None:
    ada = Desk(server, "sagemaker:List*", "sagemaker:Describe*")
    asked(ada.signed_in(), "POST", "password", {"Password": PASSWORD})
    await studio.follow(f"{STUDIO}/models")  # whose client has the owner's keys from here on
    await studio.shows("Models")
    await studio.quiet()
    await studio.click("owner", "button")
    await studio.click("Sign out", '[role="menuitem"]')
    await studio.shows("Or without a password")
    await studio.fill("User profile", ada.name)
    await studio.fill("Password", PASSWORD)
    await studio.click("Sign in", "button")
    await studio.until(f"sw.find('button', {json.dumps(ada.name)})")
    await studio.shows("Models")
    await studio.quiet()
    assert "cannot be listed" not in await studio.text()
    studio.complaints.clear()  # the browser itself notes an answer of 401


async def test_a_session_that_has_ended_is_left(studio: Page) -> None:
    assert await studio.value("fetch('/_sagewright/studio/api/session', {method: 'DELETE', headers: {'content-type': 'application/json'}}).then((a) => a.status)") == 204
    await studio.click("owner", "button")
    await studio.click("Sign out", '[role="menuitem"]')
    await studio.shows("Or without a password")
    studio.complaints.clear()  # the browser itself notes an answer of 401


async def test_who_leaves_a_form_on_its_way_is_not_brought_back(studio: Page, server: TestServer) -> None:
    name = unique("left")[-40:].lstrip("-")
    await studio.value(HELD + f"; window.held = {json.dumps(name)}; true")
    await studio.follow(f"{STUDIO}/people/create")
    await studio.fill("Name", name)
    await studio.click("Add the profile", "button")
    await studio.until("window.waiting")
    await studio.follow(f"{STUDIO}/models")
    await studio.shows("Models")
    await studio.value("release()")
    await studio.shows(f"{name} is there")
    await studio.quiet()
    assert await studio.value("location.pathname") == f"{STUDIO}/models"
    server.client("sagemaker").delete_user_profile(DomainId=default_domain(server), UserProfileName=name)


async def test_one_thing_is_never_shown_under_the_name_of_another(studio: Page, jobs: Jobs) -> None:
    first, second = model(jobs, unique("first")), model(jobs, unique("second"))
    await studio.value(HELD + f"; window.held = {json.dumps(second)}; true")
    await studio.follow(f"{STUDIO}/models/{first}")
    await studio.shows(first, "Primary container")
    await studio.follow(f"{STUDIO}/models/{second}")
    await studio.shows(second)
    await studio.until("window.waiting")
    assert "Primary container" not in await studio.text()
    await studio.value("release()")
    await studio.shows("Primary container")


async def test_the_end_of_a_thing_with_capitals_is_heard(studio: Page, jobs: Jobs) -> None:
    name = model(jobs, unique("Capital"))
    await studio.follow(f"{STUDIO}/models/{name}")
    await studio.shows("Primary container", "Live")
    jobs.sagemaker.delete_model(ModelName=name)
    await studio.shows("Could not find model")


async def test_the_next_page_is_the_next_however_quickly_it_is_asked_for(studio: Page, jobs: Jobs) -> None:
    stem = unique("paged")
    for number in range(76):
        jobs.sagemaker.create_experiment(ExperimentName=f"{stem}-{number:02}")
    await studio.follow(f"{STUDIO}/experiments?sort=Name&order=Descending")
    await studio.shows("Experiments")
    await studio.quiet()
    following = "document.querySelector('[aria-label=\"Next page\"]')"
    await studio.value(HELD + "; window.held = 'NextToken'; true")
    await studio.value(f"{following}.click()")
    await studio.until("window.waiting && new URLSearchParams(location.search).get('page') === '2'")
    token = await studio.value("new URLSearchParams(location.search).get('token')")
    await studio.value(f"{following}.click()")  # while the second page is on its way
    await studio.value("release()")
    await studio.quiet()
    assert await studio.value("[new URLSearchParams(location.search).get('page'), new URLSearchParams(location.search).get('token')]") == ["2", token]
    await studio.value(f"{following}.click()")
    await studio.until("new URLSearchParams(location.search).get('page') === '3'")
    assert await studio.value("new URLSearchParams(location.search).get('token')") != token


async def test_answers_slower_than_the_clock_are_shown(studio: Page, jobs: Jobs) -> None:
    name = jobs.train("import time\nprint('loss=0.5', flush=True)\ntime.sleep(600)", TrainingJobName=unique("slow"), AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]})
    await studio.value(SLOW)
    await studio.follow(f"{STUDIO}/training-jobs/{name}?tab=metrics")
    await studio.until("[...document.querySelectorAll('figure.chart [role=img]')].some((c) => c.ariaLabel.includes('loss ends at'))", 60)
    assert await studio.value("window.slow") > 0
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.ended(name)


async def test_files_are_uploaded_where_the_context_is_not_secure(studio: Page, jobs: Jobs, tmp_path: Path) -> None:
    """Such as a plain address of the local network."""
    name = unique("plain")
    await studio.tab.add_init_script("delete Crypto.prototype.randomUUID")
    await studio.tab.reload(wait_until="commit")
    await studio.until("crypto.randomUUID === undefined")
    await studio.shows("Recent work")
    (tmp_path / "a.csv").write_text("1,2\n")
    await studio.follow(f"{STUDIO}/data/{jobs.bucket}?prefix={name}/")
    await studio.shows("There is nothing here yet")
    await studio.choose("Files to upload", tmp_path / "a.csv")
    await studio.shows("Stored")
    assert jobs.get(f"s3://{jobs.bucket}/{name}/a.csv") == b"1,2\n"


async def test_the_same_name_elsewhere_is_something_else(studio: Page, jobs: Jobs) -> None:
    """An ARN of another region leads nowhere: the page of that name is of this one."""
    name, context = model(jobs, unique("here")), unique("context")
    for region, links in (("us-east-1", 1), ("eu-west-1", 0)):
        arn = f"arn:aws:sagemaker:{region}:123456789012:model/{name}"
        jobs.sagemaker.create_context(ContextName=f"{context}-{region}", ContextType="x", Source={"SourceUri": arn})
        await studio.follow(f"{STUDIO}/resources/Context/{context}-{region}")
        await studio.shows(f"{context}-{region}", name)
        assert await studio.value(f"document.querySelectorAll('a[href$=\"/models/{name}\"]').length") == links


def test_quantities_are_short_and_never_powers_of_ten() -> None:
    sizes = [0, 999, 1000, 999_499, 999_999, 12_345_678, 5e12, 2e18]
    hours = [0, 0.001, 0.4, 12.34, 123.4, 999.9, 1234, 1.5e6]
    script = f"import {{ power, size }} from '../../kit/sizes.ts'; console.log(JSON.stringify([{json.dumps(sizes)}.map(size), {json.dumps(hours)}.map(power)]))"
    assert page_says(script) == [
        ["0 B", "999 B", "1 KB", "999 KB", "1 MB", "12.3 MB", "5 TB", "2000 PB"],
        ["0 Wh", "< 0.01 Wh", "0.4 Wh", "12.3 Wh", "123 Wh", "1 kWh", "1.23 kWh", "1.5 MWh"],
    ]


def test_ids_are_uuids() -> None:
    made = page_says("import { unique } from '../../kit/unique.ts'; console.log(JSON.stringify(Array.from({length: 200}, unique)))")
    assert len(set(made)) == 200
    assert all(uuid.UUID(one).version == 4 and str(uuid.UUID(one)) == one for one in made)

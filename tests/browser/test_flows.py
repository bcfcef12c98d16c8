"""What people do in Studio, click by click, on a real server with real jobs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Route

from sagewright.testing.chromium import Page
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

from .conftest import STUDIO, link
from .looks import Looks

pytestmark = pytest.mark.xdist_group("browser")
BUILD = 300
"""Seconds that a fresh clone may need for an image's environment."""


@pytest.mark.timeout(600)
async def test_from_a_file_to_a_prediction_without_code(studio: Page, jobs: Jobs, tmp_path: Path) -> None:
    """Upload a CSV, train on it by the form, watch the job end, make a model of it, deploy it, and ask it in the console."""
    name = unique("flow")
    rows = [(random.random(), random.random()) for _ in range(300)]
    (tmp_path / "train.csv").write_text("".join(f"{2 * a + 3 * b:.4f},{a:.4f},{b:.4f}\n" for a, b in rows))
    await studio.follow(f"{STUDIO}/data/{jobs.bucket}?prefix={name}/")
    await studio.shows("There is nothing here yet")
    await studio.choose("Files to upload", tmp_path / "train.csv")
    await studio.shows("Stored")
    assert jobs.get(f"s3://{jobs.bucket}/{name}/train.csv") == (tmp_path / "train.csv").read_bytes()
    await studio.click("train.csv", "a")
    await studio.shows("3 columns, without names", f"{rows[0][0]:.4f}")

    await studio.follow(f"{STUDIO}/training-jobs/create")
    await studio.shows("What runs")
    await studio.fill("Name", name)
    await studio.fill("Where", f"s3://{jobs.bucket}/{name}/")
    await studio.fill("Models go to", f"s3://{jobs.bucket}/{name}-out")
    await studio.click("Start training", "button")
    await studio.shows(name, "What it went through")
    await studio.shows("Completed", "Uploading", seconds=BUILD)  # told by the stream of changes: nobody reloads
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed"
    await studio.click("Log", '[role="tab"]')
    await studio.until("[...document.querySelectorAll('.log-line')].some((l) => l.innerText.includes('train-rmse'))")
    await studio.click("Metrics", '[role="tab"]')
    await studio.until("[...document.querySelectorAll('figure.chart [role=img]')].some((c) => c.ariaLabel.includes('train:rmse ends at'))")
    await studio.click("Code", '[role="tab"]', exact=True)
    await studio.shows("create_training_job(", f'TrainingJobName="{name}"')

    await studio.click("Make a model", "button")
    await studio.until(f"sw.find('input', 'Artifact')?.value.endsWith({json.dumps(name + '/output/model.tar.gz')})")
    await studio.click("Create the model", "button")
    await studio.shows("Primary container")
    await studio.click("Deploy", "button")
    await studio.shows("How it serves", name)
    await studio.fill("Name", name)
    await studio.click("Deploy", "button")
    await studio.shows("Variants", "In service", seconds=BUILD)
    await studio.click("Test", '[role="tab"]', exact=True)
    await studio.fill("Body", "0.5,0.5")
    await studio.click("Invoke", "button")
    said = await studio.until("document.querySelector('pre[aria-label=Answer]')?.innerText")
    assert float(said) == pytest.approx(2.5, abs=0.4)
    jobs.sagemaker.delete_endpoint(EndpointName=name)


async def test_a_failed_job_says_why_and_is_cloned(studio: Page, jobs: Jobs) -> None:
    """Whatever a name, a log line or a cause holds, it is text."""
    evil = "<img src=x onerror=window.pwned=1>"
    name = jobs.train(f"print({evil!r}, flush=True)\nraise ValueError('no column {evil}')", HyperParameters={"note": evil}, TrainingJobName=unique("failed"))
    jobs.ended(name)
    await studio.follow(f"{STUDIO}/training-jobs/{name}")
    await studio.shows("Failed", "no column", evil)
    await studio.click("Log", '[role="tab"]')
    await studio.until(f"[...document.querySelectorAll('.log-line')].some((l) => l.innerText.includes({json.dumps(evil)}))")
    await studio.click("Clone and edit", "button")
    await studio.until("sw.find('input', 'Command')?.value.startsWith('python3 /opt/ml/input/data/code/')")
    assert await studio.value("window.pwned") is None


async def test_the_palette_by_keyboard_alone(studio: Page, jobs: Jobs) -> None:
    name = jobs.train("print('hello')", TrainingJobName=unique("palette"))
    await studio.press("Control+k")
    await studio.until("document.activeElement?.getAttribute('role') === 'combobox'")
    await studio.write(name)
    await studio.until(f"[...document.querySelectorAll('.palette [role=option]')].some((o) => o.ariaSelected === 'true' && o.innerText.includes({json.dumps(name)}))")
    await studio.press("Enter")
    await studio.shows("What it is")
    assert await studio.value("location.pathname") == f"{STUDIO}/training-jobs/{name}"
    jobs.ended(name)


async def test_a_list_says_by_itself_what_changes(studio: Page, jobs: Jobs) -> None:
    """A job that somebody else starts shows without a click, and so does its end."""
    name = unique("live")
    await studio.follow(f"{STUDIO}/training-jobs?q={name}")
    await studio.shows("Nothing matches")
    jobs.train("import time\nprint('begun', flush=True)\ntime.sleep(600)", TrainingJobName=name)
    await studio.shows(name, "In progress")
    await studio.click(f"Choose {name}", "input")
    await studio.click("Stop", "button", exact=True)
    await studio.click("Stop", '[role="dialog"] button', exact=True)
    await studio.shows("Stopped")


async def test_signing_out_ends_it(studio: Page, server: TestServer) -> None:
    await studio.click("owner", "button")
    await studio.click("Sign out", '[role="menuitem"]')
    await studio.shows("Or without a password")
    assert await studio.value("fetch('/_sagewright/studio/api/session').then((a) => a.status)") == 401
    studio.complaints.clear()  # the browser itself notes an answer of 401


def test_a_link_signs_in_once(server: TestServer) -> None:
    url = link(server)
    assert httpx.get(url).status_code in (302, 303)
    assert httpx.get(url, headers={"accept": "text/html"}).status_code == 403


async def test_the_palette_says_what_it_could_not_look_through(studio: Page, jobs: Jobs, looks: Looks) -> None:
    """A role that may not list one kind finds the others, and is told."""

    async def denied(route: Route) -> None:
        if route.request.headers.get("x-amz-target") == "SageMaker.ListModels":
            await route.fulfill(status=400, content_type="application/x-amz-json-1.1", body='{"__type": "AccessDeniedException", "message": "may not list models"}')
        else:
            await route.continue_()

    await studio.tab.route("**/", denied)
    await studio.press("Control+k")
    await studio.write(jobs.bucket)
    await studio.shows("Not everything could be looked through: may not list models")
    assert jobs.bucket in await studio.value("document.querySelector('.palette [role=option]').innerText")
    await looks.at("palette-in-part")
    assert looks.faults == {}
    await studio.tab.unroute("**/", denied)

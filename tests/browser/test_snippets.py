"""The boto3 that a form shows does what its button would: taken from the page as it stands, run by Python, and there it is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.jobs import Jobs
from sagewright.testing.models import SUM, Models
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import Team

from .calls import STUDIO

pytestmark = pytest.mark.xdist_group("browser")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python:3.11"
Fill = Callable[[Page, Jobs, str], Awaitable[None]]


async def tuning(page: Page, jobs: Jobs, name: str) -> None:
    data = jobs.put(f"{name}/rows.csv", "".join(f"{2 * x},{x}\n" for x in range(40))).removesuffix("rows.csv")
    await page.follow(f"{STUDIO}/tuning-jobs/create")
    await page.shows("What is searched")
    await page.fill("Name", name)
    await page.fill("Trials", "1")
    await page.fill("At once", "1")
    await page.click("Fill in what is left out", 'input[type="checkbox"]')
    await page.fill("Where", data)
    await page.click("Remove the channel validation", "button")
    await page.fill("Objective", "train:rmse")
    await page.press("Escape")
    await page.fill("Models go to", f"s3://{jobs.bucket}/{name}-out")
    await page.shows('"Mode": "Enabled"', '"MetricName": "train:rmse"')


async def processing(page: Page, jobs: Jobs, name: str) -> None:
    script, data = jobs.put(f"{name}/sort.py", "print('it''s', \"a 'quote'\")"), jobs.put(f"{name}/in/rows.csv", "c\na\n")
    await page.follow(f"{STUDIO}/processing-jobs/create")
    await page.shows("What runs")
    await page.fill("Name", name)
    await page.fill("Image", IMAGE)
    await page.press("Escape")
    await page.fill("Script", script)
    await page.fill("Arguments", "name 'a \"place\" \\ for ü'")
    await page.fill("Read from", data.removesuffix("rows.csv"))
    await page.fill("Store in", f"s3://{jobs.bucket}/{name}/out")


async def transform(page: Page, jobs: Jobs, name: str) -> None:
    rows = jobs.put(f"{name}/rows.csv", "1,2\n3,4\n")
    await page.follow(f"{STUDIO}/transform-jobs/create?model={Models(jobs.server).model(SUM)}")
    await page.shows("Answers go to")
    await page.fill("Name", name)
    await page.fill("Records from", rows)
    await page.fill("Answers go to", f"s3://{jobs.bucket}/{name}/out")


async def endpoint(page: Page, jobs: Jobs, name: str) -> None:
    await page.follow(f"{STUDIO}/endpoints/create?model={Models(jobs.server).model(SUM)}")
    await page.fill("Name", name)


async def serverless(page: Page, jobs: Jobs, name: str) -> None:
    await endpoint(page, jobs, name)
    await page.click("Serverless", 'input[type="radio"]')


async def asynchronous(page: Page, jobs: Jobs, name: str) -> None:
    await endpoint(page, jobs, name)
    await page.click("Asynchronous", 'input[type="radio"]')
    await page.fill("Answers go to", f"s3://{jobs.bucket}/{name}")
    await page.click("Scale by load", 'input[type="checkbox"]')
    await page.shows("put_scaling_policy(")


def form(path: str, field: str = "Name") -> Fill:
    """A form that needs a name alone."""

    async def fill(page: Page, _: Jobs, name: str) -> None:
        await page.follow(f"{STUDIO}/{path}/create")
        await page.fill(field, name)

    return fill


FORMS: dict[str, tuple[Fill, str, str]] = {
    "tuning": (tuning, "describe_hyper_parameter_tuning_job", "HyperParameterTuningJobName"),
    "processing": (processing, "describe_processing_job", "ProcessingJobName"),
    "transform": (transform, "describe_transform_job", "TransformJobName"),
    "endpoint": (endpoint, "describe_endpoint", "EndpointName"),
    "serverless": (serverless, "describe_endpoint", "EndpointName"),
    "asynchronous": (asynchronous, "describe_endpoint", "EndpointName"),
    "workspace": (form("workspaces"), "describe_space", "SpaceName"),
    "person": (form("people"), "describe_user_profile", "UserProfileName"),
    "script": (form("start-scripts"), "describe_studio_lifecycle_config", "StudioLifecycleConfigName"),
    "notebook": (form("notebook-instances"), "describe_notebook_instance", "NotebookInstanceName"),
}
PLACES = ("workspace", "person")


def undone(server: TestServer, sagemaker: Any, kind: str, name: str) -> None:
    """Nothing goes on that others would wait for."""
    if "endpoint" in kind or kind in ("serverless", "asynchronous"):
        sagemaker.delete_endpoint(EndpointName=name)
    elif kind == "workspace":
        team = Team(server)
        assert team.app(name)["Status"] == "InService"
        sagemaker.delete_app(**team.where(name))
    elif kind == "tuning":
        with suppress(sagemaker.exceptions.ClientError):  # its one trial may have ended it
            sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", FORMS)
async def test_what_a_form_shows_can_be_run(studio: Page, server: TestServer, jobs: Jobs, tmp_path: Path, kind: str) -> None:
    fill, describe, key = FORMS[kind]
    name = unique(kind)[-32:].lstrip("-")
    await fill(studio, jobs, name)
    await studio.until(f"document.querySelector('.code-panel pre')?.innerText.includes({name!r})")
    await studio.quiet()
    code = str(await studio.value("document.querySelector('.code-panel pre').innerText"))
    program = [sys.executable, "-c", code]
    ran = await asyncio.to_thread(subprocess.run, program, env=server.environment(), cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stderr}\n{code}"
    sagemaker = jobs.sagemaker
    where = {"DomainId": Team(server).domain} if kind in PLACES else {}
    assert getattr(sagemaker, describe)(**where, **{key: name})[key] == name
    undone(server, sagemaker, kind, name)

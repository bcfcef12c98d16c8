"""Jobs of every kind in Studio: made by a form, watched, told apart, and what became of them seen."""

from __future__ import annotations

import json

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.jobs import Jobs
from sagewright.testing.models import SUM, Models
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

from .calls import STUDIO
from .looks import Looks

pytestmark = pytest.mark.xdist_group("browser")
BUILD = 300
"""Seconds that a fresh clone may need for an image's environment."""
BUSY = """
import pathlib, sys, time
end, n = time.monotonic() + 1.5, 0
while time.monotonic() < end:
    n += 1
rows = sorted(pathlib.Path("/opt/ml/processing/input/data/rows.csv").read_text().split())
pathlib.Path("/opt/ml/processing/output/result/sorted.csv").write_text("\\n".join(rows) + "\\n")
print("sorted", len(rows), "rows by", *sys.argv[1:], flush=True)
"""


@pytest.mark.timeout(600)
async def test_a_script_from_s3_processes_files(studio: Page, jobs: Jobs, looks: Looks) -> None:
    """By the form; its log, its use of the machine and its files are seen, and it is made again with another argument."""
    name = unique("sorts")
    script, data = jobs.put(f"{name}/sort.py", BUSY), jobs.put(f"{name}/in/rows.csv", "c\na\nb\n")
    await studio.follow(f"{STUDIO}/processing-jobs")
    await studio.click("Create a processing job", "a")
    await studio.shows("What runs")
    await looks.at("create-processing-job")
    await studio.fill("Name", name)
    await studio.fill("Image", "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python:3.11")
    await studio.press("Escape")
    await studio.fill("Script", script)
    await studio.fill("Arguments", "name 'a place'")
    await studio.fill("Read from", data.removesuffix("rows.csv"))
    await studio.fill("Store in", f"s3://{jobs.bucket}/{name}/out")
    await studio.shows("create_processing_job(", '"/opt/ml/processing/input/code/sort.py"', '"ContainerArguments": ["name", "a place"]')
    await studio.click("Start processing", "button")
    await studio.shows(name, "What it went through")
    await studio.shows("Completed", "Processing", seconds=BUILD)
    assert jobs.sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "Completed"
    await looks.at("processing-job")
    await studio.click("Log", '[role="tab"]')
    await studio.until("[...document.querySelectorAll('.log-line')].some((l) => l.innerText.includes('sorted 3 rows by name a place'))")
    await studio.click("Resources", '[role="tab"]')
    await studio.until("[...document.querySelectorAll('figure.chart [role=img]')].some((c) => /CPU.*algo-1 ends at/.test(c.ariaLabel))")
    await looks.at("processing-job-resources")
    await studio.click("Data", '[role="tab"]', exact=True)
    await studio.shows("What it read", data.removesuffix("rows.csv"))
    await looks.at("processing-job-data")
    await studio.click(f"s3://{jobs.bucket}/{name}/out/", "a")
    await studio.shows("sorted.csv")
    assert jobs.get(f"s3://{jobs.bucket}/{name}/out/sorted.csv") == b"a\nb\nc\n"

    await studio.follow(f"{STUDIO}/processing-jobs/create?from={name}")
    await studio.until(f"sw.find('input', 'Script')?.value === {json.dumps(script)} && sw.find('input', 'Arguments')?.value === \"name 'a place'\"")
    await studio.fill("Name", f"{name}-again")
    await studio.fill("Arguments", "length")
    await studio.click("Start processing", "button")
    await studio.shows(f"{name}-again", "Completed", seconds=BUILD)
    await studio.follow(f"{STUDIO}/processing-jobs/compare?of={name},{name}-again")
    await studio.shows("Container arguments", "name a place", "length")
    assert await studio.value("document.body.innerText.includes('ml.m5.large')") is False
    assert looks.faults == {}


async def test_a_running_job_is_stopped_after_a_question(studio: Page, jobs: Jobs) -> None:
    name = unique("stops")
    await studio.follow(f"{STUDIO}/processing-jobs/create")
    await studio.fill("Name", name)
    await studio.fill("Image", "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python:3.11")
    await studio.press("Escape")
    await studio.click("A command", "button")
    await studio.fill("Command", "python3 -c 'import time; time.sleep(600)'")
    await studio.click("Remove the input data", "button")
    await studio.click("Remove the output result", "button")
    await studio.click("Start processing", "button")
    await studio.shows(name, "What it went through", "In progress")
    await studio.click("Stop", "button", exact=True)
    await studio.shows(f"Stop {name}?", "It is told to end")
    assert jobs.sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "InProgress"
    await studio.click("Stop", '[role="dialog"] button', exact=True)
    await studio.shows("Stopped")
    assert jobs.sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "Stopped"


@pytest.mark.timeout(600)
async def test_a_model_is_asked_about_every_row(studio: Page, server: TestServer, looks: Looks) -> None:
    """A transform that hides the ids from the model and stores them with its answers."""
    models, name = Models(server), unique("scores")
    model = models.model(SUM)
    models.put("rows/rows.csv", "id1,1,2\nid2,3,4\n")
    await studio.follow(f"{STUDIO}/transform-jobs/create?model={model}")
    await studio.shows("Which model")
    await looks.at("create-transform-job")
    await studio.fill("Name", name)
    await studio.fill("Records from", f"s3://{models.bucket}/rows/")
    await studio.fill("Input filter", "$[1:]")
    await studio.fill("Output filter", "$[0,-1]")
    await studio.click("Stored", "button")
    await studio.click("The record and its answer", '[role="option"]')
    await studio.fill("Answers go to", f"s3://{models.bucket}/scores")
    await studio.shows("create_transform_job(", '"JoinSource": "Input"', f'ModelName="{model}"')
    await studio.click("Start the transform", "button")
    await studio.shows(name, "What it went through")
    await studio.shows("Completed", "Transforming", seconds=BUILD)
    assert models.get("scores/rows.csv.out") == b"id1,3\nid2,7\n"
    await looks.at("transform-job")
    await studio.click("Data", '[role="tab"]', exact=True)
    await studio.click(f"s3://{models.bucket}/scores/", "a")
    await studio.shows("rows.csv.out")
    assert looks.faults == {}


async def test_two_training_jobs_are_told_apart(studio: Page, jobs: Jobs, looks: Looks) -> None:
    """Only what differs at first, in words; all of it after a click, and the address keeps that."""
    definitions = {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]}
    first, second = (
        jobs.train(f"print('loss={loss}')", TrainingJobName=unique("told"), AlgorithmSpecification=definitions, HyperParameters={"rate": rate, "depth": "4"})
        for loss, rate in (("0.5", "0.1"), ("0.25", "0.2"))
    )
    for name in (first, second):
        assert jobs.ended(name)["TrainingJobStatus"] == "Completed"
    await studio.follow(f"{STUDIO}/training-jobs?q=told")
    for name in (first, second):
        await studio.click(f"Choose {name}", "input")
        await studio.until(f"sw.find('input', {json.dumps(f'Choose {name}')})?.checked")
    await studio.click("Compare two", "button")
    await studio.shows("Hyperparameters", "rate", "0.1", "0.2", "loss", "0.25")
    rows = "[...document.querySelectorAll('table.diff tbody th[scope=row]')].map((e) => e.innerText)"
    differing = await studio.value(rows)
    assert "rate" in differing
    assert "depth" not in differing
    assert "Instance type" not in differing
    assert await studio.value("document.querySelectorAll('table.diff pre').length") == 0
    await looks.at("compare-differing")
    await studio.click("Only what differs", "input")
    await studio.until(f"{rows}.includes('depth') && {rows}.includes('Instance type')")
    assert await studio.value("new URLSearchParams(location.search).get('show')") == "all"
    assert await studio.value("document.querySelectorAll('table.diff tr.differs').length") == len(differing)
    await looks.at("compare-all")
    assert looks.faults == {}


async def test_the_overview_says_what_the_work_took(studio: Page, jobs: Jobs, looks: Looks) -> None:
    """Machine time, energy by watts that are kept, and AWS's list price; the address keeps the time that is looked at."""
    name = jobs.train("import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end:\n    pass", TrainingJobName=unique("spent"))
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed"
    await studio.follow(f"{STUDIO}/")
    await studio.shows("Prepare", "Build", "Train", "Tune", "Deploy", "Watch", "Time and energy")
    figures = "Object.fromEntries([...document.querySelectorAll('.spent > div')].map((d) => [d.querySelector('dt').innerText, d.innerText]))"
    await studio.until(f"/training \\d/.test({figures}['Machine time']) && /Wh/.test({figures}['Energy, estimated']) && /\\$/.test({figures}['The same on AWS'])")
    await studio.until(f"/ms of a busy core|s of a busy core/.test({figures}['Energy, estimated']) && !/^Energy, estimated\\s+0 Wh/.test({figures}['Energy, estimated'])")
    await looks.at("overview")
    await studio.click("How this is computed", "button, [role=button]")
    await studio.shows("real-time inference, on demand, us-east-1, 2024")
    await studio.fill("Watts of a busy core", "25")
    await studio.shows("of a busy core at 25 W")
    await studio.value("document.querySelector('.spent').scrollIntoView(), true")
    await looks.at("overview-spent")
    await studio.click("Today", "button")
    await studio.until("new URLSearchParams(location.search).get('days') === '1'")
    assert looks.faults == {}


async def test_a_number_is_typed_key_by_key(studio: Page, looks: Looks) -> None:
    """What is not yet a number that may be stays in the field, is told of, and changes nothing that is sent."""
    await studio.follow(f"{STUDIO}/training-jobs/create")
    await studio.shows('"MaxRuntimeInSeconds": 3600')
    field = "sw.find('input', 'At most, minutes')"
    await studio.value(f"({field}.focus(), {field}.select(), true)")
    await studio.press("Backspace")
    await studio.shows("A whole number, 1 or more.", '"MaxRuntimeInSeconds": 3600')
    for key in "45":
        await studio.press(key)
    await studio.shows('"MaxRuntimeInSeconds": 2700')
    assert await studio.value("document.body.innerText.includes('A whole number')") is False
    await studio.fill("At most, minutes", "0")
    await studio.shows("A whole number, 1 or more.", '"MaxRuntimeInSeconds": 2700')
    await looks.at("half-typed-number")
    await studio.press("Tab")
    await studio.until(f"{field}.value === '45'")
    assert looks.faults == {}

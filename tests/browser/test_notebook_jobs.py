"""Notebook jobs, click by click: a notebook runs with parameters, its result is shown and does nothing, and a schedule runs it again."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.chromium import Page
from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until

from .calls import STUDIO
from .downloads import downloaded, watched
from .hostile import ALL, IMG, INTRUDERS
from .test_endpoints import looked_at

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]
BUILD = 400
"""Seconds that a fresh clone may need for the image's environment, and a kernel to start."""
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")


def code(source: str, **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "id": f"c{abs(hash(source))}", "metadata": metadata, "outputs": [], "source": source}


def notebook(*cells: dict[str, Any]) -> str:
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": list(cells), "metadata": about, "nbformat": 4, "nbformat_minor": 5})


REPORT = notebook(
    {"cell_type": "markdown", "id": "m", "metadata": {}, "source": f"# The report\n{ALL}"},
    code("factor = 1", tags=["parameters"]),
    code("print('answer', factor * 14)"),
    code(f"from IPython.display import HTML, Image, display\ndisplay(Image({PIXEL!r}))\ndisplay(HTML({ALL!r}))\nprint({IMG!r})"),
    code(f"display({{'text/html': {IMG!r}, 'application/javascript': 'window.pwned=1'}}, raw=True)"),
)


async def looked_at_alone(page: Page, pictures: Path, name: str) -> None:
    """As ``looked_at``, once nothing fades any more, neither the page before nor a note: what is half gone has no contrast."""
    await page.quiet()
    await page.until("!sw.find('button', 'Put away') && getComputedStyle(document.querySelector('.page')).opacity === '1'")
    await looked_at(page, pictures, name)


async def test_a_notebook_runs_and_a_schedule_runs_it_again(studio: Page, server: TestServer, jobs: Jobs, pictures: Path, tmp_path: Path) -> None:
    name, folder = unique("report"), unique("notebooks")
    file = tmp_path / "report.ipynb"
    file.write_text(REPORT)
    await studio.follow(f"{STUDIO}/notebook-jobs/create")
    await studio.shows("Say where the results go.")
    await studio.fill("Name", name)
    await studio.fill("Results go to", f"s3://{jobs.bucket}/{folder}/")
    await studio.choose("A notebook of this computer", file)
    await studio.shows("report.ipynb, which is uploaded")
    await studio.click("Add a parameter", "button")
    await studio.fill("Name of the parameter", "factor")
    await studio.fill("Value of factor", "3")
    await looked_at_alone(studio, pictures, "run-a-notebook")
    await studio.click("Run it", "button", exact=True)
    await studio.shows("is on its way", "here once the run has ended")
    job = jobs.ended(name, BUILD)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    await studio.shows("The report", "answer 42", IMG, "An output of type text/html is not shown here; the downloads have it.", "An output of type application/javascript, text/html is not shown")
    await studio.until("document.querySelector('img.cell-picture')?.naturalWidth === 1")
    assert await studio.value(INTRUDERS) == []
    assert await studio.value("window.pwned") is None
    await looked_at_alone(studio, pictures, "notebook-result")
    await watched(studio)
    archive = jobs.s3.get_object(Bucket=jobs.bucket, Key=f"{folder}/{name}/output/output.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as left:
        for ending in ("ipynb", "html"):
            await studio.click(f".{ending}", "button", exact=True)
            member = left.extractfile(f"report.{ending}")
            assert member is not None
            assert await downloaded(studio) == (f"report.{ending}", member.read())
    await studio.click("Overview", "button")
    await studio.shows("Parameters", "factor", f"s3://{jobs.bucket}/{folder}/{name}/input/report.ipynb")
    await studio.follow(f"{STUDIO}/notebook-jobs?q={name}")
    await studio.shows("Notebooks that ran without anybody", name, "report.ipynb", "Completed")
    await looked_at_alone(studio, pictures, "notebook-jobs")

    await studio.follow(f"{STUDIO}/notebook-jobs/create?from={name}")
    await studio.shows(f"Run {name} again")
    await studio.until(f"[...document.querySelectorAll('input')].some((i) => i.value.endsWith('/{name}/input/report.ipynb'))")
    again = unique("nightly")
    await studio.fill("Name", again)
    await studio.click("On a schedule", "button")
    await studio.fill("Expression", "rate(1 day)")
    await looked_at_alone(studio, pictures, "schedule-a-notebook")
    await studio.click("Schedule it", "button", exact=True)
    await studio.shows("is scheduled", "rate(1 day)", "sagemaker:createTrainingJob")

    def started() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = jobs.sagemaker.list_training_jobs(NameContains=f"{again}-")["TrainingJobSummaries"]
        return found

    (run,) = until(started)
    await studio.shows(run["TrainingJobName"], "Succeeded")
    await looked_at_alone(studio, pictures, "schedule")
    scheduler = server.client("scheduler")
    for act, state, said in (("Pause", "DISABLED", "Paused."), ("Resume", "ENABLED", "Resumed.")):
        await studio.click(act, "button", exact=True)
        await studio.shows(f"{act} {again}?")
        await studio.click(act, '[role="dialog"] button', exact=True)
        await studio.shows(said)
        assert scheduler.get_schedule(Name=again)["State"] == state
    before = scheduler.get_schedule(Name=again)
    await studio.click("Change", "button", exact=True)
    await studio.shows(f"Change {again}", "Empty: without an end.")
    await studio.fill("Expression", "every night")
    await studio.shows("A schedule is rate(…), cron(…) or at(…).")
    await studio.fill("Expression", "cron(0 3 * * ? *)")
    await studio.fill("Time zone", "Europe/Zurich")
    await studio.fill("From", "2031-02-30 8")
    await studio.shows("A time is a date and a time")
    await studio.fill("From", "2031-02-03 08:00")
    await studio.fill("Until", "2031-02-02 08:00")
    await studio.shows("It ends before it begins.")
    await studio.fill("Until", "2031-03-03 08:30")
    await studio.fill("Within minutes", "15")
    await studio.click("Paused", "button", exact=True)
    await looked_at_alone(studio, pictures, "change-a-schedule")
    await studio.click("Keep the changes", "button")
    await studio.shows(f"{again} is changed.", "cron(0 3 * * ? *)", "Europe/Zurich", "Paused")
    after = scheduler.get_schedule(Name=again)
    assert (after["State"], after["ScheduleExpression"], after["ScheduleExpressionTimezone"]) == ("DISABLED", "cron(0 3 * * ? *)", "Europe/Zurich")
    assert (after["StartDate"].isoformat(), after["EndDate"].isoformat()) == ("2031-02-03T08:00:00+00:00", "2031-03-03T08:30:00+00:00")
    assert after["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    assert after["Target"] == before["Target"]
    # what is there is what the form begins with; emptied, the time is gone, and so it calls at its next time again
    await studio.click("Change", "button", exact=True)
    await studio.until("sw.find('input', 'From')?.value === '2031-02-03 08:00'")
    await studio.fill("From", "")
    await studio.click("Enabled", "button", exact=True)
    await studio.click("Keep the changes", "button")
    await studio.until(f"location.pathname.endsWith('/schedules/default/{again}') && sw.find('button', 'Pause', true)")
    after = scheduler.get_schedule(Name=again)
    assert (after["State"], after.get("StartDate")) == ("ENABLED", None)
    await studio.follow(f"{STUDIO}/schedules?q={again}&status=Enabled")
    await studio.shows("Calls of the API that the server makes", again, "sagemaker:createTrainingJob")
    await looked_at_alone(studio, pictures, "schedules")
    await studio.click(f"Choose default/{again}", "input")
    await studio.click("Delete", "button", exact=True)
    await studio.shows(f"Delete {again}?")
    await studio.click("Delete", '[role="dialog"] button', exact=True)
    await studio.shows("Deleted.")
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=again)
    ended = jobs.ended(run["TrainingJobName"], BUILD)
    assert (ended["TrainingJobStatus"], ended["HyperParameters"]) == ("Completed", {"factor": "3"})


async def test_a_notebook_is_chosen_from_a_bucket(studio: Page, jobs: Jobs, pictures: Path) -> None:
    """By looking through the buckets: what is chosen names the notebook, and is what the job reads."""
    folder = unique("books")
    jobs.put(f"{folder}/monthly.ipynb", REPORT)
    jobs.put(f"{folder}/deep/other.ipynb", REPORT)
    await studio.follow(f"{STUDIO}/notebook-jobs/create")
    await studio.fill("Name", folder)
    await studio.fill("Results go to", f"s3://{jobs.bucket}/{folder}/")
    await studio.shows("Choose a notebook.")
    await studio.click("Browse", "button")  # the first is the notebook's, the other that of the results
    await studio.shows("Choose a place in S3", "Buckets")
    await studio.fill("Find in buckets", jobs.bucket, '[role="dialog"] input')
    await studio.click(jobs.bucket, '[role="dialog"] table a')
    await studio.fill("Find in objects", folder, '[role="dialog"] input')
    await studio.click(f"{folder}/", '[role="dialog"] table a')
    await studio.shows("deep/", "monthly.ipynb")
    # a folder may be chosen too, but is no notebook
    await studio.click("Choose deep/", '[role="dialog"] input')
    await studio.click("Choose", '[role="dialog"] button', exact=True)
    await studio.shows("A notebook's name ends in .ipynb.")
    await studio.click("Browse", "button")
    await studio.click(jobs.bucket, '[role="dialog"] table a')
    await studio.click(f"{folder}/", '[role="dialog"] table a')
    await studio.click("Choose monthly.ipynb", '[role="dialog"] input')
    await looked_at_alone(studio, pictures, "choose-a-notebook")
    await studio.click("Choose", '[role="dialog"] button', exact=True)
    await studio.until(f"sw.find('input', 'Notebook').value === 's3://{jobs.bucket}/{folder}/monthly.ipynb'")
    await studio.shows('"SM_INPUT_NOTEBOOK_NAME": "monthly.ipynb"')
    await studio.click("Run it", "button", exact=True)
    await studio.shows("is on its way")
    job = jobs.sagemaker.describe_training_job(TrainingJobName=folder)
    assert job["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] == f"s3://{jobs.bucket}/{folder}/monthly.ipynb"
    ended = jobs.ended(folder, BUILD)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")


async def test_a_schedule_that_is_refused_says_why(studio: Page, server: TestServer, jobs: Jobs) -> None:
    iam, name = server.client("iam"), unique("refused")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    job = {
        "TrainingJobName": name, "RoleArn": jobs.role, "AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "File"}, "OutputDataConfig": {"S3OutputPath": "s3://x/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}, "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    server.client("scheduler").create_schedule(
        Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:scheduler:::aws-sdk:sagemaker:createTrainingJob", "RoleArn": role, "Input": json.dumps(job)},
    )
    trail = server.client("cloudtrail")
    until(lambda: trail.lookup_events(LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": name}])["Events"])
    await studio.follow(f"{STUDIO}/schedules/default/{name}")
    await studio.shows("What it called", "AccessDenied", "not authorized to perform: sagemaker:CreateTrainingJob")

"""Notebook jobs, as the SDK sends them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPT = Path(__file__).parent / "scripts" / "notebook.py"
IMAGE = "885854791233.dkr.ecr.us-east-1.amazonaws.com/sagemaker-distribution-prod:2-cpu"
pytestmark = [pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_notebook_jobs(server: TestServer, tmp_path: Path, sdk: str) -> None:
    jobs = Jobs(server, "notebook-jobs")
    found = run(server, sdk, SCRIPT, str(tmp_path), IMAGE, timeout=500)
    assert found["status"] == "Failed", "one of two notebooks raises"
    (schedule,) = found["schedule"]
    target = server.client("scheduler").get_schedule(Name=schedule.rpartition("/")[2])["Target"]
    assert target["Arn"].endswith(f":pipeline/notebooks-{sdk}")
    name, output = found["good"]
    job = jobs.ended(name, 400)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    files = jobs.members(f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/output/output.tar.gz")
    text = json.dumps(json.loads(files[output]))
    assert "answer 42" in text
    assert "ready" in text
    assert b"answer 42" in files[output.replace(".ipynb", ".html")]
    assert "answer 42" in jobs.log(job["TrainingJobName"])
    assert b"answer 42" in files["sagemaker_job_execution_log.log"]
    name, output = found["bad"]
    job = jobs.ended(name, 400)
    assert job["FailureReason"].startswith("AlgorithmError: NotebookExecutionError:")
    assert "ZeroDivisionError: division by zero" in job["FailureReason"]
    files = jobs.members(f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/output/output.tar.gz")
    assert b"before" in files[output], "the notebook is kept as far as it came"

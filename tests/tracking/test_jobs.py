"""Training jobs with an MlflowConfig: the run is there when the container starts, and ends with the job."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import Jobs

from .conftest import Lab

pytestmark = pytest.mark.xdist_group("mlflow")
CODE = """
import os, sys
for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID", "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT"):
    print(name, os.environ.get(name))
print("loss=0.25")
sys.exit(%d)
"""


@pytest.fixture(scope="module")
def jobs(lab: Lab) -> Jobs:
    return Jobs(lab.server, "mlflow-jobs")


def run_of(lab: Lab, details: dict[str, str], status: str) -> dict[str, Any]:
    """The run once it has a status: it is ended after the job, in its own time."""
    end = time.monotonic() + 30
    while True:
        run: dict[str, Any] = lab.signed("GET", f"/api/2.0/mlflow/runs/get?run_id={details['MlflowRunId']}").json()["run"]
        if run["info"]["status"] == status:
            return run
        assert time.monotonic() < end, run["info"]
        time.sleep(0.05)


@pytest.mark.parametrize(("code", "job_status", "run_status"), [(0, "Completed", "FINISHED"), (3, "Failed", "FAILED")])
def test_a_job_has_a_run(lab: Lab, jobs: Jobs, code: int, job_status: str, run_status: str) -> None:
    name = jobs.train(
        CODE % code, HyperParameters={"depth": "6", "name": '"quoted"'},
        MlflowConfig={"MlflowResourceArn": lab.arn, "MlflowExperimentName": "from jobs", "MlflowRunName": "trained"},
        AlgorithmSpecification={"MetricDefinitions": [{"Name": "loss", "Regex": r"loss=(\S+)"}]},
    )
    about = jobs.ended(name)
    assert about["TrainingJobStatus"] == job_status, about.get("FailureReason")
    assert about["MlflowConfig"]["MlflowExperimentName"] == "from jobs"
    run = run_of(lab, about["MlflowDetails"], run_status)
    assert run["info"]["run_name"] == "trained"
    assert run["info"]["experiment_id"] == about["MlflowDetails"]["MlflowExperimentId"]
    assert {p["key"]: p["value"] for p in run["data"]["params"]} == {"depth": "6", "name": "quoted"}
    assert {t["key"]: t["value"] for t in run["data"]["tags"]}["sagemaker.job_arn"] == about["TrainingJobArn"]
    assert [(m["key"], m["value"]) for m in run["data"]["metrics"]] == [("loss", 0.25)]
    assert jobs.log(name).splitlines()[:4] == [
        f"MLFLOW_TRACKING_URI {lab.arn}", "MLFLOW_EXPERIMENT_NAME from jobs", f"MLFLOW_RUN_ID {run['info']['run_id']}",
        f"SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT {lab.server.url}",
    ]


def test_a_job_that_is_stopped_kills_its_run(lab: Lab, jobs: Jobs) -> None:
    name = jobs.train("import time; time.sleep(600)", MlflowConfig={"MlflowResourceArn": lab.arn})
    about = jobs.until(name, ["Training"])
    run = run_of(lab, about["MlflowDetails"], "RUNNING")
    assert run["info"]["run_name"] == name
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.until(name, ["Stopped"])
    run_of(lab, about["MlflowDetails"], "KILLED")


def test_what_a_job_cannot_name(lab: Lab, jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="Could not find MLflow"):
        jobs.train("pass", MlflowConfig={"MlflowResourceArn": lab.arn + "x"})

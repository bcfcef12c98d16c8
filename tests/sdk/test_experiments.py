"""Run, load_run, list_runs and ExperimentAnalytics of SDK v2 and v3, unmodified, against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.sdk import run
from sagewright.testing.server import TestServer

SCRIPT = Path(__file__).parent / "scripts" / "experiments.py"
pytestmark = pytest.mark.xdist_group("sdk-experiments")


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_runs(server: TestServer, tmp_path: Path, sdk: str) -> None:
    name = unique(f"sdk-{sdk}")
    result = run(server, sdk, SCRIPT, str(tmp_path), name)
    sm = server.client("sagemaker")
    first = f"{name}-first"
    assert result["config"] == {"ExperimentName": name, "TrialName": f"Default-Run-Group-{name}", "RunName": first}
    assert result["runs"] == ["first", "second"]
    assert result["failed"]
    found = sm.describe_trial_component(TrialComponentName=first)
    assert found["Status"]["PrimaryStatus"] == "Completed"
    assert found["Parameters"] == {
        "lr": {"NumberValue": 0.2}, "opt": {"StringValue": "adam"}, "depth": {"NumberValue": 3.0},
    }  # fmt: skip
    (loss,) = found["Metrics"]
    assert (loss["Count"], loss["Max"], loss["Min"]) == (26, 10.0, -100.0)  # infinity was skipped by the SDK
    assert found["InputArtifacts"] == {"data": {"MediaType": "text/csv", "Value": "s3://bucket/data.csv"}}
    assert found["OutputArtifacts"]["notes"]["MediaType"] == "text/plain"
    tags = {t["Key"]: t["Value"] for t in sm.list_tags(ResourceArn=found["TrialComponentArn"])["Tags"]}
    assert tags == {"team": "blue", "sagemaker:trial-component-source": "run"}
    status = sm.describe_trial_component(TrialComponentName=f"{name}-second")["Status"]
    assert status == {"PrimaryStatus": "Failed", "Message": "out of luck"}
    assert [row["TrialComponentName"] for row in result["rows"]] == [first, f"{name}-second"]
    assert result["rows"][0]["loss - Min"] == -100.0
    assert result["rows"][0]["Experiments"] == [name]
    if sdk == "v3":
        assert result["graphs"] == ["roc", "pr", "matrix"]
    out = sm.list_associations(SourceArn=found["TrialComponentArn"])["AssociationSummaries"]
    into = sm.list_associations(DestinationArn=found["TrialComponentArn"])["AssociationSummaries"]
    graphs = {(a.get("DestinationType"), a["AssociationType"]) for a in out} | {(a.get("SourceType"), a["AssociationType"]) for a in into}
    expected = {("ROCCurve", "Produced"), ("PrecisionRecallCurve", "Produced"), ("ConfusionMatrix", "ContributedTo")}
    assert graphs == (expected if result["graphs"] else set())


INSIDE = """
import sys
try:
    from sagemaker.experiments.run import load_run
    from sagemaker.session import Session
except ImportError:
    from sagemaker.core.experiments.run import load_run
    from sagemaker.core.helper.session_helper import Session
with load_run(sagemaker_session=Session()) as run:
    run.log_parameter("inside", "yes")
    for step in range(15):
        run.log_metric("train:loss", 1.0 / (step + 1), step=step)
    print("run is", run.experiment_name, run.run_name)
"""


@pytest.mark.parametrize(("sdk", "tag"), [("v2", "1.0"), ("v3", "3.0")])
def test_a_job_logs_to_its_run(server: TestServer, sdk: str, tag: str) -> None:
    """``load_run()`` in a training script: the job's ARN leads to the run of its ExperimentConfig."""
    sm = server.client("sagemaker")
    name = unique(f"inner-{sdk}")
    trial, component = f"Default-Run-Group-{name}", f"{name}-outer"
    sm.create_experiment(ExperimentName=name)
    sm.create_trial(ExperimentName=name, TrialName=trial)
    sm.create_trial_component(TrialComponentName=component, Tags=[{"Key": "sagemaker:trial-component-source", "Value": "run"}])
    sm.associate_trial_component(TrialName=trial, TrialComponentName=component)
    jobs = Jobs(server, f"sdk-{sdk}-bucket")
    config = {"ExperimentName": name, "TrialName": trial, "RunName": component}
    image = f"236514542706.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python-311:{tag}"
    job = jobs.ended(jobs.train(INSIDE, image=image, ExperimentConfig=config), 240)
    assert job["TrainingJobStatus"] == "Completed", f"{job.get('FailureReason')}\n{jobs.log(job['TrainingJobName'])}"
    assert f"run is {name} outer" in jobs.log(job["TrainingJobName"])
    found = sm.describe_trial_component(TrialComponentName=component)
    assert found["Parameters"] == {"inside": {"StringValue": "yes"}}
    assert found["Metrics"][0]["Count"] == 15
    assert found["Sources"][0]["SourceArn"] == job["TrainingJobArn"]
    assert found["Status"]["PrimaryStatus"] == "Completed"

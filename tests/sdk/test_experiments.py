"""Run, load_run, list_runs and ExperimentAnalytics of SDK v2 and v3, unmodified, against a real server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

HERE = Path(__file__).parent
CLIENTS = HERE.parent.parent / ".cache" / "clients"
pytestmark = pytest.mark.xdist_group("sdk-experiments")


def run(server: TestServer, sdk: str, *argv: str, **environ: str) -> dict[str, Any]:
    python = CLIENTS / sdk / "bin" / "python"
    assert python.exists(), f"{python} is missing: run `make clients`"
    done = subprocess.run(
        [str(python), str(HERE / "scripts" / "experiments.py"), *argv], env={**server.environment(), **environ}, capture_output=True, text=True, timeout=280,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{server.log()}"
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))[7:])  # type: ignore[no-any-return]


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_runs(server: TestServer, tmp_path: Path, sdk: str) -> None:
    name = f"sdk-{sdk}"
    result = run(server, sdk, str(tmp_path), name)
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


@pytest.mark.parametrize("sdk", ["v2", "v3"])
def test_a_job_finds_its_run(server: TestServer, tmp_path: Path, sdk: str) -> None:
    """What load_run does inside a container: the job's ARN in its environment leads to the run of its ExperimentConfig."""
    sm = server.client("sagemaker")
    name, trial, component = f"inner-{sdk}", f"Default-Run-Group-inner-{sdk}", f"inner-{sdk}-outer"
    sm.create_experiment(ExperimentName=name)
    sm.create_trial(ExperimentName=name, TrialName=trial)
    sm.create_trial_component(TrialComponentName=component, Tags=[{"Key": "sagemaker:trial-component-source", "Value": "run"}])
    sm.associate_trial_component(TrialName=trial, TrialComponentName=component)
    jobs = Jobs(server, f"sdk-{sdk}-bucket")
    config = {"ExperimentName": name, "TrialName": trial, "RunName": component}
    arn = jobs.ended(jobs.train("print(1)", ExperimentConfig=config))["TrainingJobArn"]
    result = run(server, sdk, str(tmp_path), "job", TRAINING_JOB_ARN=arn)
    assert result == {"run": "outer", "experiment": name}
    found = sm.describe_trial_component(TrialComponentName=component)
    assert found["Parameters"] == {"inside": {"StringValue": "yes"}}
    assert found["Metrics"][0]["Count"] == 15
    assert found["Sources"][0]["SourceArn"] == arn

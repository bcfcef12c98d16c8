"""Experiments with records and run metrics in PostgreSQL, and with every write on disk before its answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.postgres import running
from sagewright.testing.server import TestServer

RUNS, STEPS = 4, 60


@pytest.fixture(scope="module", params=["postgres", "power"])
def scaled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    folder = tmp_path_factory.mktemp("scaled") / "data"
    if request.param == "power":
        with TestServer(folder, {"durability": "power"}) as started:
            yield started
        return
    with running() as postgres, TestServer(folder, {"records": postgres.url}) as started:
        yield started


def write(server: TestServer, run: str) -> None:
    metrics = server.client("sagemaker-metrics")
    for step in range(STEPS):
        data = [{"MetricName": f"m{n}", "Timestamp": 1.7e9 + step, "Step": step, "Value": float(n * step)} for n in range(10)]
        assert "Errors" not in metrics.batch_put_metrics(TrialComponentName=run, MetricData=data)


def read(server: TestServer, run: str) -> dict[str, Any]:
    arn = server.client("sagemaker").describe_trial_component(TrialComponentName=run)["TrialComponentArn"]
    queries = [
        {"MetricName": f"m{n}", "ResourceArn": arn, "MetricStat": "Last", "Period": "IterationNumber", "XAxisType": "IterationNumber"}
        for n in range(10)
    ]
    found = server.client("sagemaker-metrics").batch_get_metrics(MetricQueries=queries)["MetricQueryResults"]
    return {f"m{n}": (f["XAxisValues"], f["MetricValues"]) for n, f in enumerate(found)}


def test_runs_written_side_by_side_survive_a_kill(scaled: TestServer) -> None:
    sm = scaled.client("sagemaker")
    sm.create_experiment(ExperimentName="e")
    sm.create_trial(ExperimentName="e", TrialName="t")
    runs = [f"run-{n}" for n in range(RUNS)]
    with ThreadPoolExecutor(RUNS) as pool:
        for run in runs:
            sm.create_trial_component(TrialComponentName=run, Parameters={"lr": {"NumberValue": float(run[-1])}})
        # all at once: each writes the trial's record too
        list(pool.map(lambda run: scaled.client("sagemaker").associate_trial_component(TrialComponentName=run, TrialName="t"), runs))
        list(pool.map(lambda run: write(scaled, run), runs))
    expected = {f"m{n}": (list(range(STEPS)), [float(n * s) for s in range(STEPS)]) for n in range(10)}
    assert all(read(scaled, run) == expected for run in runs)
    scaled.kill()
    scaled.start()
    assert all(read(scaled, run) == expected for run in runs)
    by = {"Filters": [{"Name": "Parents.TrialName", "Operator": "Equals", "Value": "t"}, {"Name": "Parameters.lr", "Operator": "GreaterThan", "Value": "0.5"}]}
    found = scaled.client("sagemaker").search(Resource="ExperimentTrialComponent", SearchExpression=by, SortBy="Parameters.lr", SortOrder="Ascending")
    assert [r["TrialComponent"]["TrialComponentName"] for r in found["Results"]] == runs[1:]
    assert {m["MetricName"]: m["Count"] for m in found["Results"][0]["TrialComponent"]["Metrics"]} == {f"m{n}": STEPS for n in range(10)}


def test_a_job_has_its_component(scaled: TestServer) -> None:
    jobs = Jobs(scaled, "component-bucket")
    algorithm = {"MetricDefinitions": [{"Name": "acc", "Regex": "acc=([0-9.]+)"}]}
    sm = scaled.client("sagemaker")
    sm.create_experiment(ExperimentName="of-jobs")
    sm.create_trial(ExperimentName="of-jobs", TrialName="of-a-job")
    given = {"ExperimentName": "of-jobs", "TrialName": "of-a-job"}
    name = jobs.train("print('acc=0.5')", AlgorithmSpecification=algorithm, ExperimentConfig=given)
    jobs.ended(name)
    found = sm.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")
    assert (found["Status"]["PrimaryStatus"], found["Metrics"][0]["Last"]) == ("Completed", 0.5)
    listed = sm.list_trial_components(TrialName="of-a-job")["TrialComponentSummaries"]
    assert f"{name}-aws-training-job" in [c["TrialComponentName"] for c in listed]

"""The built-in XGBoost on several hosts: one model of everybody's data."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

REPOSITORY = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost"
NEWER = f"{REPOSITORY}:1.7-1"
PARAMETERS = {"num_round": "8", "objective": "reg:squarederror", "tree_method": "hist", "max_depth": "4", "base_score": "0.5"}
HOSTS = {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1}


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    jobs = Jobs(server, "xgboost-clusters")
    rows, chance = [], random.Random(3)
    for _ in range(600):  # few values, so that every way of cutting them into bins is the same
        a, b = chance.randrange(16), chance.randrange(16)
        rows.append(f"{a * 2 - (5 if b > 7 else 0)},{a},{b}")
    for part in range(6):
        jobs.put(f"parts/{part}.csv", "\n".join(rows[part::6]) + "\n")
        jobs.put(f"uneven/{part}.csv", "\n".join(rows[part::6]) + "\n")
    for part in range(2):
        jobs.put(f"two/{part}.csv", "\n".join(rows[part::2]) + "\n")
    return jobs


def channel(jobs: Jobs, name: str, prefix: str) -> dict[str, Any]:
    source = {"S3DataDistributionType": "ShardedByS3Key"}
    return jobs.channel(name, f"s3://{jobs.bucket}/{prefix}/", **source) | {"ContentType": "text/csv"}


def train(jobs: Jobs, image: str, count: int, prefix: str = "parts", **more: Any) -> tuple[dict[str, Any], str]:
    parameters = {**PARAMETERS, **more.pop("HyperParameters", {})}
    name = jobs.train(
        image=image, ResourceConfig={**HOSTS, "InstanceCount": count}, HyperParameters=parameters,
        InputDataConfig=[channel(jobs, "train", prefix), channel(jobs, "validation", more.pop("validation", prefix))], **more,
    )
    return jobs.ended(name, 180), jobs.log(name)


def losses(log: str) -> list[float]:
    return [float(found) for found in re.findall(r"\[\d+\]\s.*validation-rmse:(\S+)", log)]


@pytest.mark.parametrize("tag", ["1.0-1", "1.2-1", "1.3-1", "1.5-1", "1.7-1", "3.0-5"])
def test_three_hosts_build_the_model_of_one(jobs: Jobs, tag: str) -> None:
    image = f"{REPOSITORY}:{tag}"
    (one, log), (three, logs) = train(jobs, image, 1), train(jobs, image, 3)
    for job, said in ((one, log), (three, logs)):
        assert job["TrainingJobStatus"] == "Completed", f"{job.get('FailureReason')}\n{said}"
        assert set(jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"])) == {"xgboost-model"}
    # releases before 1.5 show the mean of the hosts' own errors, later ones the error over everybody's data
    exact = tuple(map(int, tag.split("-")[0].split("."))) >= (1, 5)
    assert losses(logs) == pytest.approx(losses(log), rel=1e-4 if exact else 2e-2), "each line once, of all hosts' data"
    assert len(losses(logs)) == 8
    assert sorted(re.findall(r"Train matrix has (\d+) rows", logs)) == ["200", "200", "200"]
    assert {m["MetricName"] for m in three["FinalMetricDataList"]} >= {"train:rmse", "validation:rmse"}


def test_a_host_without_data_leaves_it_to_the_others(jobs: Jobs) -> None:
    job, log = train(jobs, NEWER, 3, "two")
    assert job["TrainingJobStatus"] == "Completed", f"{job.get('FailureReason')}\n{log}"
    assert "There is no training data on this host; algo-1 and algo-2 train" in log
    assert len(losses(log)) == 8


def test_checkpoints_and_early_stopping_of_all_together(jobs: Jobs) -> None:
    uri = f"s3://{jobs.bucket}/checkpoints"
    job, log = train(
        jobs, NEWER, 2, HyperParameters={"num_round": "60", "early_stopping_rounds": "3", "eta": "1"},
        CheckpointConfig={"S3Uri": uri},
    )
    assert job["TrainingJobStatus"] == "Completed", f"{job.get('FailureReason')}\n{log}"
    assert 3 < len(losses(log)) < 60
    kept = [o["Key"] for o in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="checkpoints/")["Contents"]]
    assert len(kept) == 5


@pytest.mark.parametrize(("more", "says"), [
    ({"HyperParameters": {"_kfold": "3"}}, "runs on one instance"),
    ({"validation": "two"}, "No data in the channel validation on algo-3"),
])
def test_what_cannot_be_done_together(jobs: Jobs, more: dict[str, Any], says: str) -> None:
    job, log = train(jobs, NEWER, 3, **more)
    assert job["TrainingJobStatus"] == "Failed", json.dumps(job, default=str) + log
    assert says in job["FailureReason"]


def test_a_stop_ends_all_hosts_after_the_same_round(jobs: Jobs) -> None:
    parameters = {**PARAMETERS, "num_round": "100000", "save_model_on_termination": "true"}
    name = jobs.train(
        image=NEWER, ResourceConfig={**HOSTS, "InstanceCount": 2}, HyperParameters=parameters,
        InputDataConfig=[channel(jobs, "train", "parts")],
    )
    jobs.until(name, ["Training"])
    while "[5]" not in jobs.log(name):
        assert jobs.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress", jobs.log(name)
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.ended(name, 60)
    assert job["TrainingJobStatus"] == "Stopped", jobs.log(name)
    assert "xgboost-model" in jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]), jobs.log(name)[-2000:]

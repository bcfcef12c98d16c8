"""Long jobs by boto3: spot interruptions with checkpoints, retries, wait limits, warm pools, updates."""

from __future__ import annotations

import json
import os
import signal
import textwrap
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server)


# counts to 10 in tenths of a second, keeps its count as a checkpoint, says where it began
COUNTER = textwrap.dedent("""
    import os, signal, sys, time
    place = "/opt/ml/checkpoints/count"
    at = int(open(place).read()) if os.path.exists(place) else 0
    print("begins at", at, flush=True)
    def told(*_):
        print("was told", flush=True)
        sys.exit(3)
    signal.signal(signal.SIGTERM, told)
    while at < 10:
        at += 1
        with open(place + ".new", "w") as file:
            file.write(str(at))
        os.replace(place + ".new", place)
        time.sleep(0.1)
    open("/opt/ml/model/model.txt", "w").write(str(at))
""")


def spot(jobs: Jobs, code: str, *, wait: int = 600, **more: Any) -> str:
    name = jobs.name("spot")
    return jobs.train(
        code, TrainingJobName=name, EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": min(wait, 300), "MaxWaitTimeInSeconds": wait},
        CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/checkpoints/{name}"}, **more,
    )  # fmt: skip


def statuses(job: dict[str, Any]) -> list[str]:
    return [t["Status"] for t in job["SecondaryStatusTransitions"]]


def begun(jobs: Jobs, name: str) -> list[int]:
    return [int(line.split()[-1]) for line in jobs.log(name).splitlines() if line.startswith("begins at")]


def test_a_spot_job_interrupted_twice_goes_on_from_its_checkpoints(jobs: Jobs) -> None:
    name = spot(jobs, COUNTER, Tags=[{"Key": "sagewright:spot-interruptions", "Value": "0.25 0.25"}])
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    once = ["Starting", "Downloading", "Training"]
    assert statuses(job) == [*once, "Interrupted", *once, "Interrupted", *once, "Uploading", "Completed"]
    starts = begun(jobs, name)
    assert starts[0] == 0
    assert 0 < starts[1] < starts[2] < 10, "each attempt begins where the last one was"
    assert jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"10"}
    assert jobs.log(name).count("was told") == 2
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]


def test_an_interruption_leaves_no_half_model(jobs: Jobs) -> None:
    code = "import time\nopen('/opt/ml/model/half', 'w').close()\nprint('up', flush=True)\ntime.sleep(60)"
    name = spot(jobs, code, Tags=[{"Key": "sagewright:spot-waits", "Value": "0 60"}])
    jobs.until(name, ["Training"])
    jobs.sagemaker.add_tags(
        ResourceArn=jobs.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobArn"],
        Tags=[{"Key": "sagewright:interrupt", "Value": "now"}],
    )
    jobs.until(name, ["Starting"])
    found = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=f"out/{name}")
    assert found["KeyCount"] == 0
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.ended(name)["TrainingJobStatus"] == "Stopped"


def test_capacity_that_never_comes(jobs: Jobs) -> None:
    job = jobs.ended(spot(jobs, "print(1)", wait=1, Tags=[{"Key": "sagewright:spot-waits", "Value": "600"}]))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert "BillableTimeInSeconds" not in job


def test_a_signal_interrupts_every_spot_job_and_no_other(own_server: TestServer) -> None:
    jobs = Jobs(own_server)
    name, other = spot(jobs, COUNTER), jobs.train(COUNTER)
    jobs.until(name, ["Training"])
    jobs.until(other, ["Training"])
    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGUSR1)
    assert "Interrupted" in statuses(jobs.ended(name))
    job = jobs.ended(other)
    assert (job["TrainingJobStatus"], "Interrupted" in statuses(job)) == ("Completed", False)


def test_a_server_killed_between_attempts_goes_on(own_server: TestServer) -> None:
    jobs = Jobs(own_server)
    name = spot(jobs, COUNTER, Tags=[{"Key": "sagewright:spot-interruptions", "Value": "0.2"}])
    jobs.until(name, ["Interrupted", "Starting"])
    own_server.kill()
    own_server.start()
    job = Jobs(own_server, "other").ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"10"}


def test_a_lost_host_is_retried(own_server: TestServer) -> None:
    jobs = Jobs(own_server)
    name = jobs.train(COUNTER, RetryStrategy={"MaximumRetryAttempts": 2},
                      CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/checkpoints/retried"})  # fmt: skip
    while not begun(jobs, name):
        time.sleep(0.02)  # the log is the only sign of a program that runs
    for folder in (own_server.data / "jobs").glob(f"*{name}*"):
        os.kill(json.loads((folder / "pid").read_text())["pid"], signal.SIGKILL)
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "Restarting" in statuses(job)
    assert len(begun(jobs, name)) == 2


def pool(jobs: Jobs, name: str) -> dict[str, Any]:
    found: dict[str, Any] = jobs.sagemaker.describe_training_job(TrainingJobName=name).get("WarmPoolStatus", {})
    return found


def warm(jobs: Jobs, seconds: int = 600) -> str:
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    name = jobs.train("print(1)", ResourceConfig={**resources, **({"KeepAlivePeriodInSeconds": seconds} if seconds else {})})
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed"
    return name


def test_warm_pools(own_server: TestServer) -> None:
    jobs = Jobs(own_server)
    first = warm(jobs)
    assert pool(jobs, first)["Status"] == "Available"
    found = jobs.sagemaker.list_training_jobs(WarmPoolStatusEquals="Available")["TrainingJobSummaries"]
    assert [s["TrainingJobName"] for s in found] == [first]
    with pytest.raises(ClientError, match="warm pool is Available"):
        jobs.sagemaker.delete_training_job(TrainingJobName=first)
    second = warm(jobs)
    assert pool(jobs, first) == {"Status": "Reused", "ReusedByJob": second, "ResourceRetainedBillableTimeInSeconds": 0}
    jobs.sagemaker.delete_training_job(TrainingJobName=first)
    third = warm(jobs, 0)
    assert pool(jobs, second)["ReusedByJob"] == third
    assert pool(jobs, third) == {}, "a job without KeepAlivePeriodInSeconds ends the pool"


def test_update_ends_a_warm_pool(own_server: TestServer) -> None:
    jobs = Jobs(own_server)
    name = warm(jobs)
    jobs.sagemaker.update_training_job(TrainingJobName=name, ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    assert pool(jobs, name)["Status"] == "Terminated"
    other = warm(jobs, 0)
    assert pool(jobs, name)["Status"] == "Terminated"
    with pytest.raises(ClientError, match="ValidationException"):
        jobs.sagemaker.update_training_job(TrainingJobName=other, ProfilerConfig={"DisableProfiler": True})


def test_a_short_warm_pool_ends_by_itself(own_server: TestServer) -> None:
    jobs = Jobs(own_server)
    name, end = warm(jobs, 1), time.monotonic() + 20
    while pool(jobs, name)["Status"] != "Terminated":
        assert time.monotonic() < end
        time.sleep(0.05)  # the API's own way for a plain client: poll

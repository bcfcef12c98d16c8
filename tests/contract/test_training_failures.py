"""The failure table of a training job, line by line, as a client sees it: statuses, reasons, logs."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server)


def code(text: str) -> str:
    return textwrap.dedent(text)


def statuses(job: dict[str, Any]) -> list[str]:
    return [t["Status"] for t in job["SecondaryStatusTransitions"]]


FAILURE_FILE = "open('/opt/ml/output/failure','w').write({!r})\n"


def test_exit_code_with_a_failure_file(jobs: Jobs) -> None:
    job = jobs.ended(jobs.train("print('working')\n" + FAILURE_FILE.format("the data was bad") + "raise SystemExit(7)"))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: the data was bad, exit code: 7"
    assert statuses(job) == ["Starting", "Downloading", "Training", "Uploading", "Failed"]
    assert "working" in jobs.log(job["TrainingJobName"])


def test_exit_code_without_a_failure_file(jobs: Jobs) -> None:
    job = jobs.ended(jobs.train("raise KeyError('nope')"))
    assert job["FailureReason"].startswith("AlgorithmError: , exit code: 1")
    assert "KeyError: 'nope'" in job["FailureReason"], "the cause, for people"
    assert "Traceback" in jobs.log(job["TrainingJobName"])


def test_outputs_of_a_failed_job_are_kept(jobs: Jobs) -> None:
    job = jobs.ended(jobs.train("open('/opt/ml/output/data/partial.txt','w').write('half')\nraise SystemExit(1)"))
    found = jobs.members(f"s3://{jobs.bucket}/out/{job['TrainingJobName']}/output/output.tar.gz")
    assert found == {"partial.txt": b"half"}


def test_long_failure_text_is_cut(jobs: Jobs) -> None:
    job = jobs.ended(jobs.train(FAILURE_FILE.format("x" * 3000) + "raise SystemExit(1)"))
    assert len(job["FailureReason"]) <= 1024
    assert job["FailureReason"].startswith("AlgorithmError: xxx")


def test_out_of_memory(jobs: Jobs) -> None:
    hog = code("""
        import mmap
        held = []
        while True:
            block = mmap.mmap(-1, 64 << 20)
            for page in range(0, len(block), 4096):
                block[page] = 1
            held.append(block)
    """)
    small = {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}
    job = jobs.ended(jobs.train(hog, ResourceConfig=small))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert "OutOfMemory: Please use an instance type with more memory" in job["FailureReason"]


def test_bad_input_data_of_a_built_in(jobs: Jobs) -> None:
    from sagewright.testing.jobs import XGBOOST

    where = jobs.put("bad/train.csv", "1,2,3\n1,hello,3\n")
    channel = jobs.channel("train", where) | {"ContentType": "text/csv"}
    name = jobs.train(image=XGBOOST, InputDataConfig=[channel], HyperParameters={"num_round": "2"})
    assert jobs.ended(name, 180)["FailureReason"].startswith("ClientError: ")


def test_bad_hyperparameter_of_a_built_in(jobs: Jobs) -> None:
    from sagewright.testing.jobs import XGBOOST

    where = jobs.put("good/train.csv", "1,2,3\n0,1,3\n" * 20)
    channel = jobs.channel("train", where) | {"ContentType": "text/csv"}
    name = jobs.train(image=XGBOOST, InputDataConfig=[channel], HyperParameters={"num_round": "2", "max_dept": "3"})
    job = jobs.ended(name, 180)
    assert job["FailureReason"].startswith("ClientError: ")
    assert "max_dept" in job["FailureReason"]


def test_empty_prefix(jobs: Jobs) -> None:
    job = jobs.ended(jobs.train("print(1)", data=f"s3://{jobs.bucket}/there/is/nothing/here"))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")
    assert "there/is/nothing/here" in job["FailureReason"]
    assert "Training" not in statuses(job)


def test_missing_bucket(jobs: Jobs) -> None:
    job = jobs.ended(jobs.train("print(1)", data="s3://no-such-bucket-anywhere/x"))
    assert job["FailureReason"].startswith("ClientError: Data download failed:")


def test_denied_prefix(jobs: Jobs, server: TestServer) -> None:
    iam = server.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=unique("blind"), AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    where = jobs.put("secret/data.csv", "1,2\n")
    job = jobs.ended(jobs.train("print(1)", data=where, RoleArn=role))
    assert job["FailureReason"].startswith("ClientError: Data download failed:Unable to download object s3://")
    assert "AccessDenied" in job["FailureReason"]


def test_image_that_nobody_has(jobs: Jobs) -> None:
    name = jobs.train(image="111122223333.dkr.ecr.us-east-1.amazonaws.com/my-own-thing:3")
    job = jobs.ended(name)
    assert job["FailureReason"].startswith("ClientError: Cannot pull ")
    assert "my-own-thing" in job["FailureReason"]
    assert statuses(job) == ["Starting", "Failed"]


def test_role_that_does_not_exist(jobs: Jobs) -> None:
    with pytest.raises(ClientError) as caught:
        jobs.train("print(1)", RoleArn=jobs.role.rsplit("/", 1)[0] + "/nobody")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_duplicate_name(jobs: Jobs) -> None:
    name = jobs.train("print(1)")
    with pytest.raises(jobs.sagemaker.exceptions.ResourceInUse):
        jobs.train("print(1)", TrainingJobName=name)
    jobs.ended(name)


def test_missing_job_and_stop_of_an_ended_one(jobs: Jobs) -> None:
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.describe_training_job(TrainingJobName="never-was")
    assert caught.value.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound")
    name = jobs.train("print(1)")
    jobs.ended(name)
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_runtime_limit_is_stopped_and_keeps_the_model(jobs: Jobs) -> None:
    sleeper = code("""
        import signal, sys, time
        open('/opt/ml/model/weights', 'w').write('so far')
        signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
        print('sleeping', flush=True)
        signal.pause()
    """)
    job = jobs.ended(jobs.train(sleeper, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert statuses(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "MaxRuntimeExceeded"]
    assert jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"weights": b"so far"}


def test_stop_gives_sigterm_and_keeps_the_model(jobs: Jobs) -> None:
    patient = code("""
        import signal, sys
        def bye(*a):
            open('/opt/ml/model/weights', 'w').write('on stop')
            print('stopping politely', flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, bye)
        print('ready', flush=True)
        signal.pause()
    """)
    name = jobs.train(patient)
    jobs.until(name, ["Training"])
    while "ready" not in jobs.log(name):
        pass
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert statuses(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert "stopping politely" in jobs.log(name)
    assert jobs.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"weights": b"on stop"}


def test_platform_fault_is_an_internal_error(jobs: Jobs, server: TestServer) -> None:
    name = jobs.train("import signal\nprint('up', flush=True)\nsignal.pause()")
    jobs.until(name, ["Training"])
    os.kill(_agent_of(server.data, name), signal.SIGKILL)
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: ")


def _agent_of(data: Path, name: str) -> int:
    """The process that runs the job's only task."""
    folder = next(f for f in (data / "jobs").iterdir() if name in f.name)
    return int(json.loads((folder / "pid").read_text())["pid"])


def test_one_host_of_many_fails_the_job(jobs: Jobs) -> None:
    split = code("""
        import json, signal
        me = json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host']
        if me == 'algo-2':
            open('/opt/ml/output/failure', 'w').write('host two is broken')
            raise SystemExit(4)
        signal.pause()
    """)
    three = {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 1}
    job = jobs.ended(jobs.train(split, ResourceConfig=three))
    assert job["FailureReason"] == "AlgorithmError: host two is broken, exit code: 4"


def test_the_waiter_raises_for_a_failed_job(jobs: Jobs) -> None:
    name = jobs.train("raise SystemExit(3)")
    with pytest.raises(WaiterError):
        jobs.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    with TestServer(tmp_path_factory.mktemp("strict") / "data", {"capacity": "strict"}) as running:
        yield Jobs(running)


def test_no_capacity(strict: Jobs) -> None:
    huge = {"InstanceType": "ml.m5.24xlarge", "InstanceCount": 9, "VolumeSizeInGB": 1}
    job = strict.ended(strict.train("print(1)", ResourceConfig=huge))
    assert job["FailureReason"].startswith("CapacityError: ")
    assert "24xlarge" in job["FailureReason"]


def test_a_bucket_that_is_not_there_is_found_out_before_training(jobs: Jobs) -> None:
    job = jobs.ended(jobs.train("print('ran')", OutputDataConfig={"S3OutputPath": "s3://no-such-bucket-here/out"}))
    assert job["FailureReason"] == (
        "ClientError: Artifact upload would fail:Unable to write to s3://no-such-bucket-here/out "
        "(NoSuchBucket: The specified bucket does not exist)"
    )
    assert statuses(job) == ["Starting", "Failed"]
    assert jobs.log(job["TrainingJobName"]) == ""


@pytest.mark.parametrize("regex", ["loss=([0-9.+", "*", r"\p{Nowhere}"])
def test_a_metrics_regex_that_is_none_is_refused(jobs: Jobs, regex: str) -> None:
    definitions = [{"Name": "fine", "Regex": "fine=(.*)"}, {"Name": "loss", "Regex": regex}]
    with pytest.raises(ClientError, match="The Regex of the metric definition loss is not a regular expression: ") as caught:
        jobs.train("print(1)", AlgorithmSpecification={"MetricDefinitions": definitions})
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("name", [".", ".."])
def test_a_channel_is_a_folder_of_its_own(jobs: Jobs, name: str) -> None:
    with pytest.raises(ClientError, match="Invalid channel name"):
        jobs.train("print(1)", InputDataConfig=[jobs.channel(name, f"s3://{jobs.bucket}/x/")])

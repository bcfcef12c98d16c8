"""AWS clients inside a job: they reach this server, as the job's execution role, STS at its fixed address included."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from sagewright.agent.layout import socket_folder
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

CODE = """
import json, sys
import boto3
from botocore.exceptions import ClientError
bucket = sys.argv[1]
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key="from-the-job", Body=b"hello")
said = {"arn": boto3.client("sts").get_caller_identity()["Arn"], "keys": [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]}
said["fixed"] = boto3.client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com").get_caller_identity()["Arn"]
try:
    boto3.client("iam").create_user(UserName="intruder")
    said["iam"] = "allowed"
except ClientError as error:
    said["iam"] = error.response["Error"]["Code"]
print("SAID", json.dumps(said))
"""


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "job-clients")


def said(jobs: Jobs, *entrypoint: str, **more: Any) -> dict[str, Any]:
    source = jobs.put("client-code/main.py", CODE)
    name = jobs.train(
        AlgorithmSpecification={"ContainerEntrypoint": list(entrypoint)},
        InputDataConfig=[jobs.channel("code", source.removesuffix("main.py"))], **more,
    )
    job = jobs.ended(name)
    log = jobs.log(name)
    assert job["TrainingJobStatus"] == "Completed", f"{job['FailureReason']}\n{log}"
    found: dict[str, Any] = json.loads(next(line for line in log.splitlines() if line.startswith("SAID "))[5:])
    return found


COLD = ("bash", "-c", "exec python3 /opt/ml/input/data/code/main.py job-clients")
WARM = ("python3", "/opt/ml/input/data/code/main.py", "job-clients")


def heat(server: TestServer, jobs: Jobs) -> None:
    """Have the image's warm interpreter run: a job asks for it, and its socket is there once it listens."""
    said(jobs, *WARM)
    end = time.monotonic() + 30
    while not list(socket_folder(server.data).glob("warm-*.sock")):
        assert time.monotonic() < end
        time.sleep(0.02)  # the socket's name is all that shows


@pytest.mark.parametrize("entrypoint", [COLD, WARM], ids=["cold", "warm"])
def test_boto3_in_a_job_is_the_execution_role(server: TestServer, jobs: Jobs, entrypoint: tuple[str, ...]) -> None:
    if entrypoint is WARM:
        heat(server, jobs)
    found = said(jobs, *entrypoint)
    role = jobs.role.rsplit("/", 1)[1]
    account = jobs.role.split(":")[4]
    assert found["arn"] == f"arn:aws:sts::{account}:assumed-role/{role}/SageMaker"
    assert found["fixed"] == found["arn"]
    assert "from-the-job" in found["keys"]
    assert found["iam"] == "AccessDenied"
    assert jobs.get("s3://job-clients/from-the-job") == b"hello"

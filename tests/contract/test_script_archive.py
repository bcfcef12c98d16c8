"""A script-mode job's code archive: the platform puts it in place, under the job's own permissions."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from sagewright.testing.jobs import PYTHON, Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

PROGRAM = "import os\nprint('here', sorted(os.listdir('/opt/ml/code')), os.getcwd())\nopen('/opt/ml/code/new', 'w').close()\n"


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server)


def archive(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def script(jobs: Jobs, source: str, **more: Any) -> dict[str, Any]:
    words = {"sagemaker_program": json.dumps("main.py"), "sagemaker_submit_directory": json.dumps(source)}
    return jobs.ended(jobs.train(image=PYTHON, HyperParameters=words, **more))


def test_the_program_finds_its_archive_unpacked_and_writable(jobs: Jobs) -> None:
    job = script(jobs, jobs.put("source/good.tar.gz", archive(main__py=PROGRAM, helper__py="")))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert "here ['helper.py', 'main.py'] /opt/ml/code" in jobs.log(job["TrainingJobName"])


def test_an_isolated_job_gets_its_archive(jobs: Jobs) -> None:
    job = script(jobs, jobs.put("source/alone.tar.gz", archive(main__py=PROGRAM)), EnableNetworkIsolation=True)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")


def test_a_missing_archive_is_named(jobs: Jobs) -> None:
    job = script(jobs, f"s3://{jobs.bucket}/source/none.tar.gz")
    assert job["TrainingJobStatus"] == "Failed"
    assert "source/none.tar.gz" in job["FailureReason"]
    assert "NoSuchKey" in job["FailureReason"]


def test_a_broken_archive_is_named(jobs: Jobs) -> None:
    job = script(jobs, jobs.put("source/broken.tar.gz", b"no archive"))
    assert job["FailureReason"].startswith("ClientError: Data download failed:Could not unpack s3://")


def test_an_archive_that_the_role_may_not_read_stays_unread(jobs: Jobs, server: TestServer) -> None:
    iam = server.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    name = unique("writes-only")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    writes = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="writes", PolicyDocument=json.dumps(writes))
    job = script(jobs, jobs.put("source/secret.tar.gz", archive(main__py=PROGRAM)), RoleArn=role)
    assert job["TrainingJobStatus"] == "Failed"
    assert "AccessDenied" in job["FailureReason"]
    assert "here" not in jobs.log(job["TrainingJobName"])

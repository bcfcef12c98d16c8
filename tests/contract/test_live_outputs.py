"""What training jobs store while they run, by boto3: checkpoints, debugger, profiler and TensorBoard folders; who may."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.jobs import Jobs
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

DAY = 86_400


@pytest.fixture(scope="module")
def jobs(server: TestServer) -> Jobs:
    return Jobs(server, "live-bucket")


def keys(jobs: Jobs, prefix: str) -> list[str]:
    return [o["Key"].removeprefix(prefix) for o in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=prefix).get("Contents", ())]


def completed(jobs: Jobs, name: str) -> dict[str, Any]:
    job = jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    return job


def role(server: TestServer, *statements: dict[str, Any]) -> str:
    """The ARN of a role that the service may assume, with these rights alone."""
    iam, name = server.client("iam"), unique("narrow")
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return str(made)


def allow(bucket: str, *actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": f"arn:aws:s3:::{bucket}*"}


PRUNES = textwrap.dedent("""
    import pathlib
    here = pathlib.Path('/opt/ml/checkpoints')
    assert sorted(p.name for p in here.iterdir()) == ['deep', 'step-1']
    assert (here / 'deep/step-2').read_text() == '2'
    (here / 'step-1').unlink()
    (here / 'step-3').write_text('3')
    (here / 'brief').write_text('gone before anybody sees it')
    (here / 'brief').unlink()
""")


def earlier(jobs: Jobs, where: str) -> dict[str, str]:
    """The CheckpointConfig of a job that finds two checkpoints."""
    jobs.put(f"{where}/step-1", "1")
    jobs.put(f"{where}/deep/step-2", "2")
    jobs.put(f"{where}-10/step-9", "of another job")
    return {"S3Uri": f"s3://{jobs.bucket}/{where}"}


def test_a_restored_checkpoint_that_the_job_deletes_is_deleted(jobs: Jobs) -> None:
    config = earlier(jobs, "pruned")
    before = jobs.s3.head_object(Bucket=jobs.bucket, Key="pruned/deep/step-2")["LastModified"]
    completed(jobs, jobs.train(PRUNES, CheckpointConfig=config))
    assert keys(jobs, "pruned/") == ["deep/step-2", "step-3"]
    assert jobs.s3.head_object(Bucket=jobs.bucket, Key="pruned/deep/step-2")["LastModified"] == before, "not stored once more"


def test_a_role_that_may_not_delete_keeps_what_was_there(jobs: Jobs, server: TestServer) -> None:
    careful = role(server, allow(jobs.bucket, "s3:GetObject", "s3:PutObject", "s3:ListBucket"))
    completed(jobs, jobs.train(PRUNES, CheckpointConfig=earlier(jobs, "kept"), RoleArn=careful))
    assert keys(jobs, "kept/") == ["deep/step-2", "step-1", "step-3"]


STEALS = "print(*open('/opt/ml/checkpoints/secret'))\nopen('/opt/ml/checkpoints/planted', 'w').close()"


@pytest.mark.parametrize(("actions", "says"), [
    ((), "Data download failed:Unable to download object"),
    (("s3:GetObject",), "Artifact upload would fail:Unable to write to"),
])
def test_checkpoints_do_not_lead_past_the_roles_rights(jobs: Jobs, server: TestServer, actions: tuple[str, ...], says: str) -> None:
    vault = unique("vault")
    jobs.s3.create_bucket(Bucket=vault)
    jobs.s3.put_object(Bucket=vault, Key="model/secret", Body=b"1234")
    narrow = role(server, allow(jobs.bucket, "s3:*"), *([allow(vault, *actions)] if actions else ()))
    job = jobs.ended(jobs.train(STEALS, RoleArn=narrow, CheckpointConfig={"S3Uri": f"s3://{vault}/model"}))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(f"ClientError: {says} s3://{vault}/model")
    assert "AccessDenied" in job["FailureReason"]
    assert [o["Key"] for o in jobs.s3.list_objects_v2(Bucket=vault)["Contents"]] == ["model/secret"]


HOOKS = ("DebugHookConfig", "ProfilerConfig", "TensorBoardOutputConfig")


@pytest.mark.parametrize("member", HOOKS)
def test_what_hooks_write_goes_where_the_role_may(jobs: Jobs, server: TestServer, member: str) -> None:
    narrow = role(server, allow(jobs.bucket, "s3:*"))
    job = jobs.ended(jobs.train("print(1)", RoleArn=narrow, **{member: {"S3OutputPath": "s3://somewhere-else/x"}}))
    assert job["FailureReason"].startswith("ClientError: Artifact upload would fail:Unable to write to s3://somewhere-else/x/")


WRITES = textwrap.dedent("""
    import json, pathlib
    for name in ('debughookconfig', 'profilerconfig', 'tensorboardoutputconfig'):
        config = json.load(open(f'/opt/ml/input/config/{name}.json'))
        place = pathlib.Path(config['LocalPath']) / 'deep'
        place.mkdir(parents=True)
        (place / 'event').write_text(name)
""")


def test_what_hooks_write_is_stored_below_the_jobs_name(jobs: Jobs) -> None:
    """Where the SDK looks for it: ``latest_job_tensorboard_artifacts_path`` and its like."""
    name = jobs.train(WRITES, DebugHookConfig={"S3OutputPath": f"s3://{jobs.bucket}/hooks/"},
                      ProfilerConfig={"S3OutputPath": f"s3://{jobs.bucket}/hooks"},
                      TensorBoardOutputConfig={"S3OutputPath": f"s3://{jobs.bucket}/hooks", "LocalPath": "/opt/ml/board"})
    completed(jobs, name)
    found = {key: jobs.get(f"s3://{jobs.bucket}/hooks/{name}/{key}") for key in keys(jobs, f"hooks/{name}/")}
    assert found == {
        "debug-output/deep/event": b"debughookconfig", "profiler-output/deep/event": b"profilerconfig",
        "tensorboard-output/deep/event": b"tensorboardoutputconfig",
    }


def test_a_profiler_that_is_off_stores_nothing(jobs: Jobs) -> None:
    code = "import os\nos.makedirs('/opt/ml/output/profiler')\nopen('/opt/ml/output/profiler/x', 'w').close()"
    name = jobs.train(code, ProfilerConfig={"S3OutputPath": f"s3://{jobs.bucket}/off", "DisableProfiler": True})
    completed(jobs, name)
    assert keys(jobs, "off/") == []


@pytest.mark.parametrize("path", ["/tmp/checkpoints", "checkpoints", "/opt/ml", "/opt/ml/../../etc", "/opt/ml/input/data/train"])
@pytest.mark.parametrize(("member", "uri"), [("CheckpointConfig", "S3Uri"), ("TensorBoardOutputConfig", "S3OutputPath")])
def test_folders_that_cannot_be_kept_in_step(jobs: Jobs, member: str, uri: str, path: str) -> None:
    with pytest.raises(ClientError, match=f"Invalid LocalPath '{path}' in {member}") as caught:
        jobs.train("print(1)", **{member: {uri: f"s3://{jobs.bucket}/x", "LocalPath": path}})
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_the_longest_runtime_that_aws_knows(jobs: Jobs) -> None:
    completed(jobs, jobs.train("print(1)", StoppingCondition={"MaxRuntimeInSeconds": 28 * DAY}))

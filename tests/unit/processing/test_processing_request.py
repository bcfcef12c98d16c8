"""What a request must mean, and what the container is told."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.slices.processing.executor import ProcessingExecutor, command, job_config
from sagewright.slices.processing.request import check
from sagewright.wire.errors import Invalid, NotImplementedHere

S3 = {"S3Uri": "s3://bkt/in", "LocalPath": "/opt/ml/processing/input", "S3DataType": "S3Prefix"}
REQUEST: dict[str, Any] = {
    "ProcessingJobName": "Count-Words",
    "ProcessingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:processing-job/count-words",
    "CreationTime": 1000.5,
    "RoleArn": "arn:aws:iam::123456789012:role/r",
    "AppSpecification": {"ImageUri": "python:3.11", "ContainerEntrypoint": ["python3", "a.py"]},
    "ProcessingInputs": [{"InputName": "i", "S3Input": S3}],
    "ProcessingOutputConfig": {"Outputs": [{"OutputName": "o", "S3Output": {
        "S3Uri": "https://bkt.s3.us-east-1.amazonaws.com/out/", "LocalPath": "/opt/ml/processing/output/", "S3UploadMode": "Continuous"}}]},
    "ProcessingResources": {"ClusterConfig": {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    "Environment": {"A": "1"},
}
PLATFORM: Any = SimpleNamespace(authority=None, identity=None, settings=SimpleNamespace(stop_grace=7.0))
CALL: Any = None


async def checked(**changes: Any) -> dict[str, Any]:
    doc = copy.deepcopy({**REQUEST, **changes})
    await check(PLATFORM, CALL, doc)
    return doc


def with_input(**changes: Any) -> dict[str, Any]:
    return {"ProcessingInputs": [{"InputName": "i", "S3Input": {**S3, **changes}}]}


async def test_defaults() -> None:
    doc = await checked()
    assert doc["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    assert doc["ProcessingInputs"][0]["AppManaged"] is False
    assert doc["ProcessingInputs"][0]["S3Input"]["S3DataDistributionType"] == "FullyReplicated"
    assert doc["ProcessingInputs"][0]["S3Input"]["S3InputMode"] == "File"


@pytest.mark.parametrize("changes", [
    with_input(S3InputMode="Pipe"),
    {"ProcessingInputs": [{"InputName": "i", "DatasetDefinition": {}}]},
    {"ProcessingOutputConfig": {"Outputs": [{"OutputName": "o", "FeatureStoreOutput": {"FeatureGroupName": "g"}}]}},
])
async def test_what_is_not_built_says_so(changes: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedHere, match="not implemented"):
        await checked(**changes)


@pytest.mark.parametrize(("changes", "says"), [
    (with_input(LocalPath="/opt/ml/input"), "must begin with /opt/ml/processing/"),
    (with_input(LocalPath="/opt/ml/processing/"), "must begin with /opt/ml/processing/"),
    (with_input(LocalPath="/opt/ml/processing/../model"), "must begin with /opt/ml/processing/"),
    (with_input(S3Uri="ftp://x"), "Invalid S3 URI"),
    ({"ProcessingInputs": [{"InputName": "i", "S3Input": {k: v for k, v in S3.items() if k != "LocalPath"}}]}, "LocalPath is required"),
    ({"ProcessingInputs": [{"InputName": "i"}]}, "exactly one of S3Input"),
    ({"ProcessingInputs": [{"InputName": "i", "S3Input": S3}] * 2}, "i is given twice"),
    ({"ProcessingInputs": [{"InputName": n, "S3Input": S3} for n in "ab"]}, "must be unique"),
    ({"ProcessingOutputConfig": {"Outputs": [{"OutputName": "o"}]}}, "exactly one of S3Output"),
])
async def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        await checked(**changes)


@pytest.mark.parametrize(("application", "argv"), [
    ({}, ["process"]),
    ({"ContainerArguments": ["-x"]}, ["process", "-x"]),
    ({"ContainerEntrypoint": ["bash", "a.sh"]}, ["bash", "a.sh"]),
    ({"ContainerEntrypoint": ["bash"], "ContainerArguments": ["-c", "true"]}, ["bash", "-c", "true"]),
])
def test_entry_point_and_arguments(application: dict[str, Any], argv: list[str]) -> None:
    assert command(application) == argv


async def test_config_file_echoes_the_request_with_nulls() -> None:
    config = job_config(await checked())
    assert config["AppSpecification"]["ContainerArguments"] is None
    assert config["ProcessingInputs"][0]["S3Input"]["S3DownloadMode"] == "StartOfJob"
    assert config["ProcessingOutputConfig"]["KmsKeyId"] is None
    assert config["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] is None
    assert not [k for k in config if k.startswith("_")]


async def test_task_of_a_sharded_host() -> None:
    doc = await checked(**with_input(S3DataDistributionType="ShardedByS3Key", S3CompressionType="Gzip"))
    task = ProcessingExecutor(PLATFORM)._task(doc, "t", ["algo-1", "algo-2"], "algo-2", {"A": "1"})
    assert (task.inputs[0].shard, task.inputs[0].shards, task.inputs[0].compression) == (1, 2, "Gzip")
    assert (task.outputs[0].path, task.outputs[0].uri, task.outputs[0].mode) == ("/opt/ml/processing/output", "s3://bkt/out/", "Continuous")
    assert (task.log_group, task.log_stream) == ("/aws/sagemaker/ProcessingJobs", "Count-Words/algo-2-1000")
    assert (task.message_file, task.failure_file, task.hostname) == ("/opt/ml/output/message", "", "algo-2")
    assert task.env == {"A": "1"}
    assert (task.limits.seconds, task.limits.grace) == (86_400.0, 7.0)
    assert '"current_host": "algo-2"' in task.files["/opt/ml/config/resourceconfig.json"]


async def test_what_the_application_manages_is_neither_staged_nor_stored() -> None:
    doc = await checked(
        ProcessingInputs=[{"InputName": "i", "AppManaged": True, "S3Input": {"S3Uri": "s3://bkt/x", "S3DataType": "S3Prefix"}}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "o", "AppManaged": True, "S3Output": {"S3Uri": "s3://bkt/y", "S3UploadMode": "EndOfJob"}}]},
    )
    task = ProcessingExecutor(PLATFORM)._task(doc, "t", ["algo-1"], "algo-1", {})
    assert (task.inputs, task.outputs) == ([], [])

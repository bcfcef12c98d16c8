"""Serial inference pipelines with what else endpoints and models do: updates, packages, batches, asynchronous requests, kills."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import Models
from sagewright.testing.names import unique
from sagewright.testing.pipelines import Pipelines
from sagewright.testing.server import TestServer


def test_an_update_keeps_the_counts_and_drops_no_request(models: Models, made: Pipelines) -> None:
    endpoint = made.deploy(made.container("a"), made.container("b"))
    sagemaker = models.sagemaker
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    )
    models.settled(endpoint)
    config = models.config(made.model(made.container("c"), made.container("d"), made.container("e")))
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, RetainAllVariantProperties=True)
    seen = set()
    while True:
        about = sagemaker.describe_endpoint(EndpointName=endpoint)
        seen.add("".join(who for who, *_ in json.loads(models.invoke(endpoint, b"x", ContentType="text/plain")["Body"])[1:]))
        if about["EndpointStatus"] == "InService":
            break
    assert seen <= {"ab", "cde"}
    assert "cde" in seen
    assert about["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert len(about["ProductionVariants"][0]["DeployedImages"]) == 3
    models.delete(endpoint)


def test_a_package_of_several_containers_deploys(models: Models, made: Pipelines) -> None:
    sagemaker, group = models.sagemaker, unique("group")
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    package = sagemaker.create_model_package(
        ModelPackageGroupName=group, ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [made.container("x"), made.container("y")], "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    name = unique("packaged")
    sagemaker.create_model(ModelName=name, PrimaryContainer={"ModelPackageName": package}, ExecutionRoleArn=models.role)
    about = sagemaker.describe_model(ModelName=name)
    assert about["PrimaryContainer"]["ModelPackageName"] == package
    endpoint = models.endpoint(models.config(name))
    assert models.settled(endpoint)["EndpointStatus"] == "InService"
    assert [who for who, *_ in json.loads(models.invoke(endpoint, b"1", ContentType="text/csv")["Body"])] == ["client", "x", "y"]
    models.delete(endpoint)


def test_a_pipeline_transforms_a_batch(models: Models, made: Pipelines) -> None:
    name = unique("batch")
    models.put(f"{name}/in/rows", "one\ntwo\n")
    job = {
        "TransformJobName": name, "ModelName": made.model(made.container("a"), made.container("b")),
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{models.bucket}/{name}/in/"}},
                           "ContentType": "text/plain", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"s3://{models.bucket}/{name}/out", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1}, "BatchStrategy": "SingleRecord",
    }
    models.sagemaker.create_transform_job(**job)
    assert ended(models, name)["TransformJobStatus"] == "Completed"
    rows = [json.loads(line) for line in models.get(f"{name}/out/rows.out").decode().splitlines()]
    assert [[row[0][2].strip(), row[1][0], row[2][0]] for row in rows] == [["one", "a", "b"], ["two", "a", "b"]]
    models.put(f"{name}/in/rows", "b\n")
    bad = {**job, "TransformJobName": f"{name}-bad", "ModelClientConfig": {"InvocationsMaxRetries": 0}}
    models.sagemaker.create_transform_job(**bad)
    about = ended(models, f"{name}-bad")
    assert about["TransformJobStatus"] == "Failed"
    streams = models.logs.describe_log_streams(logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{name}-bad/")["logStreams"]
    assert {s["logStreamName"].rpartition("/")[2] for s in streams} == {"container-1", "container-2", "data-log"}
    direct = made.model(made.container("a", ContainerHostname="a"), made.container("b", ContainerHostname="b"),
                        InferenceExecutionConfig={"Mode": "Direct"})
    with pytest.raises(ClientError, match="needs Serial"):
        models.sagemaker.create_transform_job(**{**job, "TransformJobName": f"{name}-direct", "ModelName": direct})


def ended(models: Models, name: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while True:
        about: dict[str, Any] = models.sagemaker.describe_transform_job(TransformJobName=name)
        if about["TransformJobStatus"] not in ("InProgress", "Stopping"):
            return about
        assert time.monotonic() < end
        time.sleep(0.02)  # another process, which tells nobody


def test_a_pipeline_answers_asynchronously(models: Models, made: Pipelines) -> None:
    model, name = made.model(made.container("a"), made.container("b")), unique("async")
    config = {
        "EndpointConfigName": name, "ProductionVariants": [
            {"VariantName": "v", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}],
        "AsyncInferenceConfig": {"OutputConfig": {
            "S3OutputPath": f"s3://{models.bucket}/{name}/out", "S3FailurePath": f"s3://{models.bucket}/{name}/failed"}},
    }
    models.sagemaker.create_endpoint_config(**config)
    models.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert models.settled(name)["EndpointStatus"] == "InService"

    def ask(body: str, member: str) -> str:
        said = models.runtime.invoke_endpoint_async(
            EndpointName=name, InputLocation=models.put(f"{name}/in/{body}", body), ContentType="text/plain")
        key, end = said[member].removeprefix(f"s3://{models.bucket}/"), time.monotonic() + 30
        while key not in models.keys(f"{name}/"):
            assert time.monotonic() < end
            time.sleep(0.02)  # another process, which tells nobody
        return models.get(key).decode()

    assert [who for who, *_ in json.loads(ask("fine", "OutputLocation"))] == ["client", "a", "b"]
    assert ask("b", "FailureLocation") == "ValueError: not b"
    models.delete(name)
    direct = made.model(made.container("a", ContainerHostname="a"), made.container("b", ContainerHostname="b"),
                        InferenceExecutionConfig={"Mode": "Direct"})
    config["ProductionVariants"][0]["ModelName"] = direct  # type: ignore[index]
    with pytest.raises(ClientError, match="cannot be invoked asynchronously"):
        models.sagemaker.create_endpoint_config(**{**config, "EndpointConfigName": unique("async")})


def test_a_killed_server_and_a_killed_instance(own_server: TestServer) -> None:
    models = Models(own_server)
    made = Pipelines(models)
    endpoint = made.deploy(made.container("a"), made.container("b"))
    own_server.kill()
    own_server.start()
    models = Models(own_server)

    def asked() -> list[str]:
        return [who for who, *_ in json.loads(models.invoke(endpoint, b"x", ContentType="text/plain")["Body"])]

    assert asked() == ["client", "a", "b"]
    before = next((own_server.data / "jobs").glob("serve-*"))
    os.kill(json.loads((before / "pid").read_text())["pid"], signal.SIGKILL)
    end = time.monotonic() + 30
    while before.exists() or models.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0]["CurrentInstanceCount"] != 1:
        assert time.monotonic() < end
        time.sleep(0.02)  # another process, which tells nobody
    assert asked() == ["client", "a", "b"], "another instance has taken its place, with both containers"
    models.delete(endpoint)
    assert not list((own_server.data / "jobs").glob("serve-*"))

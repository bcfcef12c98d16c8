"""What policies may ask of a request: SageMaker's own condition keys, tags of requests and of resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import PYTHON, Models

from .conftest import BUCKET, Fort
from .test_permissions import Roles, allow, refusal, roles  # noqa: F401

SUBNETS = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-a", "subnet-b"]}


def job(**more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "asked", "RoleArn": "arn:aws:iam::123456789012:role/none",
        "AlgorithmSpecification": {"TrainingImage": PYTHON, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/o", "KmsKeyId": "key-out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1, "VolumeKmsKeyId": "key-volume"},
        # what the caller's own maps say is no member of the request
        "Environment": {"InstanceType": "ml.g5.xlarge"}, **more,
    }


def config(**more: Any) -> dict[str, Any]:
    variant = {"VariantName": "a", "ModelName": "None", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    return {"EndpointConfigName": "asked", "ProductionVariants": [variant, {**variant, "VariantName": "b", "InstanceType": "ml.c5.large"}], **more}


CONDITIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("create_training_job", job(), {"ForAllValues:StringLike": {"sagemaker:InstanceTypes": ["ml.m5.*"]}}),
    ("create_endpoint_config", config(), {"ForAnyValue:StringEquals": {"sagemaker:InstanceTypes": ["ml.c5.large"]}}),
    ("create_endpoint_config", config(), {"ArnEquals": {"sagemaker:ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/none"}}),
    ("create_endpoint_config", config(KmsKeyId="key-volume"), {"StringEquals": {"sagemaker:VolumeKmsKey": "key-volume"}}),
    ("create_training_job", job(), {"StringEquals": {"sagemaker:VolumeKmsKey": "key-volume", "sagemaker:OutputKmsKey": "key-out"}}),
    ("create_training_job", job(VpcConfig=SUBNETS), {"ForAllValues:StringEquals": {"sagemaker:VpcSubnets": ["subnet-a", "subnet-b"]}}),
    ("create_training_job", job(VpcConfig=SUBNETS), {"ForAnyValue:StringEquals": {"sagemaker:VpcSecurityGroupIds": ["sg-1"]}}),
    ("create_training_job", job(EnableNetworkIsolation=True), {"Bool": {"sagemaker:NetworkIsolation": "true"}}),
    ("create_training_job", job(EnableInterContainerTrafficEncryption=True), {"Bool": {"sagemaker:InterContainerTrafficEncryption": "true"}}),
    ("create_training_job", job(), {"NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "600"}}),
    ("create_training_job", job(Tags=[{"Key": "team", "Value": "red"}]), {"StringEquals": {"aws:RequestTag/team": "red"}}),
    ("create_training_job", job(Tags=[{"Key": "team", "Value": "red"}]), {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}),
    ("create_notebook_instance", {
        "NotebookInstanceName": "asked", "InstanceType": "ml.t3.medium", "RoleArn": "arn:aws:iam::123456789012:role/none",
        "RootAccess": "Disabled", "DirectInternetAccess": "Disabled",
    }, {"StringEquals": {"sagemaker:RootAccess": "Disabled", "sagemaker:DirectInternetAccess": "Disabled"}}),
]


@pytest.fixture(scope="module")
def asked(roles: Roles) -> Callable[..., Any]:  # noqa: F811
    """A client of a role that may do everything under one condition."""
    count = 0

    def client(service: str, *statements: dict[str, Any]) -> Any:
        nonlocal count
        count += 1
        return roles.client(roles.role(f"asked-{count}", *statements), service)

    return client


@pytest.mark.parametrize(("operation", "params", "condition"), CONDITIONS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_condition_looks_at_the_request(fort: Fort, asked: Callable[..., Any], operation: str, params: dict[str, Any], condition: dict[str, Any]) -> None:
    """The same condition lets the request in, and keeps it out: what is let in fails later, of what it names."""
    action = "sagemaker:" + "".join(word.capitalize() for word in operation.split("_"))
    others = allow("iam:PassRole", "sagemaker:AddTags")
    let_in = asked("sagemaker", {**allow(action), "Condition": condition}, others)
    kept_out = asked("sagemaker", allow(action), others, {"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition})
    with fort.untouched():
        with pytest.raises(ClientError) as caught:
            getattr(let_in, operation)(**params)
        assert caught.value.response["Error"]["Code"] == "ValidationException", caught.value
        with pytest.raises(ClientError) as caught:
            getattr(kept_out, operation)(**params)
        assert action in refusal(caught)


def test_tags_of_what_is_made_need_their_own_right(fort: Fort, asked: Callable[..., Any]) -> None:
    client = asked("sagemaker", allow("sagemaker:CreateExperiment"))
    with fort.untouched(), pytest.raises(ClientError) as caught:
        client.create_experiment(ExperimentName="tagged", Tags=[{"Key": "team", "Value": "red"}])
    assert "sagemaker:AddTags" in refusal(caught)
    client.create_experiment(ExperimentName="untagged")
    fort.client("sagemaker").delete_experiment(ExperimentName="untagged")


@pytest.mark.parametrize("prefix", ["aws", "sagemaker"])
def test_a_condition_looks_at_the_tags_of_the_resource(fort: Fort, asked: Callable[..., Any], prefix: str) -> None:
    operator = fort.client("sagemaker")
    client = asked("sagemaker", {**allow("sagemaker:*"), "Condition": {"StringEquals": {f"{prefix}:ResourceTag/team": "red"}}})
    for team in ("red", "blue"):
        operator.create_model(ModelName=f"of-{team}", PrimaryContainer={"Image": PYTHON}, Tags=[{"Key": "team", "Value": team}])
    try:
        with fort.untouched(), pytest.raises(ClientError) as caught:
            client.delete_model(ModelName="of-blue")
        assert "sagemaker:DeleteModel" in refusal(caught)
        assert client.describe_model(ModelName="of-red")["ModelName"] == "of-red"
        client.delete_model(ModelName="of-red")
        with pytest.raises(ClientError) as caught:
            client.describe_model(ModelName="of-red")
        refusal(caught)  # what is not there has no tags
    finally:
        operator.delete_model(ModelName="of-blue")


def test_the_gateway_looks_at_an_endpoints_tags_and_forgets_them_at_once(fort: Fort, asked: Callable[..., Any]) -> None:
    models = Models(fort.server)
    endpoint = models.deploy()
    arn = models.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    runtime = asked("sagemaker-runtime", {**allow("sagemaker:InvokeEndpoint"), "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}})
    for _ in range(3):
        with pytest.raises(ClientError) as caught:
            runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x")
        refusal(caught)
        models.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "red"}])
        assert runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x")["Body"].read() == b"x"
        models.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    models.delete(endpoint)

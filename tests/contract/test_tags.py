"""Tags of resources, as boto3 sees them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import PYTHON
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

OURS = [{"Key": "AWS:cost", "Value": "1"}]


@pytest.fixture(scope="module")
def sagemaker(server: TestServer) -> Any:
    return server.client("sagemaker")


@pytest.fixture
def model(sagemaker: Any) -> Any:
    name = unique("tagged")
    yield sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": PYTHON}, Tags=[{"Key": "a", "Value": "1"}])["ModelArn"]
    sagemaker.delete_model(ModelName=name)


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_tags_are_put_in_the_place_of_older_ones(sagemaker: Any, model: str) -> None:
    answer = sagemaker.add_tags(ResourceArn=model, Tags=[{"Key": "b", "Value": ""}, {"Key": "a", "Value": "2"}])
    wanted = [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}]
    assert sorted(answer["Tags"], key=lambda tag: str(tag["Key"])) == wanted
    sagemaker.delete_tags(ResourceArn=model, TagKeys=["b", "none"])
    assert sagemaker.list_tags(ResourceArn=model)["Tags"] == wanted[:1]


def test_more_than_fifty(sagemaker: Any, model: str) -> None:
    with pytest.raises(ClientError, match="at most 50 tags") as caught:
        sagemaker.add_tags(ResourceArn=model, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    assert refused(caught)[0] == "ValidationException", "AddTags declares no other error"
    assert len(sagemaker.list_tags(ResourceArn=model)["Tags"]) == 1


@pytest.mark.parametrize(("operation", "params"), [
    ("create_model", {"ModelName": "not-made", "PrimaryContainer": {"Image": PYTHON}}),
    ("create_experiment", {"ExperimentName": "not-made"}),
    ("create_model_package_group", {"ModelPackageGroupName": "not-made"}),
    ("create_model_package", {"ModelPackageName": "not-made", "InferenceSpecification": {"Containers": [{"Image": PYTHON}]}}),
    ("create_artifact", {"ArtifactType": "x", "Source": {"SourceUri": "s3://not/made"}}),
    ("create_domain", {"DomainName": "not-made", "AuthMode": "IAM", "DefaultUserSettings": {}}),
])
def test_keys_that_are_aws_own(server: TestServer, sagemaker: Any, operation: str, params: dict[str, Any]) -> None:
    if "DefaultUserSettings" in params:
        params = {**params, "DefaultUserSettings": {"ExecutionRole": f"arn:aws:iam::123456789012:role/{server.execution_role()}"}}
    with pytest.raises(ClientError) as caught:
        getattr(sagemaker, operation)(**params, Tags=OURS)
    assert refused(caught) == ("ValidationException", "aws: prefixed tag key names are not allowed for external use.")


def test_keys_that_are_aws_own_are_not_added(sagemaker: Any, model: str) -> None:
    with pytest.raises(ClientError) as caught:
        sagemaker.add_tags(ResourceArn=model, Tags=OURS)
    assert refused(caught) == ("ValidationException", "aws: prefixed tag key names are not allowed for external use.")
    assert len(sagemaker.list_tags(ResourceArn=model)["Tags"]) == 1

"""The model registry through boto3: groups, versions, approvals, lists, and models made of packages."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.models import Models, archive, workflow
from sagewright.testing.server import TestServer

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/python:3"
SPECIFICATION = {
    "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://b/model.tar.gz"}], "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"],
}


@pytest.fixture
def sagemaker(server: TestServer) -> Any:
    return server.client("sagemaker")


@pytest.fixture
def group(sagemaker: Any) -> str:
    name = f"Group-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription="about", Tags=[{"Key": "k", "Value": "v"}])
    return name


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def version(sagemaker: Any, group: str, **more: Any) -> str:
    made = sagemaker.create_model_package(**{"ModelPackageGroupName": group, "InferenceSpecification": SPECIFICATION, **more})
    return str(made["ModelPackageArn"])


def test_a_group(sagemaker: Any, group: str) -> None:
    about = sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    assert about["ModelPackageGroupName"] == group
    assert about["ModelPackageGroupStatus"] == "Completed"
    assert about["ModelPackageGroupDescription"] == "about"
    assert about["CreatedBy"]["IamIdentity"]["Arn"]
    assert sagemaker.describe_model_package_group(ModelPackageGroupName=about["ModelPackageGroupArn"])["CreationTime"] == about["CreationTime"]
    assert sagemaker.list_tags(ResourceArn=about["ModelPackageGroupArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    code, text = refused(sagemaker.create_model_package_group, ModelPackageGroupName=group)
    assert (code, "already exists" in text) == ("ValidationException", True)
    assert refused(sagemaker.describe_model_package_group, ModelPackageGroupName="none")[0] == "ValidationException"
    assert "does not exist" in refused(sagemaker.create_model_package, ModelPackageGroupName="none")[1]


def test_versions_are_counted_and_never_again(sagemaker: Any, group: str) -> None:
    arns = [version(sagemaker, group) for _ in range(3)]
    assert [a.rsplit("/", 1)[-1] for a in arns] == ["1", "2", "3"]
    assert arns[0].endswith(f":model-package/{group.lower()}/1")
    assert refused(sagemaker.delete_model_package_group, ModelPackageGroupName=group)[0] == "ConflictException"
    sagemaker.delete_model_package(ModelPackageName=arns[2])
    assert version(sagemaker, group).endswith("/4")
    assert "does not exist" in refused(sagemaker.describe_model_package, ModelPackageName=arns[2])[1]
    for number in (1, 2, 4):
        sagemaker.delete_model_package(ModelPackageName=f"{arns[0].rsplit('/', 1)[0]}/{number}")
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    assert refused(sagemaker.describe_model_package_group, ModelPackageGroupName=group)[0] == "ValidationException"


def test_versions_made_at_once_get_each_a_number(sagemaker: Any, group: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        arns = list(pool.map(lambda _: version(sagemaker, group), range(24)))
    assert sorted(int(a.rsplit("/", 1)[-1]) for a in arns) == list(range(1, 25))


def test_everything_that_create_takes_comes_back(sagemaker: Any, group: str) -> None:
    source = {"ContentType": "application/json", "S3Uri": "s3://b/x.json"}
    given: dict[str, Any] = {
        "ModelPackageDescription": "d", "ModelMetrics": {"ModelQuality": {"Statistics": source}, "Explainability": {"Report": source}},
        "DriftCheckBaselines": {"Bias": {"PreTrainingConstraints": source}}, "MetadataProperties": {"CommitId": "abc", "GeneratedBy": "me"},
        "CustomerMetadataProperties": {"a": "1"}, "Domain": "MACHINE_LEARNING", "Task": "REGRESSION", "SamplePayloadUrl": "s3://b/p.csv",
        "AdditionalInferenceSpecifications": [{"Name": "gpu", "Containers": [{"Image": IMAGE}]}], "SkipModelValidation": "All",
        "SourceUri": "s3://b/src", "ModelCard": {"ModelCardContent": "{}", "ModelCardStatus": "Draft"},
        "ModelLifeCycle": {"Stage": "Development", "StageStatus": "PendingApproval"}, "ModelPackageRegistrationType": "Registered",
    }
    about = sagemaker.describe_model_package(ModelPackageName=version(sagemaker, group, **given))
    for member, value in given.items():
        assert about[member] == value, member
    assert about["InferenceSpecification"] == SPECIFICATION
    assert about["ModelPackageName"] == about["ModelPackageGroupName"] == group
    assert about["ModelPackageVersion"] == 1
    assert about["ModelPackageStatus"] == "Completed"
    assert about["ModelPackageStatusDetails"] == {"ValidationStatuses": [], "ImageScanStatuses": []}
    assert about["ModelApprovalStatus"] == "PendingManualApproval"
    assert "ModelCard" not in sagemaker.describe_model_package(ModelPackageName=about["ModelPackageArn"], IncludedData="MetadataOnly")


def test_update(sagemaker: Any, group: str) -> None:
    where = version(sagemaker, group, CustomerMetadataProperties={"a": "1", "b": "2"})
    for status in ("Approved", "Rejected", "PendingManualApproval", "Approved"):
        assert sagemaker.update_model_package(ModelPackageArn=where, ModelApprovalStatus=status, ApprovalDescription=f"now {status}")["ModelPackageArn"] == where
        about = sagemaker.describe_model_package(ModelPackageName=where)
        assert (about["ModelApprovalStatus"], about["ApprovalDescription"]) == (status, f"now {status}")
    assert about["LastModifiedTime"] >= about["CreationTime"]
    assert about["LastModifiedBy"]["IamIdentity"]["Arn"]
    sagemaker.update_model_package(
        ModelPackageArn=where, CustomerMetadataProperties={"c": "3"}, CustomerMetadataPropertiesToRemove=["a"],
        AdditionalInferenceSpecificationsToAdd=[{"Name": "x", "Containers": [{"Image": IMAGE}]}], SourceUri="s3://b/other",
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved", "StageDescription": "go"},
    )
    about = sagemaker.describe_model_package(ModelPackageName=where)
    assert about["CustomerMetadataProperties"] == {"b": "2", "c": "3"}
    assert [s["Name"] for s in about["AdditionalInferenceSpecifications"]] == ["x"]
    assert about["ModelLifeCycle"]["Stage"] == "Production"
    again = [{"Name": "x", "Containers": [{"Image": IMAGE}]}]
    assert "unique" in refused(sagemaker.update_model_package, ModelPackageArn=where, AdditionalInferenceSpecificationsToAdd=again)[1]


def test_a_client_token_makes_create_repeatable(sagemaker: Any, group: str) -> None:
    token = str(uuid.uuid4())
    first = version(sagemaker, group, ClientToken=token)
    assert version(sagemaker, group, ClientToken=token) == first
    assert "ClientToken" in refused(sagemaker.create_model_package, ModelPackageGroupName=group, ClientToken=token)[1]
    assert version(sagemaker, group).endswith("/2")


def test_packages_without_versions(sagemaker: Any) -> None:
    name = f"single-{uuid.uuid4().hex[:8]}"
    where = sagemaker.create_model_package(ModelPackageName=name, InferenceSpecification=SPECIFICATION)["ModelPackageArn"]
    about = sagemaker.describe_model_package(ModelPackageName=name)
    assert (about["ModelPackageArn"], about["ModelPackageName"], "ModelPackageVersion" in about) == (where, name, False)
    assert refused(sagemaker.create_model_package, ModelPackageName=name, InferenceSpecification=SPECIFICATION) == (
        "ValidationException", f"ModelPackage already exists: {where}")
    sagemaker.delete_model_package(ModelPackageName=name)
    assert refused(sagemaker.describe_model_package, ModelPackageName=name)[0] == "ValidationException"
    assert "exactly one" in refused(sagemaker.create_model_package, InferenceSpecification=SPECIFICATION)[1]


def test_lists(sagemaker: Any, group: str) -> None:
    name = f"single-{uuid.uuid4().hex[:8]}"
    sagemaker.create_model_package(ModelPackageName=name, InferenceSpecification=SPECIFICATION)
    arns = [version(sagemaker, group, ModelApprovalStatus=status) for status in ("Approved", "Rejected", "Approved", "PendingManualApproval")]

    def listed(**more: Any) -> list[str]:
        pages = sagemaker.get_paginator("list_model_packages").paginate(**more, PaginationConfig={"PageSize": 2})
        return [p["ModelPackageArn"] for page in pages for p in page["ModelPackageSummaryList"]]

    assert listed(ModelPackageGroupName=group) == arns
    assert listed(ModelPackageGroupName=group, SortOrder="Descending") == arns[::-1]
    assert listed(ModelPackageGroupName=group, ModelApprovalStatus="Approved") == [arns[0], arns[2]]
    unversioned = listed(NameContains=name)
    assert len(unversioned) == 1
    assert not set(arns) & set(listed())
    assert set(arns) <= set(listed(ModelPackageType="Versioned"))
    assert set(arns) | set(unversioned) <= set(listed(ModelPackageType="Both"))
    one = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"][0]
    assert (one["ModelPackageGroupName"], one["ModelPackageVersion"], "ModelPackageName" in one) == (group, 1, False)
    groups = sagemaker.list_model_package_groups(NameContains=group.lower())["ModelPackageGroupSummaryList"]
    assert [g["ModelPackageGroupName"] for g in groups] == [group]
    assert sagemaker.list_model_package_groups(CrossAccountFilterOption="CrossAccount")["ModelPackageGroupSummaryList"] == []


def test_search(sagemaker: Any, group: str) -> None:
    """As the SDK v2 looks for a group before it registers."""
    named = {"Filters": [{"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group}]}
    (found,) = sagemaker.search(Resource="ModelPackageGroup", SearchExpression=named)["Results"]
    assert found["ModelPackageGroup"]["ModelPackageGroupArn"].endswith(group.lower())
    where = version(sagemaker, group, ModelApprovalStatus="Approved")
    version(sagemaker, group)
    approved = {"Filters": [*named["Filters"], {"Name": "ModelApprovalStatus", "Operator": "Equals", "Value": "Approved"}]}
    (package,) = sagemaker.search(Resource="ModelPackage", SearchExpression=approved)["Results"]
    assert package["ModelPackage"]["ModelPackageArn"] == where


def test_batch_describe(sagemaker: Any, group: str) -> None:
    where = version(sagemaker, group)
    missing = where.rsplit("/", 1)[0] + "/99"
    found = sagemaker.batch_describe_model_package(ModelPackageArnList=[where, missing])
    assert found["ModelPackageSummaries"][where]["InferenceSpecification"] == SPECIFICATION
    assert found["ModelPackageSummaries"][where]["ModelPackageVersion"] == 1
    assert found["BatchDescribeModelPackageErrorMap"][missing]["ErrorCode"] == "ValidationException"
    bare = sagemaker.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]
    found = sagemaker.batch_describe_model_package(ModelPackageArnList=[bare])
    assert found["ModelPackageSummaries"][bare]["InferenceSpecification"] == {"Containers": []}, "typed clients need the member"


def test_policies(sagemaker: Any, group: str) -> None:
    assert refused(sagemaker.get_model_package_group_policy, ModelPackageGroupName=group)[0] == "ValidationException"
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    assert sagemaker.put_model_package_group_policy(ModelPackageGroupName=group, ResourcePolicy=policy)["ModelPackageGroupArn"]
    assert sagemaker.get_model_package_group_policy(ModelPackageGroupName=group)["ResourcePolicy"] == policy
    sagemaker.delete_model_package_group_policy(ModelPackageGroupName=group)
    assert refused(sagemaker.get_model_package_group_policy, ModelPackageGroupName=group)[0] == "ValidationException"
    assert "JSON" in refused(sagemaker.put_model_package_group_policy, ModelPackageGroupName=group, ResourcePolicy="{")[1]


def test_a_model_of_a_package_serves(server: TestServer, sagemaker: Any, group: str) -> None:
    """The package's container, with the model's own variables on top; what happens to the package later changes nothing."""
    models = Models(server)
    code = """
        import os
        def model_fn(model_dir):
            return os.environ["A"] + os.environ["B"]
        def transform_fn(model, body, content_type, accept):
            return model, "text/plain"
    """
    url = models.put("m/model.tar.gz", archive(code__inference_py=code))
    env = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "A": "a", "B": "b"}
    where = version(sagemaker, group, InferenceSpecification={**SPECIFICATION, "Containers": [{"Image": IMAGE, "ModelDataUrl": url, "Environment": env}]})
    name = models.name()
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=models.role, PrimaryContainer={"ModelPackageName": where, "Environment": {"B": "mine"}})
    assert sagemaker.describe_model(ModelName=name)["PrimaryContainer"]["ModelPackageName"] == where
    sagemaker.delete_model_package(ModelPackageName=where)
    endpoint = models.endpoint(models.config(name))
    models.settled(endpoint)
    answer = models.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"")["Body"].read()
    assert answer == b"amine"
    sagemaker.delete_endpoint(EndpointName=endpoint)
    assert "does not exist" in refused(sagemaker.create_model, ModelName="x", ExecutionRoleArn=models.role, PrimaryContainer={"ModelPackageName": where})[1]


def test_the_readme(own_server: TestServer) -> None:
    assert workflow(own_server, "registry").splitlines()[-1] == "[1]"

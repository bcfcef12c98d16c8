"""IAM, STS and CloudTrail as boto3 sees them: serialized by botocore, over HTTP, signatures verified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagewright.testing.names import unique
from sagewright.testing.server import TestServer

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com", "AWS": "123456789012"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
READ = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:Get*", "Resource": "*"}]})


@pytest.fixture
def iam(server: TestServer) -> Any:
    return server.client("iam")


@pytest.fixture
def role(iam: Any, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    name = f"contract-{request.node.name}"[:64].replace("[", "-").replace("]", "")
    yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Path="/service-role/", Tags=[{"Key": "a", "Value": "b"}])["Role"]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def acting(server: TestServer, keys: dict[str, str], service: str) -> Any:
    return boto3.client(
        service, endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys.get("SessionToken"),
    )  # fmt: skip


def test_the_operator_is_the_execution_role(server: TestServer, iam: Any) -> None:
    who = server.client("sts").get_caller_identity()
    assert who["Arn"] == "arn:aws:sts::123456789012:assumed-role/SagewrightExecutionRole/operator"
    role = iam.get_role(RoleName="SagewrightExecutionRole")["Role"]
    assert role["Arn"] == "arn:aws:iam::123456789012:role/SagewrightExecutionRole"
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}


def test_roles_and_their_documents_round_trip(iam: Any, role: dict[str, Any]) -> None:
    assert role["Arn"].startswith("arn:aws:iam::123456789012:role/service-role/contract-")
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="p", PolicyDocument=READ)
    assert iam.get_role_policy(RoleName=role["RoleName"], PolicyName="p")["PolicyDocument"] == json.loads(READ)
    pages = iam.get_paginator("list_roles").paginate(PathPrefix="/service-role/", PaginationConfig={"PageSize": 1})
    assert role["RoleName"] in [r["RoleName"] for page in pages for r in page["Roles"]]
    assert iam.get_role(RoleName=role["RoleName"])["Role"]["Tags"] == [{"Key": "a", "Value": "b"}]


def test_errors_are_the_modelled_ones(iam: Any, role: dict[str, Any]) -> None:
    with pytest.raises(iam.exceptions.NoSuchEntityException) as caught:
        iam.get_role(RoleName="nobody")
    assert caught.value.response["Error"]["Message"] == "The role with name nobody cannot be found."
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=role["RoleName"], AssumeRolePolicyDocument=TRUST)
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        iam.put_role_policy(RoleName=role["RoleName"], PolicyName="p", PolicyDocument="{}")
    with pytest.raises(ClientError, match="not implemented"):
        iam.create_saml_provider(SAMLMetadataDocument="x" * 1000, Name="x")


def test_tag_keys_that_are_aws_own(iam: Any) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    with pytest.raises(ClientError, match="aws: prefixed tag key names are not allowed") as caught:
        iam.create_role(RoleName="NotMade", AssumeRolePolicyDocument=trust, Tags=[{"Key": "aws:team", "Value": "x"}])
    assert caught.value.response["Error"]["Code"] == "InvalidInput"


def test_a_session_may_do_what_its_role_may(server: TestServer, iam: Any, role: dict[str, Any]) -> None:
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="p", PolicyDocument=READ)
    answer = server.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="s1")
    assert answer["AssumedRoleUser"]["Arn"].endswith(f":assumed-role/{role['RoleName']}/s1")
    theirs = acting(server, answer["Credentials"], "iam")
    assert theirs.get_role(RoleName=role["RoleName"])["Role"]["RoleId"] == role["RoleId"]
    with pytest.raises(ClientError) as caught:
        theirs.list_users()
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert caught.value.response["Error"]["Message"] == (
        f"User: {answer['AssumedRoleUser']['Arn']} is not authorized to perform: iam:ListUsers on resource: * "
        "because no identity-based policy allows the iam:ListUsers action"
    )
    stolen = {**answer["Credentials"], "SessionToken": "wrong"}
    with pytest.raises(ClientError):
        acting(server, stolen, "sts").get_caller_identity()


def test_a_users_keys(server: TestServer, iam: Any) -> None:
    name = unique("contract")
    iam.create_user(UserName=name)
    try:
        keys = iam.create_access_key(UserName=name)["AccessKey"]
        theirs = acting(server, keys, "sts")
        assert theirs.get_caller_identity()["Arn"] == f"arn:aws:iam::123456789012:user/{name}"
        session = theirs.get_session_token(DurationSeconds=900)["Credentials"]
        assert acting(server, session, "sts").get_caller_identity()["Arn"].endswith(f":user/{name}")
        iam.delete_access_key(UserName=name, AccessKeyId=keys["AccessKeyId"])
        with pytest.raises(ClientError) as caught:
            theirs.get_caller_identity()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    finally:
        iam.delete_user(UserName=name)


def test_simulation_pages(iam: Any) -> None:
    source = "arn:aws:iam::123456789012:role/SagewrightExecutionRole"
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=source, ActionNames=["sagemaker:CreateTrainingJob", "s3:PutObject", "iam:DeleteRole"],
        PaginationConfig={"PageSize": 2},
    )  # fmt: skip
    decisions = [(r["EvalActionName"], r["EvalDecision"]) for page in pages for r in page["EvaluationResults"]]
    assert decisions == [
        ("sagemaker:CreateTrainingJob", "allowed"), ("s3:PutObject", "allowed"), ("iam:DeleteRole", "implicitDeny"),
    ]  # fmt: skip


def test_what_was_done_is_in_the_trail(server: TestServer, role: dict[str, Any]) -> None:
    trail = server.client("cloudtrail")
    found = trail.lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": role["RoleName"]}])
    event = next(e for e in found["Events"] if e["EventName"] == "CreateRole")
    assert event["Username"] == "operator"
    assert event["ReadOnly"] == "false"
    assert json.loads(event["CloudTrailEvent"])["requestParameters"]["roleName"] == role["RoleName"]

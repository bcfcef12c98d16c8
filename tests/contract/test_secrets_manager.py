"""Secrets: their versions and stages, their end, who may read them, and where their values are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagewright.testing.names import unique
from sagewright.testing.server import TestServer


@pytest.fixture
def secrets(server: TestServer) -> Any:
    return server.client("secretsmanager")


@pytest.fixture
def name(secrets: Any) -> Iterator[str]:
    """A name that nobody has; what gets it is gone in the end."""
    made = unique("git")
    yield made
    secrets.delete_secret(SecretId=made, ForceDeleteWithoutRecovery=True)


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_versions_and_stages(secrets: Any, name: str) -> None:
    made = secrets.create_secret(Name=name, SecretString="one", Description="of the tests", Tags=[{"Key": "a", "Value": "b"}])
    assert f":secret:{name}-" in made["ARN"]
    second = secrets.put_secret_value(SecretId=made["ARN"], SecretString="two")
    assert second["VersionStages"] == ["AWSCURRENT"]
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "two"
    assert secrets.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    assert secrets.get_secret_value(SecretId=made["ARN"][:-7], VersionId=made["VersionId"])["SecretString"] == "one"
    third = secrets.update_secret(SecretId=name, SecretBinary=b"\x00\xff", Description="other")
    about = secrets.describe_secret(SecretId=name)
    assert about["VersionIdsToStages"] == {second["VersionId"]: ["AWSPREVIOUS"], third["VersionId"]: ["AWSCURRENT"]}
    assert about["Description"] == "other"
    found = secrets.get_secret_value(SecretId=name)
    assert found["SecretBinary"] == b"\x00\xff"
    assert "SecretString" not in found
    listed = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]
    assert {one["VersionId"] for one in listed} == {made["VersionId"], second["VersionId"], third["VersionId"]}


def test_a_request_sent_again_changes_nothing(secrets: Any, name: str) -> None:
    token = "0123456789abcdef0123456789abcdef"
    for _ in range(2):
        assert secrets.create_secret(Name=name, SecretString="one", ClientRequestToken=token)["VersionId"] == token
    with pytest.raises(ClientError) as error:
        secrets.create_secret(Name=name, SecretString="two", ClientRequestToken=token)
    assert code(error) == "ResourceExistsException"
    with pytest.raises(ClientError) as error:
        secrets.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=token)
    assert code(error) == "ResourceExistsException"
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "one"


def test_a_deleted_secret_can_be_had_back(secrets: Any, name: str) -> None:
    secrets.create_secret(Name=name, SecretString="one")
    for days in (6, 31):
        with pytest.raises(ClientError):
            secrets.delete_secret(SecretId=name, RecoveryWindowInDays=days)
    gone = secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    days = (gone["DeletionDate"] - secrets.describe_secret(SecretId=name)["CreatedDate"]).total_seconds() / 86400
    assert 6.9 < days < 7.1
    for verb, more in (("get_secret_value", {}), ("put_secret_value", {"SecretString": "two"})):
        with pytest.raises(ClientError, match="marked for deletion") as error:
            getattr(secrets, verb)(SecretId=name, **more)
        assert code(error) == "InvalidRequestException"
    with pytest.raises(ClientError, match="scheduled for deletion"):
        secrets.create_secret(Name=name, SecretString="two")
    named = [{"Key": "name", "Values": [name]}]
    assert secrets.list_secrets(Filters=named)["SecretList"] == []
    assert len(secrets.list_secrets(Filters=named, IncludePlannedDeletion=True)["SecretList"]) == 1
    secrets.restore_secret(SecretId=name)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "one"
    assert "DeletedDate" not in secrets.describe_secret(SecretId=name)
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    with pytest.raises(ClientError) as error:
        secrets.describe_secret(SecretId=name)
    assert code(error) == "ResourceNotFoundException"


def test_tags_and_pages(secrets: Any) -> None:
    names = sorted(unique("page") for _ in range(3))
    try:
        for one in names:
            secrets.create_secret(Name=one, SecretString="x")
            secrets.tag_resource(SecretId=one, Tags=[{"Key": names[0], "Value": one}, {"Key": "gone", "Value": ""}])
            secrets.untag_resource(SecretId=one, TagKeys=["gone"])
        filters = [{"Key": "tag-key", "Values": [names[0]]}]
        pages = list(secrets.get_paginator("list_secrets").paginate(Filters=filters, PaginationConfig={"PageSize": 2}))
        assert [len(page["SecretList"]) for page in pages] == [2, 1]
        found = [one for page in pages for one in page["SecretList"]]
        assert [one["Name"] for one in found] == names
        assert found[1]["Tags"] == [{"Key": names[0], "Value": names[1]}]
    finally:
        for one in names:
            secrets.delete_secret(SecretId=one, ForceDeleteWithoutRecovery=True)


def test_a_value_is_nowhere_in_plain(server: TestServer, secrets: Any, name: str) -> None:
    """Neither in the data directory nor in what the trail tells."""
    value = "".join(reversed(f"{unique('secret')}-plain"))
    secrets.create_secret(Name=name, SecretString=value)
    secrets.put_secret_value(SecretId=name, SecretString=f"{value}2")
    secrets.get_secret_value(SecretId=name)
    told = server.client("cloudtrail").lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": name}])["Events"]
    assert {event["EventName"] for event in told} >= {"CreateSecret"}
    assert value not in json.dumps(told, default=str)
    files = [path for path in server.data.iterdir() if path.is_file()]
    assert files
    assert [path.name for path in files if value.encode() in path.read_bytes()] == []


def test_a_role_reads_what_its_policy_says(server: TestServer, secrets: Any, name: str) -> None:
    where = secrets.create_secret(Name=name, SecretString="one")["ARN"]
    iam, user = server.client("iam"), unique("reader")
    iam.create_user(UserName=user)
    keys = iam.create_access_key(UserName=user)["AccessKey"]
    theirs = server.client("secretsmanager", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"])
    with pytest.raises(ClientError) as error:
        theirs.get_secret_value(SecretId=name)
    assert code(error) == "AccessDeniedException"
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": where}]}
    iam.put_user_policy(UserName=user, PolicyName="one", PolicyDocument=json.dumps(document))
    assert theirs.get_secret_value(SecretId=name)["SecretString"] == "one"
    with pytest.raises(ClientError):
        theirs.put_secret_value(SecretId=name, SecretString="two")

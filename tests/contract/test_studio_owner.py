"""The profile of the server's owner reads who may what; its jobs do not, and nobody becomes it who may not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.stores.records import Put, Record
from sagewright.testing.names import unique
from sagewright.testing.server import TestServer
from sagewright.testing.studio import default_domain
from sagewright.testing.waiting import until

HOME = "/_sagewright/studio/"
SCOPE = "123456789012/us-east-1"
OWNER = "arn:aws:iam::123456789012:role/SagewrightOwner"
EXECUTION = "arn:aws:iam::123456789012:role/SagewrightExecutionRole"


def link(server: TestServer, client: Any = None) -> str:
    found: str = (client or server.client("sagemaker")).create_presigned_domain_url(DomainId=default_domain(server), UserProfileName="owner")["AuthorizedUrl"]
    return found


@pytest.fixture
def owner(server: TestServer) -> Iterator[httpx.Client]:
    with signed_in(server) as browser:
        yield browser


@contextmanager
def signed_in(server: TestServer) -> Iterator[httpx.Client]:
    headers = {"origin": server.url, "sec-fetch-site": "same-origin", "content-type": "application/json"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as browser:
        assert browser.get(link(server)).status_code == 303
        yield browser


def client(server: TestServer, service: str, got: dict[str, str]) -> Any:
    """With temporary keys, as Studio or AssumeRole names them."""
    return boto3.client(
        service, endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=got["AccessKeyId"],
        aws_secret_access_key=got["SecretAccessKey"], aws_session_token=got["SessionToken"],
    )  # fmt: skip


def keys(browser: httpx.Client) -> dict[str, str]:
    found: dict[str, str] = browser.post(f"{HOME}api/credentials", content="{}").json()
    return found


def refused(error: pytest.ExceptionInfo[ClientError]) -> bool:
    return "AccessDenied" in error.value.response["Error"]["Code"]


def test_the_owner_reads_who_may_what_and_who_did_what(server: TestServer, owner: httpx.Client) -> None:
    about, got = owner.get(f"{HOME}api/session").json(), keys(owner)
    assert (about["SignInRole"], about["ExecutionRole"]) == (OWNER, EXECUTION)
    assert got["RoleArn"] == OWNER
    iam = client(server, "iam", got)
    assert {"SagewrightOwner", "SagewrightExecutionRole"} <= {r["RoleName"] for r in iam.list_roles()["Roles"]}
    iam.list_users()
    iam.simulate_principal_policy(PolicySourceArn=OWNER, ActionNames=["sagemaker:CreateTrainingJob"])
    client(server, "cloudtrail", got).lookup_events(MaxResults=1)
    client(server, "sagemaker", got).list_user_profiles()
    with pytest.raises(ClientError) as error:  # keys in a browser change nobody's rights
        iam.attach_role_policy(RoleName="SagewrightExecutionRole", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert refused(error)


def test_a_job_of_the_owner_runs_with_the_execution_role_and_not_with_the_owners(server: TestServer, owner: httpx.Client) -> None:
    sagemaker, bucket = client(server, "sagemaker", keys(owner)), unique("owned")
    server.client("s3").create_bucket(Bucket=bucket)

    def start(role: str) -> str:
        name = unique("owned")
        sagemaker.create_processing_job(
            ProcessingJobName=name, RoleArn=role, AppSpecification={"ImageUri": "python:3.11", "ContainerEntrypoint": ["true"]},
            ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
        )
        return name

    name = start(EXECUTION)
    until(lambda: sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "Completed")
    with pytest.raises(ClientError, match="Could not assume role"):
        start(OWNER)
    with pytest.raises(ClientError, match="Could not assume role"):
        sagemaker.update_user_profile(DomainId=default_domain(server), UserProfileName="owner", UserSettings={"ExecutionRole": OWNER})


def test_what_has_the_execution_role_becomes_no_owner(server: TestServer) -> None:
    """Though it may do everything with SageMaker: keys of a job ask for a link, for the role, and for the right to pass it."""
    got = server.client("sts").assume_role(RoleArn=EXECUTION, RoleSessionName="job")["Credentials"]
    sagemaker = client(server, "sagemaker", got)
    with pytest.raises(ClientError) as error:
        link(server, sagemaker)
    assert refused(error)
    assert "iam:PassRole" in error.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as error:
        client(server, "sts", got).assume_role(RoleArn=OWNER, RoleSessionName="job")
    assert refused(error)
    with pytest.raises(ClientError) as error:  # not even with the operator's keys: the role trusts Studio alone
        server.client("sts").assume_role(RoleArn=OWNER, RoleSessionName="job")
    assert refused(error)


def test_without_its_role_the_owner_works_with_the_execution_role(own_server: TestServer) -> None:
    iam = own_server.client("iam")
    with signed_in(own_server) as browser:
        for policy in iam.list_attached_role_policies(RoleName="SagewrightOwner")["AttachedPolicies"]:
            iam.detach_role_policy(RoleName="SagewrightOwner", PolicyArn=policy["PolicyArn"])
        iam.delete_role_policy(RoleName="SagewrightOwner", PolicyName="OwnPlatform")
        iam.delete_role(RoleName="SagewrightOwner")
        assert keys(browser)["RoleArn"] == EXECUTION
        own_server.kill()
        own_server.start()  # whoever deletes it does not get it back
        assert browser.get(f"{HOME}api/session").json()["SignInRole"] == EXECUTION


@pytest.mark.parametrize("narrowed", [False, True])
def test_a_data_folder_from_before_gets_the_role(own_server: TestServer, narrowed: bool) -> None:
    """Unless its operator has given the profile a role: that is left as it is."""
    iam, own = own_server.client("iam"), EXECUTION
    for policy in iam.list_attached_role_policies(RoleName="SagewrightOwner")["AttachedPolicies"]:
        iam.detach_role_policy(RoleName="SagewrightOwner", PolicyArn=policy["PolicyArn"])
    iam.delete_role_policy(RoleName="SagewrightOwner", PolicyName="OwnPlatform")
    iam.delete_role(RoleName="SagewrightOwner")
    if narrowed:
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        own = iam.create_role(RoleName="narrow", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        sagemaker, profile = own_server.client("sagemaker"), {"DomainId": default_domain(own_server), "UserProfileName": "owner"}
        sagemaker.update_user_profile(**profile, UserSettings={"ExecutionRole": own})
        until(lambda: sagemaker.describe_user_profile(**profile)["UserSettings"].get("ExecutionRole") == own)
    own_server.kill()

    async def older() -> None:
        """The record as the version before wrote it."""
        records = SqliteRecords(own_server.data / "records.sqlite", durable=False)
        made = await records.get("StudioDefaults", SCOPE, "made")
        assert isinstance(made, Record)
        await records.commit(Put("StudioDefaults", SCOPE, "made", {"DomainId": made.doc["DomainId"]}))
        await records.close()

    asyncio.run(older())
    own_server.start()
    with signed_in(own_server) as browser:
        about = browser.get(f"{HOME}api/session").json()
    assert (about["ExecutionRole"], about["SignInRole"]) == (own, own if narrowed else OWNER)

"""A role without a permission is refused by every service, and told which action, resource and statement is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from .conftest import BUCKET, Fort
from .test_unauthenticated import COVERAGE, least

FREE = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
"""What any key may do: it says only who one is."""


def trust(account: str, *, service: bool = True) -> str:
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}]
    if service:
        statements.append({"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"})
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


class Roles:
    def __init__(self, fort: Fort) -> None:
        self.fort, self.iam, self.made = fort, fort.client("iam"), list[str]()

    def role(self, name: str, *statements: dict[str, Any], service: bool = True) -> str:
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(self.fort.account, service=service))["Role"]["Arn"]
        self.made.append(name)
        if statements:
            self.iam.put_role_policy(
                RoleName=name, PolicyName="inline", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            )
        return str(arn)

    def client(self, arn: str, service: str, **config: Any) -> Any:
        keys = self.fort.client("sts").assume_role(RoleArn=arn, RoleSessionName="tester")["Credentials"]
        return boto3.client(
            service, endpoint_url=self.fort.server.url, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"],
            config=Config(retries={"max_attempts": 1, "mode": "standard"}, inject_host_prefix=False, **config),
        )


@pytest.fixture(scope="module")
def roles(fort: Fort) -> Iterator[Roles]:
    made = Roles(fort)
    yield made
    for name in made.made:
        for policy in made.iam.list_role_policies(RoleName=name)["PolicyNames"]:
            made.iam.delete_role_policy(RoleName=name, PolicyName=policy)
        made.iam.delete_role(RoleName=name)


def allow(*actions: str, resource: Any = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error.value
    return str(error.value.response["Error"]["Message"])


@pytest.mark.parametrize("service", sorted(COVERAGE))
def test_a_role_without_rights_does_nothing(fort: Fort, roles: Roles, service: str) -> None:
    """Every bound operation, with the least valid-looking parameters: refused, or the request itself is wrong."""
    name = f"nothing-{service}"
    client = roles.client(roles.role(name), service, parameter_validation=False)
    methods = {v: k for k, v in client.meta.method_to_api_mapping.items()}
    denied, wrong = 0, {}
    with fort.untouched():
        for operation, effect in COVERAGE[service].items():
            if effect == "missing" or (service, operation) in FREE:
                continue
            model = client.meta.service_model.operation_model(operation)
            try:
                getattr(client, methods[operation])(**(least(model.input_shape) if model.input_shape else {}))
                wrong[operation] = "an answer"
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status == 403:
                    denied += 1
                elif status != 400:
                    wrong[operation] = str(error)
    assert not wrong
    assert denied or service in ("sts", "application-autoscaling")


def test_a_denial_names_action_resource_and_statement(fort: Fort, roles: Roles) -> None:
    deny = {"Sid": "NoKept", "Effect": "Deny", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/kept"}
    arn = roles.role("reader", allow("s3:*", "sagemaker:List*"), deny)
    s3, sagemaker = roles.client(arn, "s3"), roles.client(arn, "sagemaker")
    with fort.untouched():
        assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] >= 1
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=BUCKET, Key="kept")
        said = refusal(caught)
        assert f"{arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/tester" in said
        assert "s3:GetObject" in said
        assert f"arn:aws:s3:::{BUCKET}/kept" in said
        assert "NoKept" in said
        sagemaker.list_models()  # which it allows
        with pytest.raises(ClientError) as caught:
            sagemaker.delete_model(ModelName="m")
        said = refusal(caught)
        assert "sagemaker:DeleteModel" in said
        assert f"arn:aws:sagemaker:us-east-1:{fort.account}:model/m" in said
        assert "no" in said.lower(), "no statement allows it"


def test_a_permission_is_for_its_resource(fort: Fort, roles: Roles) -> None:
    """One prefix may be written; everything beside, above and copied from elsewhere may not."""
    arn = roles.role("writer", allow("s3:PutObject", "s3:GetObject", resource=f"arn:aws:s3:::{BUCKET}/mine/*"))
    s3 = roles.client(arn, "s3")
    s3.put_object(Bucket=BUCKET, Key="mine/a", Body=b"x")
    with fort.untouched():
        for call in (
            lambda: s3.put_object(Bucket=BUCKET, Key="mine", Body=b"x"), lambda: s3.put_object(Bucket=BUCKET, Key="mines/a", Body=b"x"),
            lambda: s3.put_object(Bucket=BUCKET, Key="kept", Body=b"x"), lambda: s3.get_object(Bucket=BUCKET, Key="kept"),
            lambda: s3.copy_object(Bucket=BUCKET, Key="mine/b", CopySource=f"{BUCKET}/kept"),
            lambda: s3.copy_object(Bucket=BUCKET, Key="kept", CopySource=f"{BUCKET}/mine/a"),
            lambda: s3.list_objects_v2(Bucket=BUCKET), lambda: s3.delete_object(Bucket=BUCKET, Key="mine/a"),
            lambda: s3.create_multipart_upload(Bucket=BUCKET, Key="other"), lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
            lambda: s3.delete_bucket(Bucket=BUCKET), lambda: s3.create_bucket(Bucket="another-bucket"),
        ):
            with pytest.raises(ClientError) as caught:
                call()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, caught.value
    upload = fort.client("s3").create_multipart_upload(Bucket=BUCKET, Key="mine/big")["UploadId"]
    with fort.untouched(), pytest.raises(ClientError) as caught:
        s3.upload_part_copy(Bucket=BUCKET, Key="mine/big", UploadId=upload, PartNumber=1, CopySource=f"{BUCKET}/kept")
    refusal(caught)
    fort.client("s3").abort_multipart_upload(Bucket=BUCKET, Key="mine/big", UploadId=upload)
    fort.client("s3").delete_object(Bucket=BUCKET, Key="mine/a")


def test_deletes_of_many_need_each_permission(fort: Fort, roles: Roles) -> None:
    arn = roles.role("deleter", allow("s3:DeleteObject", resource=f"arn:aws:s3:::{BUCKET}/mine/*"))
    s3 = roles.client(arn, "s3")
    fort.client("s3").put_object(Bucket=BUCKET, Key="mine/x", Body=b"x")
    with fort.untouched(), pytest.raises(ClientError) as caught:
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "kept"}, {"Key": "mine/x"}]})
    assert f"{BUCKET}/kept" in refusal(caught)
    assert s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "mine/x"}]})["Deleted"] == [{"Key": "mine/x"}]
    assert fort.client("s3").get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"kept"


CREATES: dict[str, Any] = {
    "create_training_job": lambda fort, role: {
        "TrainingJobName": "passed", "RoleArn": role, "AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/o"}, "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
    "create_processing_job": lambda fort, role: {
        "ProcessingJobName": "passed", "RoleArn": role, "AppSpecification": {"ImageUri": "x"},
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}}},
    "create_model": lambda fort, role: {
        "ModelName": "passed", "ExecutionRoleArn": role, "PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/python:3"}},
}


@pytest.mark.parametrize("create", CREATES)
def test_roles_are_passed_only_by_those_who_may(fort: Fort, roles: Roles, create: str) -> None:
    suffix = create.replace("_", "-")
    strong = roles.role(f"strong-{suffix}", allow("*"))
    arn = roles.role(f"starter-{suffix}", allow("sagemaker:*"))
    starter = roles.client(arn, "sagemaker")
    with fort.untouched():
        with pytest.raises(ClientError) as caught:
            getattr(starter, create)(**CREATES[create](fort, strong))
        said = refusal(caught)
        assert "iam:PassRole" in said
        assert strong in said
    elsewhere = roles.role(f"elsewhere-{suffix}", allow("sagemaker:*"), {
        **allow("iam:PassRole"), "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}})
    other = roles.client(elsewhere, "sagemaker")
    with fort.untouched(), pytest.raises(ClientError) as caught:
        getattr(other, create)(**CREATES[create](fort, strong))
    assert "iam:PassRole" in refusal(caught)


def test_a_role_that_does_not_trust_the_service_is_not_assumed(fort: Fort, roles: Roles) -> None:
    closed = roles.role("closed", allow("*"), service=False)
    with fort.untouched():
        for role in (closed, f"arn:aws:iam::{fort.account}:role/none", "arn:aws:iam::999999999999:role/closed"):
            with pytest.raises(ClientError) as caught:
                fort.client("sagemaker").create_training_job(**CREATES["create_training_job"](fort, role))
            assert "Could not assume role" in str(caught.value)


def test_expected_bucket_owner(fort: Fort) -> None:
    s3 = fort.client("s3")
    assert s3.head_object(Bucket=BUCKET, Key="kept", ExpectedBucketOwner=fort.account)
    with fort.untouched():
        for call in (
            lambda: s3.put_object(Bucket=BUCKET, Key="kept", Body=b"x", ExpectedBucketOwner="999999999999"),
            lambda: s3.delete_object(Bucket=BUCKET, Key="kept", ExpectedBucketOwner="999999999999"),
            lambda: s3.get_object(Bucket=BUCKET, Key="kept", ExpectedBucketOwner="999999999999"),
            lambda: s3.head_bucket(Bucket=BUCKET, ExpectedBucketOwner="999999999999"),
            lambda: s3.copy_object(Bucket=BUCKET, Key="c", CopySource=f"{BUCKET}/kept", ExpectedSourceBucketOwner="999999999999"),
            lambda: s3.create_multipart_upload(Bucket=BUCKET, Key="c", ExpectedBucketOwner="999999999999"),
        ):
            with pytest.raises(ClientError) as caught:
                call()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_rights_that_are_taken_away_are_gone_at_once(fort: Fort, roles: Roles) -> None:
    arn = roles.role("former", allow("s3:GetObject"))
    s3 = roles.client(arn, "s3")
    assert s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"kept"
    roles.iam.delete_role_policy(RoleName="former", PolicyName="inline")
    with fort.untouched(), pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="kept")
    refusal(caught)


def test_a_session_is_never_more_than_its_role(fort: Fort, roles: Roles) -> None:
    """Nobody raises himself: not by assuming, not by writing policies, not by making keys."""
    low = roles.role("low", allow("s3:GetObject", resource=f"arn:aws:s3:::{BUCKET}/mine/*"))
    high = roles.role("high", allow("*"), service=True)
    roles.iam.update_assume_role_policy(RoleName="high", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{fort.account}:role/nobody"}, "Action": "sts:AssumeRole"}]}))
    sts, iam = roles.client(low, "sts"), roles.client(low, "iam")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow("*")]})
    with fort.untouched():
        for call in (
            lambda: sts.assume_role(RoleArn=high, RoleSessionName="up"),
            lambda: iam.put_role_policy(RoleName="low", PolicyName="up", PolicyDocument=policy),
            lambda: iam.create_user(UserName="up"), lambda: iam.attach_role_policy(RoleName="low", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
            lambda: iam.update_assume_role_policy(RoleName="high", PolicyDocument=policy),
        ):
            with pytest.raises(ClientError) as caught:
                call()
            refusal(caught)

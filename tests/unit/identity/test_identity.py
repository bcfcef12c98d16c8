"""Users, roles, policies, sessions: through the operations, over real records."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from sagewright.slices.identity.vault import Vault, root_keys
from sagewright.wire.errors import AccessDenied, DomainError, Invalid, ServiceError

from .conftest import ACCOUNT, Clock, House, house
from .test_policy import allow, deny, doc

EXECUTION = f"arn:aws:iam::{ACCOUNT}:role/SagewrightExecutionRole"
S3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def trust(**principal: Any) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}
    )


SERVICE = trust(Service="sagemaker.amazonaws.com")


async def fails(code: str, *args: Any, **params: Any) -> str:
    iam, *rest = args
    with pytest.raises(ServiceError) as caught:
        await iam(*rest, **params)
    assert caught.value.code == code
    return caught.value.message


async def user_with(iam: House, *statements: dict[str, Any], name: str = "ann") -> Any:
    """The principal of a new user with one inline policy."""
    await iam("iam", "CreateUser", UserName=name)
    if statements:
        await iam("iam", "PutUserPolicy", UserName=name, PolicyName="own", PolicyDocument=doc(*statements))
    key = (await iam("iam", "CreateAccessKey", UserName=name))["AccessKey"]
    return iam.principal(key["AccessKeyId"])


# -- keys and secrets


async def test_the_operators_keys_last_and_are_private(iam: House) -> None:
    data = iam.settings.data
    keys = json.loads((data / "credentials.json").read_text())
    assert len(keys["access_key"]) == 20
    assert keys["access_key"].startswith("AKIA")
    assert len(keys["secret_key"]) == 40
    for name in ("credentials.json", "secrets.key"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600
    found = iam.local.secret(keys["access_key"])
    assert found is not None
    assert found[:2] == (keys["secret_key"], None)
    assert root_keys(data).secret_key == keys["secret_key"]
    assert not [p.name for p in data.iterdir() if p.name.startswith(".")]


def test_a_damaged_key_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{}")
    with pytest.raises(DomainError, match=r"credentials\.json holds no operator keys"):
        root_keys(tmp_path)


def test_sealed_secrets_open_for_their_owner_only(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    sealed = vault.seal("secret", "AKIA1")
    assert "secret" not in sealed
    assert Vault(tmp_path).open(sealed, "AKIA1") == "secret"
    assert vault.open(sealed, "AKIA2") is None


async def test_secrets_are_not_in_the_records(iam: House) -> None:
    await iam("iam", "CreateUser", UserName="ann")
    secret = (await iam("iam", "CreateAccessKey", UserName="ann"))["AccessKey"]["SecretAccessKey"]
    session = (await iam("sts", "GetSessionToken"))["Credentials"]
    stored = b"".join(p.read_bytes() for p in iam.settings.data.glob("records.db*"))
    for text in (secret, session["SecretAccessKey"], session["SessionToken"]):
        assert text.encode() not in stored


async def test_caller_identity_is_the_execution_roles(iam: House) -> None:
    who = await iam("sts", "GetCallerIdentity")
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/SagewrightExecutionRole/operator"
    role = (await iam("iam", "GetRole", RoleName="SagewrightExecutionRole"))["Role"]
    assert role["Arn"] == EXECUTION
    assert who["UserId"] == f"{role['RoleId']}:operator"
    assert "sagemaker.amazonaws.com" in unquote(role["AssumeRolePolicyDocument"])
    assert "{" not in role["AssumeRolePolicyDocument"]


# -- users, groups, roles


async def test_a_user_and_its_keys(iam: House, clock: Clock) -> None:
    made = (await iam("iam", "CreateUser", UserName="Ann", Path="/team/", Tags=[{"Key": "a", "Value": "b"}]))["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/Ann"
    assert await fails("EntityAlreadyExists", iam, "iam", "CreateUser", UserName="ann") == "User with name ann already exists."
    key = (await iam("iam", "CreateAccessKey", UserName="ann"))["AccessKey"]
    listed = (await iam("iam", "ListAccessKeys", UserName="Ann"))["AccessKeyMetadata"]
    assert listed[0]["AccessKeyId"] == key["AccessKeyId"]
    assert "SecretAccessKey" not in listed[0]
    principal = iam.principal(key["AccessKeyId"])
    assert (await iam("sts", "GetCallerIdentity", principal))["Arn"] == made["Arn"]
    await iam("iam", "CreateAccessKey", UserName="Ann")
    await fails("LimitExceeded", iam, "iam", "CreateAccessKey", UserName="Ann")
    await iam("iam", "UpdateAccessKey", UserName="Ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert iam.local.secret(key["AccessKeyId"]) is None
    await iam("iam", "UpdateAccessKey", UserName="Ann", AccessKeyId=key["AccessKeyId"], Status="Active")
    assert iam.local.secret(key["AccessKeyId"]) is not None
    await fails("DeleteConflict", iam, "iam", "DeleteUser", UserName="Ann")
    for k in (await iam("iam", "ListAccessKeys", UserName="Ann"))["AccessKeyMetadata"]:
        await iam("iam", "DeleteAccessKey", UserName="Ann", AccessKeyId=k["AccessKeyId"])
    assert iam.local.secret(key["AccessKeyId"]) is None
    await iam("iam", "DeleteUser", UserName="Ann")
    assert "cannot be found" in await fails("NoSuchEntity", iam, "iam", "GetUser", UserName="Ann")


async def test_a_role(iam: House) -> None:
    await fails("MalformedPolicyDocument", iam, "iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=doc(allow("s3:*")))
    await iam("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=SERVICE, Description="d")
    await iam("iam", "UpdateRole", RoleName="r", MaxSessionDuration=7200)
    await iam("iam", "UpdateAssumeRolePolicy", RoleName="r", PolicyDocument=trust(AWS=ACCOUNT))
    await iam("iam", "TagRole", RoleName="r", Tags=[{"Key": "Team", "Value": "x"}])
    await iam("iam", "TagRole", RoleName="r", Tags=[{"Key": "team", "Value": "y"}])
    role = (await iam("iam", "GetRole", RoleName="r"))["Role"]
    assert (role["MaxSessionDuration"], role["Description"]) == (7200, "d")
    assert json.loads(unquote(role["AssumeRolePolicyDocument"]))["Statement"][0]["Principal"] == {"AWS": ACCOUNT}
    assert role["Tags"] == [{"Key": "team", "Value": "y"}]
    await iam("iam", "UntagRole", RoleName="r", TagKeys=["TEAM"])
    assert (await iam("iam", "ListRoleTags", RoleName="r"))["Tags"] == []
    await iam("iam", "AttachRolePolicy", RoleName="r", PolicyArn=S3)
    assert (await iam("iam", "ListAttachedRolePolicies", RoleName="r"))["AttachedPolicies"] == [
        {"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": S3}
    ]
    assert "detach" in await fails("DeleteConflict", iam, "iam", "DeleteRole", RoleName="r")
    await iam("iam", "DetachRolePolicy", RoleName="r", PolicyArn=S3)
    await fails("NoSuchEntity", iam, "iam", "DetachRolePolicy", RoleName="r", PolicyArn=S3)
    await iam("iam", "DeleteRole", RoleName="r")
    await fails("UnmodifiableEntity", iam, "iam", "DeleteRole", RoleName="SagewrightExecutionRole")


async def test_lists_page_in_order_and_refuse_foreign_markers(iam: House) -> None:
    for i in range(5):
        await iam("iam", "CreateUser", UserName=f"u{i}", Path="/p/" if i % 2 else "/")
    names, marker = [], {}
    while True:
        page = await iam("iam", "ListUsers", MaxItems=2, **marker)
        names += [u["UserName"] for u in page["Users"]]
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert names == [f"u{i}" for i in range(5)]
    assert [u["UserName"] for u in (await iam("iam", "ListUsers", PathPrefix="/p/"))["Users"]] == ["u1", "u3"]
    await fails("ValidationError", iam, "iam", "ListRoles", **marker)
    await fails("ValidationError", iam, "iam", "ListUsers", Marker="nonsense")


async def test_groups_give_their_policies(iam: House) -> None:
    ann = await user_with(iam)
    await iam("iam", "CreateGroup", GroupName="readers")
    await iam("iam", "PutGroupPolicy", GroupName="readers", PolicyName="r", PolicyDocument=doc(allow("s3:Get*")))
    with pytest.raises(AccessDenied):
        iam.local.authorize(ann, "s3:GetObject", "arn:aws:s3:::b/k", {})
    await iam("iam", "AddUserToGroup", GroupName="readers", UserName="ann")
    iam.local.authorize(ann, "s3:GetObject", "arn:aws:s3:::b/k", {})
    assert [u["UserName"] for u in (await iam("iam", "GetGroup", GroupName="readers"))["Users"]] == ["ann"]
    assert (await iam("iam", "ListGroupsForUser", UserName="ann"))["Groups"][0]["GroupName"] == "readers"
    await fails("DeleteConflict", iam, "iam", "DeleteGroup", GroupName="readers")
    await iam("iam", "RemoveUserFromGroup", GroupName="readers", UserName="ann")
    with pytest.raises(AccessDenied):
        iam.local.authorize(ann, "s3:GetObject", "arn:aws:s3:::b/k", {})


# -- policies


async def test_managed_policies_and_versions(iam: House) -> None:
    ann = await user_with(iam)
    arn = (await iam("iam", "CreatePolicy", PolicyName="p", PolicyDocument=doc(allow("s3:Get*"))))["Policy"]["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/p"
    await fails("EntityAlreadyExists", iam, "iam", "CreatePolicy", PolicyName="p", PolicyDocument=doc(allow("s3:Get*")))
    await iam("iam", "AttachUserPolicy", UserName="ann", PolicyArn=arn)
    iam.local.authorize(ann, "s3:GetObject", "*", {})
    made = await iam("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=doc(deny("s3:*")))
    assert made["PolicyVersion"] == {**made["PolicyVersion"], "VersionId": "v2", "IsDefaultVersion": False}
    iam.local.authorize(ann, "s3:GetObject", "*", {})
    await iam("iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v2")
    with pytest.raises(AccessDenied, match=r"explicit deny .*policy p, statement 0"):
        iam.local.authorize(ann, "s3:GetObject", "*", {})
    await fails("DeleteConflict", iam, "iam", "DeletePolicyVersion", PolicyArn=arn, VersionId="v2")
    await iam("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId="v1")
    for _ in range(4):
        await iam("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=doc(allow("s3:*")), SetAsDefault=True)
    await fails("LimitExceeded", iam, "iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=doc(allow("s3:*")))
    versions = (await iam("iam", "ListPolicyVersions", PolicyArn=arn))["Versions"]
    assert [v["VersionId"] for v in versions] == ["v6", "v5", "v4", "v3", "v2"]
    found = (await iam("iam", "GetPolicyVersion", PolicyArn=arn, VersionId="v6"))["PolicyVersion"]
    assert json.loads(unquote(found["Document"]))["Statement"][0]["Action"] == "s3:*"
    assert (await iam("iam", "ListEntitiesForPolicy", PolicyArn=arn))["PolicyUsers"][0]["UserName"] == "ann"
    await fails("DeleteConflict", iam, "iam", "DeletePolicy", PolicyArn=arn)


async def test_policies_that_come_with_the_server(iam: House) -> None:
    names = {p["PolicyName"] for p in (await iam("iam", "ListPolicies", Scope="AWS"))["Policies"]}
    assert {"AmazonSageMakerFullAccess", "AmazonS3FullAccess", "AdministratorAccess"} <= names
    assert (await iam("iam", "GetPolicy", PolicyArn=S3))["Policy"]["DefaultVersionId"] == "v1"
    assert (await iam("iam", "GetPolicyVersion", PolicyArn=S3, VersionId="v1"))["PolicyVersion"]["IsDefaultVersion"]
    attached = (await iam("iam", "ListPolicies", OnlyAttached=True))["Policies"]
    assert [p["PolicyName"] for p in attached] == ["AmazonSageMakerFullAccess"]
    with pytest.raises(AccessDenied):
        await iam("iam", "DeletePolicy", PolicyArn=S3)
    await fails("NoSuchEntity", iam, "iam", "GetPolicy", PolicyArn=S3 + "x")


async def test_boundaries(iam: House) -> None:
    ann = await user_with(iam, allow("*"))
    iam.local.authorize(ann, "s3:PutObject", "*", {})
    await iam("iam", "PutUserPermissionsBoundary", UserName="ann", PermissionsBoundary=S3)
    with pytest.raises(AccessDenied, match="no permissions boundary allows"):
        iam.local.authorize(ann, "s3:PutObject", "*", {})
    iam.local.authorize(ann, "s3:GetObject", "*", {})
    await iam("iam", "DeleteUserPermissionsBoundary", UserName="ann")
    iam.local.authorize(ann, "s3:PutObject", "*", {})


async def test_inline_policies_are_limited_in_size(iam: House) -> None:
    await user_with(iam)
    big = doc(allow([f"s3:Get{'x' * 100}{i}" for i in range(30)]))
    await fails("LimitExceeded", iam, "iam", "PutUserPolicy", UserName="ann", PolicyName="big", PolicyDocument=big)
    assert (await iam("iam", "ListUserPolicies", UserName="ann"))["PolicyNames"] == []
    await fails("NoSuchEntity", iam, "iam", "GetUserPolicy", UserName="ann", PolicyName="big")


async def test_changes_made_at_once_are_all_kept(iam: House) -> None:
    await user_with(iam)
    await asyncio.gather(
        *(iam("iam", "PutUserPolicy", UserName="ann", PolicyName=f"p{i}", PolicyDocument=doc(allow("s3:Get*"))) for i in range(4))
    )
    assert len((await iam("iam", "ListUserPolicies", UserName="ann"))["PolicyNames"]) == 4


# -- jobs


async def test_jobs_get_a_roles_keys(iam: House, clock: Clock) -> None:
    keys = await iam.local.role_credentials(EXECUTION, "my-job", 400 * 86400)
    assert keys.expires == clock.now + 400 * 86400, "what runs that long, such as an endpoint, needs them that long"
    found = iam.local.secret(keys.access_key)
    assert found is not None
    assert found[0] == keys.secret_key
    assert found[2].arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/SagewrightExecutionRole/my-job"
    iam.local.authorize(found[2], "s3:PutObject", "arn:aws:s3:::any/key", {})
    with pytest.raises(AccessDenied, match="iam:CreateUser"):
        iam.local.authorize(found[2], "iam:CreateUser", "*", {})
    await iam.local.revoke(keys.access_key)
    assert iam.local.secret(keys.access_key) is None
    await iam.local.revoke("ASIAUNKNOWN")


@pytest.mark.parametrize("arn", ["x", f"arn:aws:iam::{ACCOUNT}:role/none", "arn:aws:iam::999999999999:role/SagewrightExecutionRole"])
async def test_a_role_that_cannot_be_assumed(iam: House, arn: str) -> None:
    with pytest.raises(Invalid, match=r"Please ensure that the role exists and allows principal 'sagemaker\.amazonaws\.com'"):
        await iam.local.role_credentials(arn, "job", 60)
    with pytest.raises(Invalid):
        await iam.local.role_principal(arn, "job")


async def test_passing_roles(iam: House) -> None:
    """A job may hand on its execution role, but not a role of another purpose."""
    await iam("iam", "CreateRole", RoleName="admin", AssumeRolePolicyDocument=SERVICE)
    passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    assert await iam.local.allowed(EXECUTION, "iam:PassRole", EXECUTION, passed) == ""
    assert "iam:PassRole" in await iam.local.allowed(EXECUTION, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", passed)
    assert "iam:PassRole" in await iam.local.allowed(EXECUTION, "iam:PassRole", EXECUTION, {})


async def test_the_principals_own_keys_cannot_be_overridden(iam: House) -> None:
    ann = await user_with(iam, allow("s3:*", Condition={"StringEquals": {"aws:username": "bob"}}))
    with pytest.raises(AccessDenied):
        iam.local.authorize(ann, "s3:GetObject", "*", {"aws:username": "bob"})


async def test_expired_sessions_are_forgotten(iam: House, clock: Clock) -> None:
    for i in range(5):
        await iam.local.role_credentials(EXECUTION, f"job-{i}", 60)
    clock.now += 61
    await iam.local.role_credentials(EXECUTION, "next", 60)
    assert await iam.records.count("StsSession", None) == 1


# -- more than one life, more than one server


async def test_everything_survives_a_restart(iam: House, clock: Clock) -> None:
    ann = await user_with(iam, allow("s3:Get*"))
    keys = await iam.local.role_credentials(EXECUTION, "job", 600)
    await iam.records.close()
    again = await house(iam.settings.data, clock)
    again_ann = again.principal(ann.access_key)
    assert again_ann == ann
    again.local.authorize(again_ann, "s3:GetObject", "*", {})
    found = again.local.secret(keys.access_key)
    assert found is not None
    assert found[1] == keys.session_token
    assert again.local.operator.user_id == iam.local.operator.user_id
    await again.records.close()


async def test_two_servers_on_the_same_records(iam: House, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagewright.slices.identity.directory.STALENESS", 0.01)
    other = await house(iam.settings.data, clock, records="postgresql://shared")
    reloaded = asyncio.Event()
    other.local.directory.changed.append(reloaded.set)
    ann = await user_with(iam, allow("s3:Get*"))
    assert await other.local.lookup(ann.access_key) is not None or await asyncio.wait_for(reloaded.wait(), 5)
    keys = await iam.local.role_credentials(EXECUTION, "job", 600)
    assert other.local.secret(keys.access_key) is None
    assert await other.local.lookup(keys.access_key) is not None
    assert await other.local.lookup("AKIA" + "X" * 16) is None
    while other.local.directory.get("IamUser", "ann") is None or not other.local.directory.get("IamUser", "ann").doc["Policies"]:  # type: ignore[union-attr]
        reloaded.clear()
        await asyncio.wait_for(reloaded.wait(), 5)
    other.local.authorize(other.principal(ann.access_key), "s3:GetObject", "*", {})
    for close in other.closers:
        await close()
    await other.records.close()


# -- the simulator


async def test_simulate_principal(iam: House) -> None:
    """What SDK v3 asks before it trains: every action has to come back as exactly ``allowed``."""
    actions = [
        "sagemaker:CreateTrainingJob", "s3:GetObject", "logs:CreateLogGroup", "ecr:GetAuthorizationToken",
        "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterfacePermission", "sagemaker-mlflow:LogMetric",
        "bedrock:GetEvaluationJob", "cloudwatch:PutMetricData", "iam:GetRole",
    ]  # fmt: skip
    results = await iam("iam", "SimulatePrincipalPolicy", PolicySourceArn=EXECUTION, ActionNames=[*actions, "iam:CreateUser"])
    decisions = {r["EvalActionName"]: r["EvalDecision"] for r in results["EvaluationResults"]}
    assert decisions == {**dict.fromkeys(actions, "allowed"), "iam:CreateUser": "implicitDeny"}
    matched = results["EvaluationResults"][0]["MatchedStatements"]
    assert matched[0]["SourcePolicyId"] == "AmazonSageMakerFullAccess"
    assert matched[0]["SourcePolicyType"] == "aws-managed"
    await fails("NoSuchEntity", iam, "iam", "SimulatePrincipalPolicy", PolicySourceArn=EXECUTION + "x", ActionNames=actions)


async def test_simulate_custom(iam: House) -> None:
    policy = doc(allow("s3:*", Condition={"Bool": {"aws:SecureTransport": "true"}}), deny("s3:Delete*", Sid="no"))
    ask = {"PolicyInputList": [policy], "ActionNames": ["s3:GetObject", "s3:DeleteObject"], "ResourceArns": ["arn:aws:s3:::b/k"]}
    get, delete = (await iam("iam", "SimulateCustomPolicy", **ask))["EvaluationResults"]
    assert (get["EvalDecision"], get["MissingContextValues"]) == ("implicitDeny", ["aws:securetransport"])
    assert delete["EvalDecision"] == "explicitDeny"
    entry = {"ContextKeyName": "aws:SecureTransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]}
    get, _ = (await iam("iam", "SimulateCustomPolicy", **ask, ContextEntries=[entry]))["EvaluationResults"]
    assert get["EvalDecision"] == "allowed"
    bounded = await iam("iam", "SimulateCustomPolicy", **ask, ContextEntries=[entry],
                        PermissionsBoundaryPolicyInputList=[doc(allow("s3:Put*"))])  # fmt: skip
    get = bounded["EvaluationResults"][0]
    assert get["EvalDecision"] == "implicitDeny"
    assert get["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}

"""Roles that are assumed: who may, for how long, and what limits a session."""

from __future__ import annotations

import json

import pytest

from sagewright.wire.errors import AccessDenied

from .conftest import ACCOUNT, Clock, House
from .test_identity import EXECUTION, S3, fails, trust, user_with
from .test_policy import allow, deny, doc


async def test_assume_role(iam: House, clock: Clock) -> None:
    ann = await user_with(iam)
    for name, principal in {"named": {"AWS": ann.arn}, "account": {"AWS": ACCOUNT}, "service": {"Service": "x.amazonaws.com"}}.items():
        await iam("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust(**principal))
        await iam("iam", "AttachRolePolicy", RoleName=name, PolicyArn=S3)

    def role(name: str) -> dict[str, str]:
        return {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}", "RoleSessionName": "s1"}

    answer = await iam("sts", "AssumeRole", ann, **role("named"))
    keys = answer["Credentials"]
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/named/s1"
    secret, token, principal = iam.local.secret(keys["AccessKeyId"]) or ("", "", None)
    assert (secret, token) == (keys["SecretAccessKey"], keys["SessionToken"])
    assert principal is not None
    iam.local.authorize(principal, "s3:GetObject", "*", {})
    with pytest.raises(AccessDenied):
        iam.local.authorize(principal, "s3:PutObject", "*", {})
    # a trust in the account leaves it to the user's own policies
    with pytest.raises(AccessDenied):
        await iam("sts", "AssumeRole", ann, **role("account"))
    await iam("iam", "PutUserPolicy", UserName="ann", PolicyName="own", PolicyDocument=doc(allow("sts:AssumeRole")))
    await iam("sts", "AssumeRole", ann, **role("account"))
    for name in ("service", "missing"):
        with pytest.raises(AccessDenied, match=f"not authorized to perform: sts:AssumeRole on resource: .*role/{name}"):
            await iam("sts", "AssumeRole", ann, **role(name))
    await iam("iam", "PutUserPolicy", UserName="ann", PolicyName="own", PolicyDocument=doc(deny("sts:AssumeRole")))
    with pytest.raises(AccessDenied, match="explicit deny"):
        await iam("sts", "AssumeRole", ann, **role("named"))
    clock.now += 3601
    assert iam.local.secret(keys["AccessKeyId"]) is None


async def test_sessions_are_limited_in_time_and_by_their_policies(iam: House, clock: Clock) -> None:
    operator = {"RoleArn": EXECUTION, "RoleSessionName": "s1"}
    await fails("ValidationError", iam, "sts", "AssumeRole", **operator, DurationSeconds=43201)
    answer = await iam("sts", "AssumeRole", **operator, DurationSeconds=900, Policy=doc(allow("s3:GetObject")))
    narrow = iam.principal(answer["Credentials"]["AccessKeyId"])
    iam.local.authorize(narrow, "s3:GetObject", "*", {})
    with pytest.raises(AccessDenied, match="no session policy allows"):
        iam.local.authorize(narrow, "s3:PutObject", "*", {})
    assert answer["PackedPolicySize"] >= 1
    answer = await iam("sts", "AssumeRole", **operator, PolicyArns=[{"arn": S3}])
    with pytest.raises(AccessDenied):
        iam.local.authorize(iam.principal(answer["Credentials"]["AccessKeyId"]), "s3:PutObject", "*", {})
    with pytest.raises(AccessDenied, match="session credentials"):
        await iam("sts", "GetSessionToken", narrow)
    clock.now += 901
    assert iam.local.secret(answer["Credentials"]["AccessKeyId"]) is not None
    assert iam.local.secret(narrow.access_key) is None


async def test_a_narrowed_session_stays_narrow_whoever_trusts_its_role(iam: House) -> None:
    await iam("iam", "CreateRole", RoleName="first", AssumeRolePolicyDocument=trust(AWS=ACCOUNT))
    await iam("iam", "PutRolePolicy", RoleName="first", PolicyName="p", PolicyDocument=doc(allow("*")))
    first = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/first", "RoleSessionName": "s1"}
    narrow = iam.principal((await iam("sts", "AssumeRole", **first, Policy=doc(allow("s3:GetObject"))))["Credentials"]["AccessKeyId"])
    wide = iam.principal((await iam("sts", "AssumeRole", **first))["Credentials"]["AccessKeyId"])
    for name, trusted in {"role": first["RoleArn"], "everybody": "*", "session": narrow.arn}.items():
        await iam("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=trust(AWS=trusted))
        second = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}", "RoleSessionName": "s2"}
        assert await iam("sts", "AssumeRole", wide, **second)
        if name == "session":  # as in AWS, a session that is named itself needs nothing else
            assert await iam("sts", "AssumeRole", narrow, **second)
        else:
            with pytest.raises(AccessDenied):
                await iam("sts", "AssumeRole", narrow, **second)


async def test_external_id(iam: House) -> None:
    guarded = json.loads(trust(AWS="*"))
    guarded["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "42"}}
    await iam("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=json.dumps(guarded))
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "RoleSessionName": "s1"}
    with pytest.raises(AccessDenied):
        await iam("sts", "AssumeRole", **role)
    assert await iam("sts", "AssumeRole", **role, ExternalId="42")


async def test_a_session_dies_with_its_role(iam: House) -> None:
    await iam("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=trust(AWS=ACCOUNT))
    await iam("iam", "PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=doc(allow("*")))
    keys = (await iam("sts", "AssumeRole", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r", RoleSessionName="s1"))["Credentials"]
    session = iam.principal(keys["AccessKeyId"])
    iam.local.authorize(session, "s3:PutObject", "*", {})
    await iam("iam", "DeleteRolePolicy", RoleName="r", PolicyName="p")
    await iam("iam", "DeleteRole", RoleName="r")
    with pytest.raises(AccessDenied):
        iam.local.authorize(session, "s3:PutObject", "*", {})
    # nor does it come to life with another role of that name
    await iam("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=trust(AWS=ACCOUNT))
    await iam("iam", "PutRolePolicy", RoleName="r", PolicyName="p", PolicyDocument=doc(allow("*")))
    with pytest.raises(AccessDenied):
        iam.local.authorize(session, "s3:PutObject", "*", {})

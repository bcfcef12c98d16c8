"""As whom the owner of a new server works in a browser: a role of its own, which may read who may what, and which no job can be given.

The profile's execution role stays what its jobs and notebooks run with. The role trusts Studio's sign-in alone, so neither a
job nor ``AssumeRole`` gets its keys; and a link that opens a session with it is made only for those who may pass it to that sign-in.
"""

from __future__ import annotations

import json
from typing import Any

from ...resources.platform import Platform
from ...stores.identity import JOBS, SCHEDULER, STUDIO
from ...stores.records import Record
from ...wire.errors import DomainError, ServiceError
from ...wire.types import Call, Principal
from .lifecycle import DOMAIN, PROFILE
from .settings import effective

KIND, KEY = "StudioDefaults", "made"
"""The record of what a first start has made."""
OWNER, ROLE = "owner", "SagewrightOwner"
POLICIES = ("AmazonSageMakerFullAccess", "IAMReadOnlyAccess")


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


TRUST = _policy({"Effect": "Allow", "Principal": {"Service": STUDIO}, "Action": "sts:AssumeRole"})
RIGHTS = _policy(
    {"Sid": "ReadAuditTrail", "Effect": "Allow", "Action": "cloudtrail:LookupEvents", "Resource": "*"},
    {"Sid": "PassRolesToJobs", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
     "Condition": {"StringEquals": {"iam:PassedToService": [JOBS, SCHEDULER]}}},
)  # fmt: skip


class Owner:
    """The owner's role on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def role(self, profile: Record) -> str:
        """ARN of the role that browsers of this profile work with; empty where that is its execution role."""
        made = await self.platform.records.get(KIND, profile.scope, KEY)
        about = made.doc.get("Owner") if made else None
        # one that was deleted and made anew is somebody else
        if not about or (about["Profile"], about["Uid"]) != (profile.key, profile.doc["HomeEfsFileSystemUid"]):
            return ""
        return str(about["RoleArn"]) if await self._trusted(about["RoleArn"]) else ""

    def check(self, call: Call, role: str) -> None:
        """The caller may open sessions with the role. Raises AccessDenied."""
        if role and self.platform.authority:
            self.platform.authority.authorize(call.principal, "iam:PassRole", role, {"iam:PassedToService": STUDIO})

    async def enrol(self, scope: str, domain: str, operator: Principal) -> dict[str, str] | None:
        """Make the role, and say for whom; None where the profile is gone or was given a role by somebody."""
        records, default = self.platform.records, _arn(scope, operator.name)
        place = await records.get(DOMAIN, scope, domain.lower())
        profile = await records.get(PROFILE, scope, f"{domain}/{OWNER}".lower())
        if place is None or profile is None or effective(place.doc, profile.doc, None)["ExecutionRole"] != default:
            return None
        call, role = self.platform.api.call, _arn(scope, ROLE)
        about = {"RoleName": ROLE, "AssumeRolePolicyDocument": TRUST, "Description": "As whom the owner works in Studio; jobs cannot be given it"}
        try:
            await call("iam", "CreateRole", about, operator)
        except ServiceError as error:
            if error.code != "EntityAlreadyExists":  # a start that was killed, or another server's, got so far
                raise
        if not await self._trusted(role):
            return None  # a role of that name was somebody's before
        for name in POLICIES:
            await call("iam", "AttachRolePolicy", {"RoleName": ROLE, "PolicyArn": f"arn:aws:iam::aws:policy/{name}"}, operator)
        await call("iam", "PutRolePolicy", {"RoleName": ROLE, "PolicyName": "OwnPlatform", "PolicyDocument": RIGHTS}, operator)
        return {"Profile": profile.key, "Uid": profile.doc["HomeEfsFileSystemUid"], "RoleArn": role}

    async def _trusted(self, role: str) -> bool:
        """Whether the role is there and lets Studio's sign-in act as it; the operator may have deleted it."""
        if self.platform.identity is None:
            return False
        try:
            await self.platform.identity.role_principal(role, OWNER, STUDIO)
        except DomainError:
            return False
        return True


def _arn(scope: str, name: str) -> str:
    return f"arn:aws:iam::{scope.partition('/')[0]}:role/{name}"

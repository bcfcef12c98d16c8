"""STS: who am I, act as a role, temporary keys."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...stores.records import Record
from ...wire.errors import AccessDenied, ServiceError
from ...wire.types import Call, Principal
from .common import Base
from .conditions import context_of
from .directory import KEY, ROLE, SESSION
from .policy import Request, parse

CHAINED = 3600
"""Seconds; the most a session may last that was assumed by a role's session."""
MAX_SESSION_POLICY = 2048


class Sts(Base):
    def install(self, platform: Platform) -> None:
        bind = platform.operations.bind
        bind("sts", "GetCallerIdentity", self.who)
        bind("sts", "AssumeRole", self.assume, resources=lambda call: [call.params["RoleArn"]])
        bind("sts", "GetSessionToken", self.session_token)
        bind("sts", "GetAccessKeyInfo", self.key_info)

    async def who(self, call: Call) -> dict[str, Any]:
        principal = call.principal
        return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}

    async def assume(self, call: Call) -> dict[str, Any]:
        params, caller = call.params, call.principal
        arn = params["RoleArn"]
        role = self.authority.find_role(arn)
        if role is None or not self._may(call, role):
            # One answer for both, as AWS gives it: whether a role exists is not everybody's to know.
            raise AccessDenied(f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}")
        seconds = params.get("DurationSeconds", min(3600, role.doc["MaxSessionDuration"]))
        if seconds > role.doc["MaxSessionDuration"]:
            raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        if caller.kind == "role" and seconds > CHAINED:
            raise _invalid(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            )
        policies = self._session_policies(params)
        principal = self.authority.session(role, params["RoleSessionName"], policies)
        credentials = await self._credentials(principal, seconds)
        answer: dict[str, Any] = {
            "Credentials": credentials,
            "AssumedRoleUser": {"AssumedRoleId": principal.user_id, "Arn": principal.arn},
        }
        if policies:
            answer["PackedPolicySize"] = max(1, min(100, 100 * sum(map(len, policies)) // MAX_SESSION_POLICY))
        if source := params.get("SourceIdentity"):
            answer["SourceIdentity"] = source
        return answer

    def _may(self, call: Call, role: Record) -> bool:
        """A trust that names the caller is enough; one that names its account needs the caller's own policies too."""
        caller, params, arn = call.principal, call.params, role.doc["Arn"]
        grants, tags = self.authority.grants(caller)
        given: dict[str, Any] = {"aws:RequestedRegion": call.region, "sts:RoleSessionName": params["RoleSessionName"]}
        if call.source_ip:
            given["aws:SourceIp"] = call.source_ip
        if "ExternalId" in params:
            given["sts:ExternalId"] = params["ExternalId"]
        if "SourceIdentity" in params:
            given["sts:SourceIdentity"] = params["SourceIdentity"]
        requested = params.get("Tags", [])
        given |= {f"aws:RequestTag/{t['Key']}": t["Value"] for t in requested}
        if requested:
            given["aws:TagKeys"] = tuple(t["Key"] for t in requested)
        context = {**self.authority.context(caller, tags, {}), **context_of(given)}
        own = {caller.arn, *context.get("aws:principalarn", ())}
        everybody = {f"arn:aws:iam::{caller.account}:root"}

        def trusted(names: set[str]) -> str:
            asked = Request("sts:AssumeRole", arn, context, {"AWS": frozenset(names)})
            return self.authority.trusts(role, asked).decision

        if trusted(own | everybody) != "allowed":
            return False
        if caller.kind == "root":
            return True
        asked = Request("sts:AssumeRole", arn, context)
        verdict = grants.decide(asked).decision
        if verdict != "implicitDeny":
            return verdict == "allowed"
        # A trust that names a role, or everybody, stands in for the caller's policies, not for what limits the role and its
        # session; one that names the user or the very session stands in for those, too.
        named = trusted({caller.arn}) == "allowed" != trusted(set())
        return named or (trusted(own) == "allowed" and grants.within(asked))

    def _session_policies(self, params: dict[str, Any]) -> tuple[str, ...]:
        texts = []
        if text := params.get("Policy"):
            parse(text)
            texts.append(text)
        if sum(map(len, texts)) > MAX_SESSION_POLICY:
            raise ServiceError(
                "PackedPolicyTooLarge", f"A session policy holds at most {MAX_SESSION_POLICY} characters.", 400
            )
        for item in params.get("PolicyArns", []):
            found = self.directory.policy_text(item.get("arn", ""))
            if found is None:
                raise _invalid(f"Policy {item.get('arn', '')} does not exist.")
            texts.append(found)
        return tuple(texts)

    async def _credentials(self, principal: Principal, seconds: float) -> dict[str, Any]:
        access_key, secret, token, expires = await self.directory.new_session(principal, seconds)
        return {"AccessKeyId": access_key, "SecretAccessKey": secret, "SessionToken": token, "Expiration": expires}

    async def session_token(self, call: Call) -> dict[str, Any]:
        caller = call.principal
        if caller.kind not in {"user", "root"} or caller.access_key.startswith("ASIA"):
            raise AccessDenied("Cannot call GetSessionToken with session credentials")
        longest = 3600 if caller.kind == "root" else 129600
        seconds = min(call.params.get("DurationSeconds", 43200), longest)
        return {"Credentials": await self._credentials(caller, seconds)}

    async def key_info(self, call: Call) -> dict[str, Any]:
        access_key = call.params["AccessKeyId"]
        if self.authority.secret(access_key) is None and not await self._known(access_key):
            raise _invalid(f"Access key {access_key} is not known here.")
        return {"Account": self.account}

    async def _known(self, access_key: str) -> bool:
        for kind in (KEY, SESSION):
            if await self.directory.records.get(kind, self.directory.scope, access_key):
                return True
        return False


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationError", message, 400)


__all__ = ["ROLE", "Sts"]

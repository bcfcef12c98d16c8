"""Who owns a key, what a principal may do, and temporary keys of roles for jobs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ...stores.identity import Credentials
from ...stores.records import Conflict, Record
from ...wire.errors import AccessDenied, Invalid
from ...wire.types import ConditionKeys, Principal
from .conditions import Context, context_of
from .directory import FOREVER, GROUP, ROLE, USER, Directory, Live
from .evaluate import Grants, Named, Verdict, decide, sentence
from .managed import DEFAULT_ROLE, EXECUTION_POLICY, SERVICE, default_trust
from .policy import Request, parse
from .vault import RootKeys, new_id

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:[!-~]*/)?([\w+=,.@-]{1,64})")
# What anybody with valid keys may do: these say only who one is, or are decided by the role's own trust policy.
_FREE = frozenset({"sts:getcalleridentity", "sts:getsessiontoken"})
_DECIDED_BY_TRUST = "sts:assumerole"
TASKS = "task:"
"""Stands for the role of task credentials; no role can have this name. Their policy is all that they have."""


@lru_cache(maxsize=1024)
def _lets_service_in(trust: str, role_arn: str, account: str, service: str) -> bool:
    """Whether a trust policy lets a service assume the role. Every create asks, and the text alone decides."""
    asked = Request("sts:AssumeRole", role_arn, context_of({"aws:SourceAccount": account}), {"Service": frozenset({service})})
    return decide([Named("trust policy", parse(trust, "trust"))], asked).allowed


class LocalAuthority:
    """The wire's ``Authority`` and the slices' ``Identity``, over one ``Directory``."""

    def __init__(
        self, directory: Directory, root: RootKeys, account: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.directory, self.account, self._clock, self._root = directory, account, clock, root
        self._grants: dict[tuple[str, str, str], tuple[Grants, dict[str, str]] | None] = {}
        self._operator: Live | None = None
        self.changed = directory.changed
        self.changed.append(self._grants.clear)

    async def start(self) -> None:
        """Load identities and make sure that the default execution role exists."""
        await self.directory.load()
        await self.directory.load_sessions()
        role = self.directory.get(ROLE, DEFAULT_ROLE)
        if role is None:
            doc = {
                "Path": "/",
                "RoleName": DEFAULT_ROLE,
                "RoleId": new_id("AROA", 21),
                "Arn": f"arn:aws:iam::{self.account}:role/{DEFAULT_ROLE}",
                "CreateDate": self._clock(),
                "AssumeRolePolicyDocument": default_trust(self.account),
                "Description": "The role that jobs run with when nothing narrower is made",
                "MaxSessionDuration": 43200,
                "Tags": [],
                "Policies": {},
                "Attached": [EXECUTION_POLICY],
            }
            try:
                role = await self.directory.create(ROLE, DEFAULT_ROLE, doc, DEFAULT_ROLE)
            except Conflict:  # another server on the same records was first
                await self.directory.load()
                role = self.directory.get(ROLE, DEFAULT_ROLE)
        assert role is not None
        # Both SageMaker SDKs derive the execution role from an assumed-role identity and refuse a user or root ARN.
        principal = Principal(
            arn=f"arn:aws:sts::{self.account}:assumed-role/{DEFAULT_ROLE}/operator",
            account=self.account,
            kind="root",
            user_id=f"{role.doc['RoleId']}:operator",
            access_key=self._root.access_key,
            name=DEFAULT_ROLE,
        )
        self._operator = Live((self._root.secret_key, None, principal), FOREVER)
        await self.directory.watch()

    @property
    def operator(self) -> Principal:
        """The principal of the operator's keys. RuntimeError before ``start``."""
        if self._operator is None:
            raise RuntimeError("identity has not started")
        return self._operator.answer[2]

    # -- Authority

    def secret(self, access_key: str) -> tuple[str, str | None, Principal] | None:
        if access_key == self._root.access_key and self._operator:
            return self._operator.answer
        live = self.directory.live(access_key)
        return live.answer if live is not None and live.expires > self._clock() else None

    async def lookup(self, access_key: str) -> tuple[str, str | None, Principal] | None:
        """``secret``, but looks into the records too: for a key that another server has just made."""
        if self.directory.live(access_key) is None:
            await self.directory.lookup(access_key)
        return self.secret(access_key)

    def authorize(self, principal: Principal, action: str, resource: str, context: ConditionKeys) -> None:
        if principal.kind in {"root", "service"} or action.lower() in _FREE:
            return
        verdict, request = self._decide(principal, action, resource, context)
        if action.lower() == _DECIDED_BY_TRUST and verdict.decision != "explicitDeny":
            return
        if text := sentence(principal.arn, request, verdict):
            raise AccessDenied(text)

    def _decide(
        self, principal: Principal, action: str, resource: str, context: ConditionKeys
    ) -> tuple[Verdict, Request]:
        grants, about = self.grants(principal)
        request = Request(action, resource, self.context(principal, about, context))
        return grants.decide(request), request

    def grants(self, principal: Principal) -> tuple[Grants, dict[str, str]]:
        """What limits a principal, and its tags by name. Nothing is allowed to a role or user that is gone."""
        if principal.name == TASKS:
            return Grants(tuple(Named("task policy", parse(text)) for text in principal.session_policies)), {}
        key = (principal.kind, principal.name, principal.user_id.partition(":")[0])
        if key not in self._grants:
            kind = {"user": USER, "role": ROLE}.get(principal.kind)
            record = self.directory.get(kind, principal.name) if kind else None
            # one of the same name that was made later is somebody else, and so are the sessions of the one before
            same = record is not None and key[2] == record.doc[f"{principal.kind.capitalize()}Id"]
            self._grants[key] = self.entity_grants(record) if record is not None and same else None
        grants, tags = self._grants[key] or (Grants(), {})
        if principal.session_policies:
            session = tuple(Named(f"session policy {i}", parse(t)) for i, t in enumerate(principal.session_policies))
            grants = replace(grants, session=session)
        return grants, tags

    def entity_grants(self, record: Record) -> tuple[Grants, dict[str, str]]:
        """The policies of a user, with those of its groups, or of a role; and its tags."""
        doc = record.doc
        policies = list(self._policies_of(record))
        for name in doc.get("Groups", []):
            if group := self.directory.get(GROUP, name):
                policies += self._policies_of(group)
        boundary: tuple[Named, ...] | None = None
        if arn := doc.get("PermissionsBoundary"):
            text = self.directory.policy_text(arn)
            boundary = (Named(arn, parse(text)),) if text else ()
        return Grants(tuple(policies), boundary), {t["Key"]: t["Value"] for t in doc.get("Tags", [])}

    def _policies_of(self, record: Record) -> list[Named]:
        kind = {USER: "user", ROLE: "role", GROUP: "group"}[record.kind]
        policies = [Named(name, parse(text), kind) for name, text in record.doc["Policies"].items()]
        for arn in record.doc["Attached"]:
            if text := self.directory.policy_text(arn):
                source = "aws-managed" if arn.startswith("arn:aws:iam::aws:") else "user-managed"
                policies.append(Named(arn.rsplit("/", 1)[-1], parse(text), source))
        return policies

    def context(self, principal: Principal, tags: Mapping[str, str], given: ConditionKeys) -> Context:
        """What the caller knows of the request, and the global keys about time and principal."""
        now = self._clock()
        arn = principal.arn
        if principal.kind in {"role", "root"}:
            role = self.directory.get(ROLE, principal.name)
            arn = role.doc["Arn"] if role else arn
        times = {
            "aws:CurrentTime": datetime.fromtimestamp(now, UTC).isoformat(),
            "aws:EpochTime": str(int(now)),
        }
        who = {
            "aws:PrincipalArn": arn,
            "aws:PrincipalAccount": principal.account,
            "aws:PrincipalType": {"user": "User", "role": "AssumedRole", "root": "AssumedRole"}.get(
                principal.kind, principal.kind.capitalize()
            ),
            "aws:userid": principal.user_id,
            **({"aws:username": principal.name} if principal.kind == "user" else {}),
            **{f"aws:PrincipalTag/{k}": v for k, v in tags.items()},
        }
        # Who somebody is comes from here alone: for a role's session it is the role, whatever the caller passes on.
        return context_of({**times, **given, **who})

    # -- roles

    def find_role(self, role_arn: str) -> Record | None:
        """The role of an ARN of this account; path and spelling must be the role's own."""
        match = _ROLE_ARN.fullmatch(role_arn)
        if match is None or match[1] != self.account:
            return None
        record = self.directory.get(ROLE, match[2])
        return record if record is not None and record.doc["Arn"] == role_arn else None

    def trusts(self, role: Record, request: Request) -> Verdict:
        """What the role's trust policy says; its decision knows the principals of ``request`` only."""
        return decide([Named("trust policy", parse(role.doc["AssumeRolePolicyDocument"], "trust"))], request)

    def _serving(self, role_arn: str, service: str = SERVICE) -> Record:
        role = self.find_role(role_arn)
        if role is not None and _lets_service_in(role.doc["AssumeRolePolicyDocument"], role_arn, self.account, service):
            return role
        raise Invalid(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            f"'{service}' to assume the role."
        )

    def session(self, role: Record, name: str, policies: tuple[str, ...] = ()) -> Principal:
        """The principal of a session of a role."""
        session = re.sub(r"[^\w+=,.@-]", "-", name)[:64].ljust(2, "-")
        return Principal(
            arn=f"arn:aws:sts::{self.account}:assumed-role/{role.doc['RoleName']}/{session}",
            account=self.account,
            kind="role",
            user_id=f"{role.doc['RoleId']}:{session}",
            name=role.doc["RoleName"],
            session_policies=policies,
        )

    # -- Identity

    async def role_credentials(self, role_arn: str, session: str, seconds: float, service: str = SERVICE) -> Credentials:
        principal = self.session(self._serving(role_arn, service), session)
        return Credentials(*await self.directory.new_session(principal, seconds))

    async def task_credentials(self, task: str, policy: str, seconds: float) -> Credentials:
        session = re.sub(r"[^\w+=,.@-]", "-", task)[-64:].ljust(2, "-")
        principal = Principal(
            arn=f"arn:aws:sts::{self.account}:assumed-role/{TASKS}/{session}", account=self.account, kind="role",
            user_id=f"{TASKS}:{session}", name=TASKS, session_policies=(policy,),
        )
        return Credentials(*await self.directory.new_session(principal, seconds))

    async def revoke(self, access_key: str) -> None:
        await self.directory.end_session(access_key)

    async def allowed(self, role_arn: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> str:
        principal = self.session(self._serving(role_arn), "SageMaker")
        verdict, request = self._decide(principal, action, resource, context or {})
        return sentence(principal.arn, request, verdict)

    async def role_principal(self, role_arn: str, session: str, service: str = SERVICE) -> Any:
        return self.session(self._serving(role_arn, service), session)

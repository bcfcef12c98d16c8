"""IAM policy documents, read once into statements that can be matched quickly. Pure.

A document is refused with MalformedPolicyDocument in AWS's wording where it is not JSON of the policy grammar, so that
a policy that is stored can always be evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from ...wire.errors import ServiceError
from .conditions import Condition, Context, arn_like, compiled, fill, glob

Kind = Literal["identity", "trust", "resource"]
_VERSIONS = ("2012-10-17", "2008-10-17")
_FIELDS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_ACCOUNT = re.compile(r"\d{12}")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: one action on one resource, by somebody, in a context."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    principals: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The names the caller goes by, per principal type (``AWS``, ``Service``), for trust policies."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``place`` is its Sid, or its position from 0."""

    place: str
    allow: bool
    actions: tuple[str, ...]
    """Patterns, lower-cased."""
    but_actions: bool
    resources: tuple[str, ...]
    but_resources: bool
    principals: Mapping[str, tuple[str, ...]] | None
    but_principals: bool
    conditions: tuple[Condition, ...]
    variables: bool

    def acts_on(self, action: str) -> bool:
        action = action.lower()
        return any(compiled(p).fullmatch(action) for p in self.actions) is not self.but_actions

    def covers(self, resource: str, context: Context) -> bool:
        if not self.resources:
            return True  # a trust policy is about the role that carries it
        texts = [t for t in (fill(r, context, self.variables) for r in self.resources) if t is not None]
        if self.but_resources and len(texts) < len(self.resources):
            return False  # an exception that cannot be read must not turn into "everything"
        return any(arn_like(resource, t) for t in texts) is not self.but_resources

    def names(self, principals: Mapping[str, frozenset[str]]) -> bool:
        if self.principals is None:
            return True
        hit = any(
            "*" in names or any(_principal(n) in principals.get(kind, frozenset()) for n in names)
            for kind, names in self.principals.items()
        )
        return hit is not self.but_principals

    def matches(self, request: Request) -> bool:
        return (
            self.acts_on(request.action)
            and self.covers(request.resource, request.context)
            and self.names(request.principals)
            and all(c.holds(request.context, self.variables) for c in self.conditions)
        )

    def missing(self, request: Request) -> set[str]:
        """Context keys this statement asks for and the request does not have."""
        if not (self.acts_on(request.action) and self.covers(request.resource, request.context)):
            return set()
        return {c.key for c in self.conditions if c.key not in request.context and c.operator != "null"}


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed document. Names are the caller's business: see ``evaluate.Named``."""

    statements: tuple[Statement, ...]


def _principal(name: str) -> str:
    """An account id and its root ARN are the same principal."""
    return f"arn:aws:iam::{name}:root" if _ACCOUNT.fullmatch(name) else name


def malformed(message: str) -> ServiceError:
    return ServiceError("MalformedPolicyDocument", message, 400)


@lru_cache(maxsize=2048)
def parse(text: str, kind: Kind = "identity") -> Policy:
    """Read a policy document.

    Args:
        text: the JSON document.
        kind: ``identity`` (no principals), ``trust`` (principals and sts actions, no resources) or ``resource``.

    Raises:
        ServiceError: MalformedPolicyDocument.
    """
    try:
        document = json.loads(text)
    except ValueError:
        raise malformed("This policy contains invalid Json") from None
    if not isinstance(document, dict) or not set(document) <= {"Version", "Id", "Statement"}:
        raise malformed("Syntax errors in policy.")
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise malformed("The policy must contain a valid version string")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements or not all(isinstance(s, dict) for s in statements):
        raise malformed("Syntax errors in policy.")
    read = tuple(_statement(s, i, kind, version == _VERSIONS[0]) for i, s in enumerate(statements))
    sids = [s["Sid"] for s in statements if s.get("Sid")]
    if len(sids) != len(set(sids)):
        raise malformed("Statement IDs (SID) in a single policy must be unique.")
    return Policy(read)


def _strings(value: Any) -> tuple[str, ...]:
    """One string or a list of strings; booleans and numbers as JSON writes them."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(v, str | bool | int | float) for v in values):
        raise malformed("Syntax errors in policy.")
    return tuple(v if isinstance(v, str) else json.dumps(v) for v in values)


def _one(statement: dict[str, Any], member: str) -> tuple[tuple[str, ...], bool]:
    """(values, negated) of a member or its Not form."""
    if member in statement and f"Not{member}" in statement:
        raise malformed("Syntax errors in policy.")
    negated = f"Not{member}" in statement
    value = statement.get(f"Not{member}" if negated else member, [])
    return _strings(value), negated


def _statement(statement: dict[str, Any], index: int, kind: Kind, variables: bool) -> Statement:
    if not set(statement) <= _FIELDS or statement.get("Effect") not in {"Allow", "Deny"}:
        raise malformed("Syntax errors in policy.")
    actions, but_actions = _one(statement, "Action")
    resources, but_resources = _one(statement, "Resource")
    if not actions:
        raise malformed("Policy statement must contain actions.")
    for action in actions:
        if action != "*" and not re.fullmatch(r"[\w\-*?]+:[\w\-*?]+", action):
            raise malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    principals = _principals(statement, kind)
    if kind == "trust":
        if resources:
            raise malformed("Has prohibited field Resource")
        if not all(a == "*" or a.lower().startswith("sts:") for a in actions):
            raise malformed("AssumeRole policy may only specify STS AssumeRole actions.")
    else:
        if not resources:
            raise malformed("Policy statement must contain resources.")
        for resource in resources:
            if resource != "*" and not resource.startswith("arn:") and not resource.startswith("${"):
                raise malformed(f'Resource {resource} must be in ARN format or "*".')
    return Statement(
        place=str(statement.get("Sid") or index),
        allow=statement["Effect"] == "Allow",
        actions=tuple(glob(a.lower()) for a in actions),
        but_actions=but_actions,
        resources=resources,
        but_resources=but_resources,
        principals=principals,
        but_principals="NotPrincipal" in statement,
        conditions=_conditions(statement.get("Condition", {})),
        variables=variables,
    )


def _principals(statement: dict[str, Any], kind: Kind) -> dict[str, tuple[str, ...]] | None:
    value = statement.get("Principal", statement.get("NotPrincipal"))
    if kind == "identity":
        if value is not None:
            raise malformed("Policy document should not specify a principal.")
        return None
    if value == "*":
        return {"AWS": ("*",)}
    if not isinstance(value, dict) or not value or not set(value) <= {"AWS", "Service", "Federated", "CanonicalUser"}:
        raise malformed(
            "Missing required field Principal" if value is None else f"Invalid principal in policy: {value}"
        )
    return {k: _strings(v) for k, v in value.items()}


def _conditions(value: Any) -> tuple[Condition, ...]:
    if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
        raise malformed("Syntax errors in policy.")
    try:
        return tuple(
            Condition.read(operator, key, _strings(values))
            for operator, keys in value.items()
            for key, values in keys.items()
        )
    except ValueError as error:
        raise malformed(str(error)) from None

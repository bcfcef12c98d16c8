"""What a set of policies decides: an explicit deny, else an allow, else nothing allows. Pure.

Sets that a caller must pass together: identity policies, the permissions boundary, the session's own policies. Any
explicit deny in any of them denies; otherwise each set that is present must allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .policy import Policy, Request, Statement

Decision = Literal["allowed", "explicitDeny", "implicitDeny"]


@dataclass(frozen=True, slots=True)
class Named:
    """A policy and what to call it in messages and simulations."""

    name: str
    policy: Policy
    source: str = "none"
    """The simulator's PolicySourceType, such as ``user``, ``role``, ``aws-managed``."""


@dataclass(frozen=True, slots=True)
class Match:
    """The statement that decided, and where it stands."""

    policy: Named
    statement: Statement


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, the statements it rests on, and which set of policies decided (``identity-based policy`` ...)."""

    decision: Decision
    matches: tuple[Match, ...]
    by: str = "identity-based policy"

    @property
    def allowed(self) -> bool:
        return self.decision == "allowed"


def decide(policies: Sequence[Named], request: Request, by: str = "identity-based policy") -> Verdict:
    """What one set of policies says."""
    matches = [Match(p, s) for p in policies for s in p.policy.statements if s.matches(request)]
    if denies := [m for m in matches if not m.statement.allow]:
        return Verdict("explicitDeny", tuple(denies), by)
    return Verdict("allowed" if matches else "implicitDeny", tuple(matches), by)


@dataclass(frozen=True, slots=True)
class Grants:
    """Everything that limits one principal. ``boundary`` and ``session`` limit only where they are present."""

    identity: tuple[Named, ...] = ()
    boundary: tuple[Named, ...] | None = None
    session: tuple[Named, ...] | None = None

    def decide(self, request: Request) -> Verdict:
        verdicts = [decide(self.identity, request)]
        if self.boundary is not None:
            verdicts.append(decide(self.boundary, request, "permissions boundary"))
        if self.session is not None:
            verdicts.append(decide(self.session, request, "session policy"))
        for wanted in ("explicitDeny", "implicitDeny"):
            for verdict in verdicts:
                if verdict.decision == wanted:
                    return verdict
        return verdicts[0]

    def within(self, request: Request) -> bool:
        """Whether boundary and session policies, where there are any, allow it, whatever the identity's own policies say."""
        return all(decide(limit, request).allowed for limit in (self.boundary, self.session) if limit is not None)


def sentence(who: str, request: Request, verdict: Verdict) -> str:
    """AWS's sentence for a denial, with the statement that denies named at its end. Empty when allowed."""
    if verdict.allowed:
        return ""
    head = f"User: {who} is not authorized to perform: {request.action} on resource: {request.resource}"
    if verdict.decision == "implicitDeny":
        return f"{head} because no {verdict.by} allows the {request.action} action"
    match = verdict.matches[0]
    article = "an" if verdict.by.startswith("i") else "a"
    where = f"(policy {match.policy.name}, statement {match.statement.place})"
    return f"{head} with an explicit deny in {article} {verdict.by} {where}"

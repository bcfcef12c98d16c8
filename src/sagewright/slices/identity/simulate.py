"""The policy simulator: what would these policies decide? The same evaluation that guards every call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...resources.platform import Platform
from ...stores.records import Record
from ...wire.errors import ServiceError
from ...wire.types import Call
from .common import Base, invalid, no_such, page
from .conditions import Context, context_of
from .directory import GROUP, ROLE, USER
from .evaluate import Grants, Match, Named, Verdict
from .policy import Request, parse


class Simulator(Base):
    def install(self, platform: Platform) -> None:
        bind = platform.operations.bind
        bind("iam", "SimulateCustomPolicy", self.custom)
        bind("iam", "SimulatePrincipalPolicy", self.principal, resources=lambda call: [call.params["PolicySourceArn"]])
        bind("iam", "GetContextKeysForCustomPolicy", self.keys_custom)
        bind(
            "iam",
            "GetContextKeysForPrincipalPolicy",
            self.keys_principal,
            resources=lambda call: [call.params["PolicySourceArn"]],
        )

    async def custom(self, call: Call) -> dict[str, Any]:
        boundary = self._input(call, "PermissionsBoundaryPolicyInputList")
        organisation = self._input(call, "OrderedOrganizationPolicyInputList")
        if organisation:
            raise invalid("There are no organizations here: OrderedOrganizationPolicyInputList cannot be simulated.")
        grants = Grants(tuple(self._input(call, "PolicyInputList")), tuple(boundary) or None)
        return self._answer(call, grants, {})

    async def principal(self, call: Call) -> dict[str, Any]:
        record = self._source(call.params["PolicySourceArn"])
        grants, tags = self._grants(record)
        excluded = set(call.params.get("PolicyExclusionList", []))
        kept = tuple(p for p in grants.identity if p.name not in excluded)
        extra = tuple(self._input(call, "PolicyInputList"))
        boundary = tuple(self._input(call, "PermissionsBoundaryPolicyInputList")) or grants.boundary
        about = {f"aws:PrincipalTag/{k}": v for k, v in tags.items()}
        if record.kind == USER:
            about["aws:username"] = record.name
        about["aws:PrincipalArn"] = record.doc["Arn"]
        about["aws:PrincipalAccount"] = self.account
        return self._answer(call, replace(grants, identity=kept + extra, boundary=boundary), about)

    async def keys_custom(self, call: Call) -> dict[str, Any]:
        return {"ContextKeyNames": _keys(self._input(call, "PolicyInputList"))}

    async def keys_principal(self, call: Call) -> dict[str, Any]:
        grants, _ = self._grants(self._source(call.params["PolicySourceArn"]))
        return {"ContextKeyNames": _keys([*grants.identity, *self._input(call, "PolicyInputList")])}

    def _grants(self, record: Record) -> tuple[Grants, dict[str, str]]:
        return self.authority.entity_grants(record)

    def _source(self, arn: str) -> Record:
        for kind in (USER, ROLE, GROUP):
            name = arn.rsplit("/", 1)[-1]
            if (record := self.directory.get(kind, name)) and record.doc["Arn"] == arn:
                return record
        if not arn.startswith("arn:"):
            raise invalid(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
        raise no_such(f"The entity with ARN {arn} cannot be found.")

    @staticmethod
    def _input(call: Call, member: str) -> list[Named]:
        stem = member.removesuffix("List")
        return [Named(f"{stem}.{i}", parse(t), "none") for i, t in enumerate(call.params.get(member, []), 1)]

    @staticmethod
    def _context(call: Call) -> Context:
        entries = call.params.get("ContextEntries", [])
        return context_of(
            {e["ContextKeyName"]: tuple(e.get("ContextKeyValues", [])) for e in entries if e.get("ContextKeyName")}
        )

    def _answer(self, call: Call, grants: Grants, about: dict[str, str]) -> dict[str, Any]:
        if call.params.get("ResourcePolicy"):
            raise invalid("ResourcePolicy cannot be simulated here; leave it out.")
        for action in call.params["ActionNames"]:
            if ":" not in action or action.endswith(":"):
                raise ServiceError("InvalidInput", f"Invalid action: {action} must be <service>:<action>.", 400)
        context = {**context_of(about), **self._context(call)}
        results: list[tuple[str, dict[str, Any]]] = []
        for action in call.params["ActionNames"]:
            for resource in call.params.get("ResourceArns") or ["*"]:
                request = Request(action, resource, context)
                results.append((f"{len(results):06}", _result(request, grants)))
        return page(call, "EvaluationResults", results)


def _result(request: Request, grants: Grants) -> dict[str, Any]:
    verdict: Verdict = grants.decide(request)
    sets = [grants.identity, grants.boundary or (), grants.session or ()]
    missing = {k for policies in sets for p in policies for s in p.policy.statements for k in s.missing(request)}
    answer: dict[str, Any] = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": verdict.decision,
        "MatchedStatements": [_matched(m) for m in verdict.matches],
        "MissingContextValues": sorted(missing),
    }
    if grants.boundary is not None:
        allowed = Grants(grants.boundary).decide(request).allowed
        answer["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    return answer


def _matched(match: Match) -> dict[str, Any]:
    return {"SourcePolicyId": match.policy.name, "SourcePolicyType": match.policy.source}


def _keys(policies: list[Named]) -> list[str]:
    return sorted({c.key for p in policies for s in p.policy.statements for c in s.conditions})

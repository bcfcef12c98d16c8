"""Small things that answers of pipelines and executions share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources import paging
from ...resources.desk import Desk
from ...stores.records import Query
from ...wire.types import Call


def by(call: Call) -> dict[str, Any]:
    """Who did something, as CreatedBy and LastModifiedBy show it."""
    return {"IamIdentity": {"Arn": call.principal.arn, "PrincipalId": call.principal.user_id}}


def dated(params: Mapping[str, Any]) -> dict[str, Any]:
    """A List request with the usual names: pipelines say CreatedAfter for CreationTimeAfter."""
    names = {"CreatedAfter": "CreationTimeAfter", "CreatedBefore": "CreationTimeBefore"}
    return {names.get(k, k): v for k, v in params.items()}


async def children(desk: Desk, operation: str, kind: str, scope: str, params: Mapping[str, Any], query: Query) -> dict[str, Any]:
    """The answer of a List operation over records that are no resource of their own: those members that its items have.

    Args:
        params: the request that the page's token is for.
        query: which page of which records.
    """
    found = await desk.platform.records.find(kind, scope, query)
    shape = desk.shapes.list(operation)
    answer: dict[str, Any] = {shape.member: [{m: r.doc[m] for m in shape.item if m in r.doc} for r in found]}
    if len(found) == query.limit:
        answer["NextToken"] = paging.token(params, found[-1], query.sort_by)
    return answer

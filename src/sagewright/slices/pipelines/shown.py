"""Small things that answers of pipelines and executions share. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...wire.types import Call


def by(call: Call) -> dict[str, Any]:
    """Who did something, as CreatedBy and LastModifiedBy show it."""
    return {"IamIdentity": {"Arn": call.principal.arn, "PrincipalId": call.principal.user_id}}


def dated(params: Mapping[str, Any]) -> dict[str, Any]:
    """A List request with the usual names: pipelines say CreatedAfter for CreationTimeAfter."""
    names = {"CreatedAfter": "CreationTimeAfter", "CreatedBefore": "CreationTimeBefore"}
    return {names.get(k, k): v for k, v in params.items()}

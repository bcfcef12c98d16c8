"""What exists: model package groups, and packages: versions of a group, or single ones with a name of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.resource import Resource
from ...stores.records import Record
from ...wire.types import Call


def by(call: Call) -> dict[str, Any]:
    """Who did something, as CreatedBy and LastModifiedBy show it."""
    return {"IamIdentity": {"Arn": call.principal.arn, "PrincipalId": call.principal.user_id}}


def _name(doc: Mapping[str, Any], record: Record) -> str:
    """A version goes by its group's name."""
    name: str = doc.get("ModelPackageName") or doc["ModelPackageGroupName"]
    return name


group = Resource("ModelPackageGroup", verbs=())
package = Resource("ModelPackage", computed={"ModelPackageName": _name}, verbs=())

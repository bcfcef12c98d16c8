"""Tags of resources: which keys nobody may give, who bears them, and what policies see of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..stores.records import Record, Records
from ..wire.errors import Invalid
from ..wire.types import ConditionKeys
from .arn import parse

if TYPE_CHECKING:
    from .desk import Desk


def check(tags: Iterable[Mapping[str, str]]) -> None:
    """Raises Invalid: the keys that begin with ``aws:`` are AWS's own."""
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise Invalid("aws: prefixed tag key names are not allowed for external use.")


def resource_tags(doc: Mapping[str, Any]) -> ConditionKeys:
    """The keys of the tags in a document. Pure."""
    return {f"{prefix}:ResourceTag/{tag['Key']}": tag.get("Value", "") for tag in doc.get("Tags", ()) for prefix in ("aws", "sagemaker")}


async def tagged(nouns: Mapping[str, Desk], records: Records, where: str) -> Record | None:
    """The record that an ARN names; None if there is none, or its kind is unknown. Raises Invalid: it is no ARN."""
    name = parse(where)
    desk = nouns.get(name.type)
    if desk is None or name.service != "sagemaker":
        return None
    return await records.get(desk.resource.noun, f"{name.account}/{name.region}", name.name)

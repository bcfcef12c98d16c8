"""Names of properties that begin with a hint: the model's members, and the names that recent documents have in their maps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...wire.models import Shape

MOST = 100
LONGEST = 255
_SCALARS = {"string", "integer", "long", "float", "double", "boolean", "timestamp"}


def suggestions(shape: Shape, docs: Iterable[Mapping[str, Any]], hint: str) -> list[str]:
    """At most ``MOST`` names, members of the model first."""
    found: dict[str, None] = dict.fromkeys(_members(shape, "", ()))
    for doc in docs:
        found.update(dict.fromkeys(_named(shape, doc)))
    low = hint.lower()
    return [name for name in found if name.lower().startswith(low) and len(name) <= LONGEST][:MOST]


def _members(shape: Shape, prefix: str, seen: tuple[str, ...]) -> Iterator[str]:
    for name, member in shape.members.items():
        inner = member.shape.element.shape if member.type == "list" and member.shape.element is not None else member.shape
        if inner.type in _SCALARS:
            yield f"{prefix}{name}"
        elif inner.type == "structure" and inner.name not in seen and len(seen) < 3:
            yield from _members(inner, f"{prefix}{name}.", (*seen, inner.name))


def _named(shape: Shape, doc: Mapping[str, Any]) -> Iterator[str]:
    """``Parameters.epochs``, ``Tags.team``, ``Metrics.loss.Max`` ..."""
    for name, member in shape.members.items():
        value = doc.get(name)
        if member.type == "map" and isinstance(value, Mapping):
            yield from (f"{name}.{key}" for key in value)
        elif name == "Tags" and isinstance(value, list):
            yield from (f"Tags.{tag['Key']}" for tag in value)
        elif name in ("Metrics", "FinalMetricDataList") and isinstance(value, list):
            for metric in value:
                said = [f".{stat}" for stat in ("Min", "Max", "Last", "Avg", "StdDev", "Count") if stat in metric]
                yield from (f"Metrics.{metric['MetricName']}{stat}" for stat in said or [""])

"""What exists: inference components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from .copies import answering
from .lifecycle import LIFECYCLE, PLACE
from .pool import READY
from .request import check_component


def _shown(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification as Describe has it."""
    shown = {k: v for k, v in spec.items() if k[0] != "_"}
    if "Container" in shown:
        given = dict(shown["Container"])
        image = given.pop("Image")
        shown["Container"] = {**given, "DeployedImage": {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": spec["_resolved"]}}
    return shown


def _serving(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = doc["_specs"][doc["_revision"]]
    return found


def _specification(doc: Mapping[str, Any], record: Record) -> dict[str, Any] | None:
    specs = _serving(doc)
    return _shown(specs[0]) if len(specs) == 1 else None


def _specifications(doc: Mapping[str, Any], record: Record) -> list[dict[str, Any]] | None:
    specs = _serving(doc)
    return [_shown(spec) for spec in specs] if len(specs) > 1 else None


def _runtime(doc: Mapping[str, Any], record: Record) -> dict[str, Any]:
    types: dict[str, int] = {}
    for about in doc["_copies"].values():
        if about["Phase"] == READY:
            types[about["Type"]] = types.get(about["Type"], 0) + 1
    placed = [{"InstanceType": kind, "CurrentCopyCount": count} for kind, count in sorted(types.items())]
    return {"DesiredCopyCount": doc["_want"], "CurrentCopyCount": answering(doc), **({"PlacementStatus": placed} if placed else {})}


component = Resource(
    "InferenceComponent",
    old=True,
    lifecycle=LIFECYCLE,
    first=(Instruction(PLACE),),
    prepare=check_component,
    computed={"Specification": _specification, "Specifications": _specifications, "RuntimeConfig": _runtime},
    verbs=("Describe", "List"),
)

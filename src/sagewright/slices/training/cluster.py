"""The hosts of a training job: their names, their instance types, and what each is told of the others."""

from __future__ import annotations

from typing import Any

from ...wire.errors import Invalid, NotImplementedHere


def check(resources: dict[str, Any]) -> None:
    if "InstanceGroups" in resources:
        raise NotImplementedHere("Heterogeneous clusters (InstanceGroups) are not implemented.")
    if "InstanceType" not in resources:
        raise Invalid("ResourceConfig needs InstanceType and InstanceCount.")
    resources.setdefault("InstanceCount", 1)

"""Models of several containers: what a deployment keeps of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SERIAL, DIRECT = "Serial", "Direct"


def named(containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The containers with their names, ``container-1`` and so on where a model gives none."""
    return [{**c, "ContainerHostname": c.get("ContainerHostname", f"container-{n}")} for n, c in enumerate(containers, 1)]


def kept(model: dict[str, Any], containers: list[dict[str, Any]]) -> dict[str, Any]:
    """The part of a deployable model that says how its containers work together; nothing where there is only one."""
    if len(containers) < 2:
        return {}
    mode = model.get("InferenceExecutionConfig", {}).get("Mode", SERIAL)
    return {"Containers": named(containers), "Mode": mode}


def containers(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every container of a deployable model."""
    found: list[dict[str, Any]] = about.get("Containers") or [about["Container"]]
    return found


def names(about: Mapping[str, Any]) -> list[str]:
    """The containers' names where there are several; else nothing."""
    return [c["ContainerHostname"] for c in about.get("Containers", ())]

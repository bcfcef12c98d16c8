"""The one task that the containers of an instance are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..stores.compute import Task
from . import model as models
from . import multimodel

FIRST_PORT = 8081
"""Of the first container: none listens on 8080, so that no two could."""
SAFE_PORTS, SAFE_COUNT = 21_000, 100
"""Ports besides that a container may listen on: the first, and how many each has."""


def instance(
    made: Task, about: Mapping[str, Any], instance_type: str, *, env: Mapping[str, str], more: Mapping[str, str] | None = None, most: int = 0
) -> Task:
    """The task of an instance: ``made`` for its one container, or a task with several.

    Args:
        made: the task as it is for the first container alone.
        about: the deployable model.
        env: variables that the platform sets.
        more: variables of the request, which count more than the containers' own.
        most: how many processes a container may have; 0 for as many as it wants.
    """
    if "Containers" not in about:
        return made
    members = []
    for number, container in enumerate(about["Containers"]):
        name = container["ContainerHostname"]
        given = {**models.environment(container), **(more or {})}
        first = SAFE_PORTS + SAFE_COUNT * number
        ports = {
            "SAGEMAKER_BIND_TO_PORT": str(FIRST_PORT + number),
            "SAGEMAKER_SAFE_PORT_RANGE": f"{first}-{first + SAFE_COUNT - 1}",
        }
        workers = models.workers(given, instance_type)
        members.append(replace(
            made, id=f"{made.id}.{number}", image=container["Image"], env={**env, **given, **ports}, inputs=models.inputs(container),
            hostname=name, log_stream=f"{made.log_stream}/{name}", workers=min(workers, most) if most else workers,
            usage_host=f"{made.usage_host}/{name}" if made.usage_host else "",
            usage_dimensions={**made.usage_dimensions, "ContainerName": name} if made.usage_dimensions else {},
            models=multimodel.models(container, instance_type, len(about["Containers"])),
        ))
    return replace(made, inputs=[], env={}, models={}, containers=members)

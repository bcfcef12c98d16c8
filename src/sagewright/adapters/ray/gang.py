"""What the tasks of a job reserve on a cluster. Pure.

The tasks of one job are a gang: Ray places all of them or none, on different nodes where it can. Each reserves what its
instance type declares. A cluster that could never hold them gets smaller hosts, all by the same factor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...stores.compute import Task

RESOURCES = "/opt/ml/input/config/resourceconfig.json"
SMALLEST = 1 / 64
"""Of what the instance types declare; a job that does not fit even so is refused."""
STEP = 0.9
GRAIN = 100
"""Reserved processors are multiples of 1/GRAIN."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a node has or a host wants."""

    cpus: float
    memory: int
    """Bytes."""
    gpus: int = 0

    def bundle(self) -> dict[str, float]:
        """As a placement group wants it."""
        named: dict[str, float] = {"CPU": self.cpus, "memory": self.memory, "GPU": self.gpus}
        return {name: amount for name, amount in named.items() if amount}


def gang(task: Task) -> str:
    """The name that all tasks of the job share."""
    return task.meeting or task.id


def wanted(task: Task, declared: Callable[[str], Size | None]) -> Size:
    """What the task's instance type declares; where nothing is known of it, the task's limits."""
    try:
        name = json.loads(task.files[RESOURCES])["current_instance_type"]
    except (KeyError, ValueError):
        name = ""
    known = declared(name)
    return known or Size(task.limits.cpus or 1.0, task.limits.memory)


def node_size(resources: dict[str, Any]) -> Size:
    """Of a node as ``ray.nodes()`` tells."""
    return Size(float(resources.get("CPU", 0)), int(resources.get("memory", 0)), int(resources.get("GPU", 0)))


def fit(wants: list[Size], nodes: Iterable[Size], *, shrink: bool) -> list[Size] | None:
    """What each host reserves so that all fit on the nodes at once when nothing else runs there; None if they never do.

    ``shrink``: less than what is wanted will do.
    """
    there = [node for node in nodes if node.cpus > 0]
    factor = 1.0
    while factor >= SMALLEST:
        sizes = [_scaled(want, factor) for want in wants]
        if shrink and there:  # a host larger than every node becomes as large as the largest
            sizes = [_capped(size, there) for size in sizes]
        if _packs(sizes, there):
            return sizes
        if not shrink:
            return None
        factor *= STEP
    return None


def _scaled(want: Size, factor: float) -> Size:
    return Size(max(1 / GRAIN, int(want.cpus * factor * GRAIN) / GRAIN), int(want.memory * factor), want.gpus)


def _capped(size: Size, nodes: list[Size]) -> Size:
    fitting = [node for node in nodes if node.gpus >= size.gpus] or nodes
    most = max(fitting, key=lambda node: (node.cpus, node.memory))
    gpus = min(size.gpus, max(node.gpus for node in fitting))
    return Size(min(size.cpus, most.cpus), min(size.memory, most.memory), gpus)


def _packs(sizes: list[Size], nodes: list[Size]) -> bool:
    """Whether the sizes fit, each put where most processors are left: the way of spreading."""
    left = [[node.cpus, node.memory, node.gpus] for node in nodes]
    for size in sorted(sizes, key=lambda s: (s.gpus, s.cpus, s.memory), reverse=True):
        for room in sorted(left, key=lambda r: -r[0]):
            if room[0] + 1e-9 >= size.cpus and room[1] >= size.memory and room[2] >= size.gpus:
                room[0] -= size.cpus
                room[1] -= size.memory
                room[2] -= size.gpus
                break
        else:
            return False
    return True

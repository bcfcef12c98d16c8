"""Deployments of an endpoint, as plain data: which variants, which tasks, how far each is. Pure.

::

    {"Config": name, "Started": seconds,
     "Variants": [{"Name", "Model", "Container", "Role", "Isolated", "InstanceType", "Count", "Weight", ...}],
     "Tasks": {task id: {"Variant", "Phase": Waiting | Ready | Lost, "Sockets": [...], "Message"}}}
"""

from __future__ import annotations

import copy
from typing import Any

from . import components

Fleet = dict[str, Any]

WAITING, READY = "Waiting", "Ready"


def plan(prefix: str, serial: int, config: str, variants: list[dict[str, Any]], now: float) -> tuple[Fleet, int]:
    """A deployment with new tasks for every instance, and the next free serial number."""
    tasks: dict[str, Any] = {}
    for variant in variants:
        for _ in range(variant["Count"]):
            tasks[f"{prefix}-{serial}"] = new_task(variant["Name"])
            serial += 1
    return {"Config": config, "Started": now, "Variants": variants, "Tasks": tasks}, serial


def new_task(variant: str) -> dict[str, Any]:
    return {"Variant": variant, "Phase": WAITING, "Sockets": []}


def rescale(fleet: Fleet, prefix: str, serial: int, desired: list[dict[str, Any]], now: float) -> tuple[Fleet, int]:
    """The deployment with other weights and counts; tasks that stay are the same ones."""
    after = copy.deepcopy(fleet)
    after["Started"] = now
    wanted = {d["VariantName"]: d for d in desired}
    for variant in after["Variants"]:
        said = wanted.get(variant["Name"], {})
        variant["Weight"] = said.get("DesiredWeight", variant["Weight"])
        variant["Count"] = said.get("DesiredInstanceCount", variant["Count"])
        if "Components" in variant:  # its instances are no tasks
            variant["Components"], variant["Count"] = components.resized(variant, said.get("DesiredInstanceCount")), 0
        if "ServerlessUpdateConfig" in said:
            variant["Serverless"] |= said["ServerlessUpdateConfig"]
        mine = [task for task, about in after["Tasks"].items() if about["Variant"] == variant["Name"]]
        # those that do not serve go first
        mine.sort(key=lambda task: after["Tasks"][task]["Phase"] != READY)
        for task in mine[variant["Count"]:]:
            del after["Tasks"][task]
        for _ in range(variant["Count"] - len(mine)):
            after["Tasks"][f"{prefix}-{serial}"] = new_task(variant["Name"])
            serial += 1
    return after, serial


def grow(fleet: Fleet, prefix: str, serial: int, wanted: dict[str, int]) -> tuple[Fleet, int]:
    """The deployment with new tasks where a variant has fewer than ``wanted``, and the next free serial number."""
    tasks = dict(fleet["Tasks"])
    for name, count in wanted.items():
        for _ in range(count - counted(fleet, name)):
            tasks[f"{prefix}-{serial}"] = new_task(name)
            serial += 1
    return {**fleet, "Tasks": tasks}, serial


def shrink(fleet: Fleet, wanted: dict[str, int]) -> tuple[Fleet, dict[str, Any]]:
    """The deployment with at most ``wanted`` tasks of each variant, and the sockets of those that go."""
    tasks = dict(fleet["Tasks"])
    for name, count in wanted.items():
        mine = [task for task, about in fleet["Tasks"].items() if about["Variant"] == name]
        mine.sort(key=lambda task: fleet["Tasks"][task]["Phase"] != READY)
        for task in mine[count:]:
            del tasks[task]
    return {**fleet, "Tasks": tasks}, {k: v["Sockets"] for k, v in fleet["Tasks"].items() if k not in tasks}


def counted(fleet: Fleet, name: str) -> int:
    """How many tasks a variant has."""
    return sum(about["Variant"] == name for about in fleet["Tasks"].values())


def answering(fleet: Fleet, name: str) -> int:
    """How many tasks of a variant answer."""
    return sum(about["Variant"] == name and about["Phase"] == READY for about in fleet["Tasks"].values())


def complete(fleet: Fleet) -> bool:
    """Every instance that the variants ask for has a task, whether or not it answers."""
    return all(counted(fleet, v["Name"]) >= v["Count"] for v in fleet["Variants"])


def retain(variants: list[dict[str, Any]], fleet: Fleet, excluded: list[str]) -> list[dict[str, Any]]:
    """New variants with the counts and weights that their namesakes have now, except what is ``excluded``."""
    now = {v["Name"]: v for v in fleet["Variants"]}
    capture = next((v["Capture"] for v in fleet["Variants"] if v.get("Capture")), None)
    kept = []
    for variant in variants:
        old = now.get(variant["Name"])
        if old is not None:
            variant = dict(variant)
            if "DesiredInstanceCount" not in excluded and "Serverless" not in old:
                variant["Count"] = old["Count"]
                if "Components" in old and "Components" in variant:
                    variant["Components"] = components.resized(variant, old["Components"]["Instances"])
            if "DesiredWeight" not in excluded:
                variant["Weight"] = old["Weight"]
        if "DataCaptureConfig" not in excluded:
            variant = {**variant, "Capture": capture}
        kept.append(variant)
    return kept


def with_task(fleet: Fleet, task: str, **about: Any) -> Fleet:
    """The deployment with another state of one task."""
    tasks = {**fleet["Tasks"], task: {**fleet["Tasks"][task], **about}}
    return {**fleet, "Tasks": tasks}


def replace_task(fleet: Fleet, task: str, new: str) -> Fleet:
    """The deployment with a new task in the place of a lost one."""
    tasks = {(new if k == task else k): (new_task(v["Variant"]) if k == task else v) for k, v in fleet["Tasks"].items()}
    return {**fleet, "Tasks": tasks}


def whole(fleet: Fleet) -> bool:
    """Every instance answers."""
    return all(about["Phase"] == READY for about in fleet["Tasks"].values())


def asynchronous(doc: dict[str, Any]) -> dict[str, Any] | None:
    """AsyncInferenceConfig of what the endpoint serves with, or will first; None for one that answers at once."""
    fleet = doc.get("_fleet") or doc.get("_next") or {"Variants": ()}
    return next((v["Async"] for v in fleet["Variants"] if "Async" in v), None)


def variant_of(fleet: Fleet, task: str) -> dict[str, Any]:
    name = fleet["Tasks"][task]["Variant"]
    found: dict[str, Any] = next(v for v in fleet["Variants"] if v["Name"] == name)
    return found

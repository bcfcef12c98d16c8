"""Deployments of an endpoint, as plain data: which variants, which tasks, how far each is. Pure.

::

    {"Config": name, "Started": seconds,
     "Variants": [{"Name", "Model", "Container", "Role", "Isolated", "InstanceType", "Count", "Weight", ...}],
     "Tasks": {task id: {"Variant", "Phase": Waiting | Ready | Lost, "Sockets": [...], "Message"}}}
"""

from __future__ import annotations

import copy
from typing import Any

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
        mine = [task for task, about in after["Tasks"].items() if about["Variant"] == variant["Name"]]
        # those that do not serve go first
        mine.sort(key=lambda task: after["Tasks"][task]["Phase"] != READY)
        for task in mine[variant["Count"]:]:
            del after["Tasks"][task]
        for _ in range(variant["Count"] - len(mine)):
            after["Tasks"][f"{prefix}-{serial}"] = new_task(variant["Name"])
            serial += 1
    return after, serial


def retain(variants: list[dict[str, Any]], fleet: Fleet, excluded: list[str]) -> list[dict[str, Any]]:
    """New variants with the counts and weights that their namesakes have now, except what is ``excluded``."""
    now = {v["Name"]: v for v in fleet["Variants"]}
    kept = []
    for variant in variants:
        old = now.get(variant["Name"])
        if old is not None:
            variant = dict(variant)
            if "DesiredInstanceCount" not in excluded:
                variant["Count"] = old["Count"]
            if "DesiredWeight" not in excluded:
                variant["Weight"] = old["Weight"]
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


def variant_of(fleet: Fleet, task: str) -> dict[str, Any]:
    name = fleet["Tasks"][task]["Variant"]
    found: dict[str, Any] = next(v for v in fleet["Variants"] if v["Name"] == name)
    return found


# -- as Describe shows it


def _images(variant: dict[str, Any]) -> list[dict[str, Any]]:
    image = variant["Container"]["Image"]
    return [{"SpecifiedImage": image, "ResolvedImage": variant.get("ResolvedImage", image), "ResolutionTime": variant["Resolved"]}]


def _serving(fleet: Fleet, variant: dict[str, Any]) -> int:
    return sum(t["Variant"] == variant["Name"] and t["Phase"] == READY for t in fleet["Tasks"].values())


def summaries(fleet: Fleet, after: Fleet | None, status: str) -> list[dict[str, Any]]:
    """ProductionVariantSummary of every variant that serves; ``after`` is the deployment under way."""
    wanted = {v["Name"]: v for v in after["Variants"]} if after and after["Config"] == fleet["Config"] else {}
    shown = []
    for variant in fleet["Variants"]:
        want = wanted.get(variant["Name"], variant)
        summary = {
            "VariantName": variant["Name"],
            "DeployedImages": _images(variant),
            "CurrentWeight": variant["Weight"],
            "DesiredWeight": want["Weight"],
            "CurrentInstanceCount": _serving(fleet, variant),
            "DesiredInstanceCount": want["Count"],
            "RoutingConfig": {"RoutingStrategy": variant["Strategy"]},
        }
        if status == "Updating" and after:
            summary["VariantStatus"] = [{"Status": "Updating", "StartTime": after["Started"]}]
        shown.append(summary)
    return shown


def pending(after: Fleet) -> dict[str, Any]:
    """PendingDeploymentSummary of a deployment under way."""
    shown = []
    for variant in after["Variants"]:
        tasks = [t for t in after["Tasks"].values() if t["Variant"] == variant["Name"]]
        status = {"Status": "Creating", "StartTime": after["Started"]}
        if message := next((t["Message"] for t in tasks if t.get("Message") and t["Phase"] == WAITING), None):
            status["StatusMessage"] = message[:1024]
        shown.append({
            "VariantName": variant["Name"],
            "DeployedImages": _images(variant),
            "CurrentWeight": 0.0,
            "DesiredWeight": variant["Weight"],
            "CurrentInstanceCount": _serving(after, variant),
            "DesiredInstanceCount": variant["Count"],
            "InstanceType": variant["InstanceType"],
            "VariantStatus": [status],
        })
    return {"EndpointConfigName": after["Config"], "ProductionVariants": shown, "StartTime": after["Started"]}

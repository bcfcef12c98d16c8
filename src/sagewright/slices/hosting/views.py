"""Deployments as DescribeEndpoint shows them. Pure."""

from __future__ import annotations

from typing import Any

from . import components, containers, rollout, serverless
from .fleet import WAITING, Fleet, answering
from .states import CHANGING, ROLLING_BACK, UPDATING

CHANGES = (*CHANGING, ROLLING_BACK)


def summaries(doc: dict[str, Any], *, shadow: bool = False) -> list[dict[str, Any]]:
    """ProductionVariantSummary of every variant that serves, or of the shadows."""
    fleet, after, shift = doc["_fleet"], doc.get("_next"), doc.get("_shift") or {}
    wanted = {v["Name"]: v for v in after["Variants"]} if after and after["Config"] == fleet["Config"] else {}
    shown = []
    for variant in fleet["Variants"]:
        if ("Shadow" in variant) != shadow:
            continue
        name = variant["Name"]
        want = wanted.get(name, variant)
        summary = {
            "VariantName": name,
            "DeployedImages": _images(variant),
            "CurrentWeight": variant["Weight"] * (1 - shift.get(name, 0.0)),
            "DesiredWeight": want["Weight"],
        }
        if "Serverless" in variant:
            summary |= serverless.summary(variant, want)
        elif "Components" in variant:
            summary |= components.summary(doc, variant, want)
        else:
            summary |= {
                "CurrentInstanceCount": answering(fleet, name), "DesiredInstanceCount": want["Count"],
                "RoutingConfig": {"RoutingStrategy": variant["Strategy"]},
            }
        if doc["_state"] in CHANGES:
            summary["VariantStatus"] = _serving_status(doc)
        shown.append(summary)
    return shown


def pending(doc: dict[str, Any]) -> dict[str, Any] | None:
    """PendingDeploymentSummary of a deployment under way."""
    after, shift = doc.get("_next"), doc.get("_shift") or {}
    if not after or doc["_state"] not in CHANGES:
        return None
    shown: dict[str, list[dict[str, Any]]] = {"ProductionVariants": []}
    for variant in after["Variants"]:
        name, role = variant["Name"], "ShadowProductionVariants" if "Shadow" in variant else "ProductionVariants"
        shown.setdefault(role, []).append({
            "VariantName": name,
            "DeployedImages": _images(variant),
            "CurrentWeight": variant["Weight"] * shift.get(name, 0.0),
            "DesiredWeight": variant["Weight"],
            **(serverless.summary(variant, variant) if "Serverless" in variant else components.summary(doc, variant, variant) if "Components" in variant else {
                "CurrentInstanceCount": answering(after, name), "DesiredInstanceCount": variant["Count"],
                "InstanceType": variant["InstanceType"],
            }),
            "VariantStatus": _stages(doc, _message(after, name)) or [{"Status": "Creating", "StartTime": after["Started"]}],
        })
    return {"EndpointConfigName": after["Config"], **shown, "StartTime": after["Started"]}


def _serving_status(doc: dict[str, Any]) -> list[dict[str, Any]]:
    """While the old fleet is on its way out, what its end is at; else that there is an update."""
    if doc["_state"] == UPDATING and rollout.current(doc)["Phase"] == rollout.ENDING:
        return _stages(doc, "")
    after = doc.get("_next")
    return [{"Status": "Updating", "StartTime": after["Started"] if after else doc["LastModifiedTime"]}]


def _stages(doc: dict[str, Any], message: str) -> list[dict[str, Any]]:
    """The deployment's stages, newest first; the newest one says what it waits for."""
    shown: list[dict[str, Any]] = []
    for stage, began, *said in reversed(rollout.current(doc)["Timeline"][-rollout.STAGES:]):
        text = said[0] if said else "" if shown else message
        shown.append({"Status": stage, "StartTime": began} | ({"StatusMessage": text[:1024]} if text else {}))
    return shown


def _message(fleet: Fleet, name: str) -> str:
    tasks = fleet["Tasks"].values()
    return next((t["Message"] for t in tasks if t["Variant"] == name and t.get("Message") and t["Phase"] == WAITING), "")


def _images(variant: dict[str, Any]) -> list[dict[str, Any]]:
    if "Components" in variant:
        return []
    return containers.images(variant)

"""Warm pools: a job with KeepAlivePeriodInSeconds leaves its instances to the next job that asks for the same. Pure.

The first job's WarmPoolStatus goes InUse → Available → Reused or Terminated. A pool survives success, a stop and the
job's own failures, not the platform's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...runtime.lifecycle import Event, Instruction, Move
from ...wire.errors import Invalid
from .states import CLOSE_POOL, FAILED, FINAL, OPEN_POOL

LONGEST = 7 * 86_400.0
"""Seconds that a chain of jobs may keep one pool."""


def keep_alive(doc: Mapping[str, Any]) -> int:
    return int(doc["ResourceConfig"].get("KeepAlivePeriodInSeconds", 0)) if "ResourceConfig" in doc else 0


def key(doc: Mapping[str, Any]) -> str:
    """What two jobs must have in common to share a pool, as a digest."""
    resources, vpc = doc["ResourceConfig"], doc.get("VpcConfig", {})
    parts = [
        doc["RoleArn"],
        [resources.get(name) for name in ("InstanceCount", "InstanceType", "VolumeKmsKeyId", "VolumeSizeInGB", "InstanceGroups")],
        sorted(vpc.get("SecurityGroupIds", ())), sorted(vpc.get("Subnets", ())),
        doc.get("EnableInterContainerTrafficEncryption", False), doc.get("EnableNetworkIsolation", False),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def available(doc: Mapping[str, Any]) -> bool:
    return bool(doc.get("WarmPoolStatus", {}).get("Status") == "Available")


def since(doc: Mapping[str, Any]) -> float:
    """When the first job of the chain that a job belongs to was created."""
    return float(doc.get("_pool_since", doc["CreationTime"]))


def ended(doc: Mapping[str, Any], state: str, reason: str, now: float) -> tuple[dict[str, Any], tuple[Instruction, ...]]:
    """(members, instructions) of a job that ends."""
    if not keep_alive(doc):
        return {}, ()
    if (state == FAILED and reason.startswith("InternalServerError")) or now - since(doc) >= LONGEST:
        return {"WarmPoolStatus": _status("Terminated", 0.0)}, ()
    return _open(doc, now, now)


def _open(doc: Mapping[str, Any], start: float, now: float) -> tuple[dict[str, Any], tuple[Instruction, ...]]:
    until = start + keep_alive(doc)
    members = {"WarmPoolStatus": _status("Available", now - start), "_pool_start": start, "_pool_until": until}
    close = Instruction(CLOSE_POOL, {"Until": until}, delay=max(0.0, until - now))
    return members, (Instruction(OPEN_POOL), close)


def _status(status: str, seconds: float, **more: str) -> dict[str, Any]:
    return {"Status": status, "ResourceRetainedBillableTimeInSeconds": round(seconds), **more}


# -- rules of ended jobs


def reuse(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Another job takes the pool over."""
    if not available(doc):
        return None
    return Move(doc["_state"], {"WarmPoolStatus": _status("Reused", now - doc["_pool_start"], ReusedByJob=event.data["Job"])})


def expire(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    if not available(doc) or event.data["Until"] != doc["_pool_until"]:
        return None
    return Move(doc["_state"], {"WarmPoolStatus": _status("Terminated", now - doc["_pool_start"])})


def update(doc: dict[str, Any], event: Event, now: float) -> Move:
    """UpdateTrainingJob: the members it gives replace those of the job. Raises Invalid."""
    changes = dict(event.data["Changes"])
    if "ResourceConfig" in changes:
        if doc["_state"] in FINAL and not available(doc):
            raise Invalid("KeepAlivePeriodInSeconds can only be updated while the training job runs or its warm pool is Available.")
        changes["ResourceConfig"] = {**doc["ResourceConfig"], **changes["ResourceConfig"]}
    elif doc["_state"] in FINAL:
        raise Invalid(f"Cannot update a training job in status {doc['TrainingJobStatus']}.")
    after = {**doc, **changes}
    if not available(doc):
        if keep_alive(after) and not keep_alive(doc):
            changes["WarmPoolStatus"] = _status("InUse", 0.0)
        return Move(doc["_state"], changes)
    if not keep_alive(after):
        changes["WarmPoolStatus"] = _status("Terminated", now - doc["_pool_start"])
        return Move(doc["_state"], changes, (Instruction(CLOSE_POOL, {"Until": doc["_pool_until"]}),))
    members, instructions = _open(after, doc["_pool_start"], now)
    return Move(doc["_state"], changes | members, instructions)


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Raises Invalid while the pool waits for a job."""
    if available(doc):
        raise Invalid(
            "Cannot delete a training job whose warm pool is Available. Set KeepAlivePeriodInSeconds to 0 by "
            "UpdateTrainingJob, or wait until the warm pool is Terminated."
        )
    return Move(doc["_state"], remove=True)

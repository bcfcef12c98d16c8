"""Scalable targets: their lifecycle, and the verbs that register, show and remove them.

A target has one state. What moves is its working data: ``_signals`` are alarms that asked for a decision, ``_busy`` is the
activity under way, ``_past`` the changes that policies made, ``_told`` why the last decision changed nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ...resources.arn import arn
from ...resources.platform import Platform
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore
from ...stores.records import Conflict, Put, Query, Record
from ...wire.errors import Invalid, ServiceError
from ...wire.types import Call
from .dimensions import INSTANCES, ROLE, Dimensions, Scalable
from .pages import page, wanted

KIND = "ScalableTarget"
SCALE = "Scale"
ACTIVE = "Active"
GATHER = 0.1
"""Seconds in which alarms that fire at the same time come together to one decision."""
PAST = 50
SUSPENSIONS = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


# -- the table


def registered(doc: dict[str, Any], event: Event, now: float) -> Move:
    changes = event.data["Changes"]
    moved = any(changes.get(m, doc[m]) != doc[m] for m in ("MinCapacity", "MaxCapacity"))
    return Move(ACTIVE, changes, (Instruction(SCALE),) if moved else ())


def scheduled(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Other bounds, by a scheduled action."""
    if doc["SuspendedState"]["ScheduledScalingSuspended"]:
        return None
    bounds = {m: event.data["Action"][m] for m in ("MinCapacity", "MaxCapacity") if m in event.data["Action"]}
    # one bound that crosses the other takes it along
    if "MinCapacity" in bounds and bounds["MinCapacity"] > bounds.get("MaxCapacity", doc["MaxCapacity"]):
        bounds["MaxCapacity"] = bounds["MinCapacity"]
    if "MaxCapacity" in bounds and bounds["MaxCapacity"] < bounds.get("MinCapacity", doc["MinCapacity"]):
        bounds["MinCapacity"] = bounds["MaxCapacity"]
    return Move(ACTIVE, {**bounds, "_scheduled": event.data["Name"]}, (Instruction(SCALE),))


def signalled(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An alarm asks for its policy's action. One that asks during a change is held until that is over."""
    signals = {**doc.get("_signals", {}), event.data["AlarmName"]: {**event.data, "Held": bool(doc.get("_busy"))}}
    return Move(ACTIVE, {"_signals": signals}, (Instruction(SCALE, {}, GATHER),))


def decided(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The signals that a decision has taken in are done; an activity begins if it says so."""
    data = event.data
    left = {name: s for name, s in doc.get("_signals", {}).items() if s["At"] > data["Seen"].get(name, -1.0)}
    changes: dict[str, Any] = {"_signals": left, "_told": data["Told"], "_scheduled": None}
    if data["Activity"]:
        changes["_busy"] = data["Activity"]
    return Move(ACTIVE, changes)


def ended(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """An activity is over. A cooldown begins when the capacity is there."""
    data = event.data
    if doc.get("_busy") != data["Activity"]:
        return None
    changes: dict[str, Any] = {"_busy": None}
    if data["Past"]:
        changes["_past"] = [*doc.get("_past", ()), data["Past"]][-PAST:]
    return Move(ACTIVE, changes, (Instruction(SCALE),))


LIFECYCLE = Lifecycle(
    KIND,
    start=ACTIVE,
    final=(ACTIVE,),
    table={
        (ACTIVE, "Registered"): registered,
        (ACTIVE, "Scheduled"): scheduled,
        (ACTIVE, "Signalled"): signalled,
        (ACTIVE, "Decided"): decided,
        (ACTIVE, "Ended"): ended,
        (ACTIVE, "Deregister"): lambda doc, event, now: Move(ACTIVE, remove=True),
        (ACTIVE, "Fault"): ignore,
    },
)


# -- the verbs


async def find(platform: Platform, call: Call) -> Record:
    """The target that a call names. Raises ObjectNotFoundException."""
    what = Scalable.of(call.params)
    record = await platform.records.get(KIND, call.scope, what.key)
    if record is None:
        raise ServiceError(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: sagemaker, resource ID: {what.resource}, scalable dimension: {what.dimension}",
        )
    return record


class Targets:
    """The verbs of one platform."""

    def __init__(self, platform: Platform, dimensions: Dimensions) -> None:
        self.platform, self.dimensions = platform, dimensions

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("application-autoscaling", "RegisterScalableTarget", self.register)
        bind("application-autoscaling", "DescribeScalableTargets", self.describe)

    async def register(self, call: Call) -> dict[str, Any]:
        """Register, or change what is given of a registered one."""
        p, what = call.params, Scalable.of(call.params)
        capacity = await self.dimensions.check(call.scope, what)
        while True:
            record = await self.platform.records.get(KIND, call.scope, what.key)
            changes = _changes(p, record.doc if record else None, capacity.least, what)
            if record is not None:
                if await self.platform.reconciler.send(KIND, call.scope, what.key, Event("Registered", {"Changes": changes})) is None:
                    continue
                return {"ScalableTargetARN": record.doc["ScalableTargetARN"]}
            doc = self._document(call, what, changes)
            try:
                await self.platform.reconciler.create(Put(KIND, call.scope, what.key, doc, 0), Instruction(SCALE))
            except Conflict:
                continue
            return {"ScalableTargetARN": doc["ScalableTargetARN"]}

    def _document(self, call: Call, what: Scalable, changes: Mapping[str, Any]) -> dict[str, Any]:
        role = f"arn:aws:iam::{call.account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/{ROLE}"
        return {
            "ServiceNamespace": "sagemaker", "ResourceId": what.resource, "ScalableDimension": what.dimension, **changes,
            "RoleARN": role, "CreationTime": self.platform.clock(), "Tags": call.params.get("Tags", {}),
            "ScalableTargetARN": arn("application-autoscaling", call.region, call.account, f"scalable-target/{uuid.uuid4().hex[:26]}"),
        }

    async def describe(self, call: Call) -> dict[str, Any]:
        p = call.params
        records = await self.platform.records.find(KIND, call.scope, Query(sort_by="name", descending=False, limit=1_000_000))
        found = [r for r in records if wanted(r.doc, p) and r.doc["ResourceId"] in p.get("ResourceIds", (r.doc["ResourceId"],))]
        return page(p, found, "ScalableTargets", lambda r: {k: v for k, v in r.doc.items() if k[0] != "_" and k != "Tags"})


def _changes(params: Mapping[str, Any], old: Mapping[str, Any] | None, least: int, what: Scalable) -> dict[str, Any]:
    if old is None:
        for member in ("MinCapacity", "MaxCapacity"):
            if member not in params:
                raise Invalid(f"{member} is required when a scalable target is registered for the first time.")
        if "Tags" in params and len(params["Tags"]) > 50:
            raise Invalid("A scalable target can have at most 50 tags.")
    elif params.get("Tags"):
        raise Invalid("Tags of a registered scalable target are changed with TagResource.")
    changes = {m: params[m] for m in ("MinCapacity", "MaxCapacity") if m in params}
    low, high = (changes.get(m, (old or {}).get(m)) for m in ("MinCapacity", "MaxCapacity"))
    assert low is not None
    assert high is not None
    if low < least:
        hint = " unless the endpoint is asynchronous" if what.dimension == INSTANCES else ""
        raise Invalid(f"Minimum capacity of {what.resource} cannot be less than {least}{hint}.")
    if high < low:
        raise Invalid("Maximum capacity cannot be less than minimum capacity")
    if "SuspendedState" in params or old is None:
        before = (old or {}).get("SuspendedState", {})
        changes["SuspendedState"] = {m: params.get("SuspendedState", {}).get(m, before.get(m, False)) for m in SUSPENSIONS}
    return changes

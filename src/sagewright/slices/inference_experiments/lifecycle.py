"""An experiment's states. Pure: every race is a unit test.

A timer says the moment that it was set for; one that a later schedule has overtaken is ignored.
"""

from __future__ import annotations

from typing import Any

from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore
from . import plans
from .states import (
    ACTIVE,
    ALL,
    BEGIN,
    CANCELLED,
    COMPLETED,
    CREATED,
    CREATING,
    DEPLOY,
    FINISH,
    OVER,
    RESTORE,
    RUNNING,
    SCALE,
    STARTING,
    STOPPING,
    UPDATING,
    WATCH,
)

REASON = 1024


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if before == move.state and not move.changes:
        return {}
    changes: dict[str, Any] = {"Status": move.state, "LastModifiedTime": now}
    if before != move.state and move.state in OVER:
        changes["CompletionTime"] = now
    return changes


def _timer(name: str, at: float, now: float) -> Instruction:
    return Instruction(name, {"At": at}, max(0.0, at - now))


def prepared(doc: dict[str, Any], event: Event, now: float) -> Move:
    """It waits for its time, if that has not come."""
    start = doc["Schedule"]["StartTime"]
    if start > now:
        return Move(CREATED, {}, (_timer(BEGIN, start, now),))
    return Move(STARTING, {}, (Instruction(DEPLOY),))


def begun(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Its time has come, or somebody does not want to wait for it."""
    at = event.data.get("At")
    if doc["_state"] != CREATED or at not in (None, doc["Schedule"]["StartTime"]):
        return None
    changes = {"Schedule": {**doc["Schedule"], "StartTime": now}} if at is None else {}
    return Move(STARTING, changes, (Instruction(DEPLOY),))


def deployed(doc: dict[str, Any], event: Event, now: float) -> Move:
    end = doc["Schedule"]["EndTime"]
    return Move(RUNNING, {"_deployed": True}, (Instruction(WATCH), _timer(FINISH, end, now)))


def changed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Another description, schedule, share, or, before it has begun, anything."""
    changes: dict[str, Any] = event.data["Changes"]
    state = doc["_state"]
    timers: tuple[Instruction, ...] = ()
    if "Schedule" in changes:
        schedule = changes["Schedule"]
        timers = (_timer(BEGIN, schedule["StartTime"], now),) if state == CREATED else (_timer(FINISH, schedule["EndTime"], now),)
    if state == RUNNING and "ShadowModeConfig" in changes:
        return Move(UPDATING, changes, (*timers, Instruction(SCALE)))
    return Move(state, changes, timers)


def scaled(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    return Move(RUNNING) if doc["_state"] == UPDATING else None


def finished(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Its time is over: the production variant goes on alone."""
    if doc["_state"] not in (RUNNING, UPDATING) or event.data["At"] != doc["Schedule"]["EndTime"]:
        return None
    actions = {plans.source(doc): "Retain", plans.shadow(doc): "Remove"}
    return Move(STOPPING, {"_stop": {"Actions": actions, "Desired": [], "State": COMPLETED}}, (Instruction(RESTORE),))


def stop(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Somebody ends it. One that has not begun leaves nothing to be done."""
    plan = {name: event.data[name] for name in ("Actions", "Desired", "State")}
    changes: dict[str, Any] = {"_stop": plan}
    if event.data["Reason"]:
        changes["StatusReason"] = event.data["Reason"]
    if doc["_state"] == CREATED:
        return Move(CANCELLED, changes)
    schedule = {**doc["Schedule"], "EndTime": now}
    return Move(STOPPING, {**changes, "Schedule": schedule}, (Instruction(RESTORE),))


def restored(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    return Move(doc["_stop"]["State"]) if doc["_state"] == STOPPING else None


def failed(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Something that nobody asked for ends it; the endpoint is left with what it has."""
    if doc["_state"] in OVER:
        return None
    return Move(CANCELLED, {"StatusReason": event.data["Reason"][:REASON]})


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], remove=True)


LIFECYCLE = Lifecycle(
    "InferenceExperiment",
    start=CREATING,
    final=(CREATED, RUNNING, COMPLETED, CANCELLED),
    entered=entered,
    table={
        (CREATING, "Prepared"): prepared,
        ((CREATED, *ACTIVE, *OVER), "Prepared"): ignore,
        (CREATED, "Start"): begun,
        (ALL, "Begin"): begun,
        (STARTING, "Deployed"): deployed,
        ((CREATED, RUNNING, UPDATING, STOPPING, *OVER), "Deployed"): ignore,
        ((CREATED, RUNNING), "Change"): changed,
        (ALL, "Scaled"): scaled,
        (ALL, "Finish"): finished,
        ((CREATED, RUNNING), "Stop"): stop,
        (ALL, "Restored"): restored,
        (ALL, "Ended"): failed,
        (ALL, "Fault"): failed,
        ((CREATED, *OVER), "Delete"): delete,
    },
)

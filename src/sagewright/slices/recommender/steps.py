"""A benchmark's states. Pure: every race is a unit test.

An endpoint of its own is created, a load test runs against it in a task, the result is measured, and whatever became of it, the
endpoint is removed before the benchmark is over. A benchmark of an endpoint that exists creates and removes none.
"""

from __future__ import annotations

import json
from typing import Any

from ...resources.jobs import REASON, exit_failure
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore, to
from .states import (
    COMPLETED,
    CREATE,
    CREATING,
    FAILED,
    FINAL,
    LOAD,
    LOADING,
    MEASURE,
    MEASURING,
    PENDING,
    RECORD,
    REMOVE,
    REMOVING,
    STEP,
    STOPPED,
    STOPPING,
    TELL,
)

AGAIN = 30.0
"""Seconds until a removal that went wrong is tried again: nothing is left behind."""
WORKING = (CREATING, LOADING, MEASURING)


def status(state: str) -> str:
    return "IN_PROGRESS" if state in (*WORKING, REMOVING) else state


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if move.state == before:
        return {}
    changes: dict[str, Any] = {"Status": status(move.state)}
    if move.state == CREATING:
        changes["_begun"] = now
    return changes


def served(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The endpoint answers. ``Seconds``: that took."""
    return Move(LOADING, {"_setup": event.data["Seconds"]}, (Instruction(LOAD),))


def submitting(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Its task and its keys are written down before there are any; a load that runs again finds them."""
    if "_task" in doc:
        return None
    return Move(LOADING, {"_task": event.data["Task"], "_access_key": event.data["AccessKey"]})


def measured_load(doc: dict[str, Any], event: Event, now: float) -> Move:
    """What a window of the load test counted goes to the metrics."""
    return Move(LOADING, {}, (Instruction(RECORD, {"Metrics": event.data["Metrics"]}),))


def exited(doc: dict[str, Any], event: Event, now: float) -> Move:
    data = event.data
    if data["ExitCode"] != 0 or data.get("TimedOut"):
        return Move(LOADING, {"_failure": exit_failure(data)})
    try:
        return Move(LOADING, {"_result": json.loads(data.get("Message") or "")})
    except ValueError:
        return Move(LOADING, {"_failure": "InternalServerError: The load test told no result."})


def finished(doc: dict[str, Any], event: Event, now: float) -> Move:
    if "_result" in doc and "_failure" not in doc:
        return Move(MEASURING, {}, (Instruction(MEASURE),))
    return Move(REMOVING, {"_failure": doc.get("_failure", "InternalServerError: The load test was ended.")}, (Instruction(REMOVE),))


def failed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """It cannot go on; ``Reason`` says why."""
    return Move(REMOVING, {"_failure": event.data["Reason"][:REASON]}, (Instruction(REMOVE),))


def never(doc: dict[str, Any], event: Event, now: float) -> Move:
    """It is not even begun."""
    return Move(FAILED, {"_failure": event.data["Reason"][:REASON]}, (Instruction(TELL),))


def measured(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(REMOVING, {"_metrics": event.data["Metrics"]}, (Instruction(REMOVE),))


def removed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Nothing is left of it."""
    if doc["_state"] == STOPPING:
        return Move(STOPPED, {}, (Instruction(TELL),))
    return Move(FAILED if "_failure" in doc else COMPLETED, {}, (Instruction(TELL),))


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An executor gave up."""
    state = doc["_state"]
    if state in (REMOVING, STOPPING):
        return Move(state, {}, (Instruction(REMOVE, {}, AGAIN),))
    return failed(doc, event, now)


ENDING = (REMOVING, STOPPING, *FINAL)

LIFECYCLE = Lifecycle(
    STEP,
    start=PENDING,
    final=FINAL,
    status=status,
    entered=entered,
    table={
        (PENDING, "Begin"): to(CREATING, Instruction(CREATE)),
        ((*WORKING, *ENDING), "Begin"): ignore,
        (CREATING, "Served"): served,
        (PENDING, "Refused"): never,
        ((CREATING, MEASURING), "Refused"): failed,
        (LOADING, "Refused"): failed,
        (LOADING, "Submitting"): submitting,
        (LOADING, "Metric"): measured_load,
        (LOADING, "Exited"): exited,
        (LOADING, "Finished"): finished,
        (LOADING, "Failed"): failed,
        (MEASURING, "Measured"): measured,
        ((REMOVING, STOPPING), "Removed"): removed,
        (PENDING, "Stop"): to(STOPPED, Instruction(TELL)),
        (WORKING, "Stop"): to(STOPPING, Instruction(REMOVE)),
        ((REMOVING, STOPPING, *FINAL), "Stop"): ignore,
        ((PENDING, *WORKING, REMOVING, STOPPING), "Fault"): fault,
        # of the end itself: the job is told again
        (FINAL, "Fault"): lambda doc, event, now: Move(doc["_state"], {}, (Instruction(TELL, {}, AGAIN),)),
        ((LOADING, *ENDING), "Preparing"): ignore,
        ((LOADING, *ENDING), "Staging"): ignore,
        ((LOADING, *ENDING), "Started"): ignore,
        **{((MEASURING, *ENDING), name): ignore for name in ("Metric", "Exited", "Finished", "Failed", "Submitting", "Served")},
        (ENDING, "Refused"): ignore,
        (ENDING, "Measured"): ignore,
        (FINAL, "Removed"): ignore,
    },
)

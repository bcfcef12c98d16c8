"""An execution's states. Pure.

The work of an execution is one long instruction, ``Run``, which starts again after a crash; what it decides is written by
``Tally``, together with the step that it is about. ``Abandon`` stops what a driver that could not go on has left.
"""

from __future__ import annotations

from typing import Any

from ...resources.jobs import REASON
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore, to

RUN, ABANDON = "Run", "Abandon"

RUNNING, STOPPING = "Executing", "Stopping"
SUCCEEDED, FAILED, STOPPED, PARTLY = "Succeeded", "Failed", "Stopped", "CompletedWithFailures"
ACTIVE, FINAL = (RUNNING, STOPPING), (SUCCEEDED, FAILED, STOPPED, PARTLY)


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    return {"PipelineExecutionStatus": doc["_state"], "LastModifiedTime": now}


def tally(doc: dict[str, Any], event: Event, now: float) -> Move:
    """A step has begun, or has changed."""
    return Move(doc["_state"], event.data.get("Changes", {}))


def ended(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Nothing runs any more."""
    state = STOPPED if doc["_state"] == STOPPING else event.data["State"]
    return Move(state, {"FailureReason": (event.data.get("Reason") or "")[:REASON] or None if state == FAILED else None})


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Its driver has failed too often; what its steps made must not run on."""
    return Move(FAILED, {"FailureReason": event.data["Reason"][:REASON]}, (Instruction(ABANDON, {"Round": doc["_round"]}),))


def retry(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Once more, without the steps that have not succeeded."""
    return Move(RUNNING, {**event.data["Changes"], "_round": doc["_round"] + 1, "FailureReason": None}, (Instruction(RUN),))


def update(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], event.data["Changes"])


LIFECYCLE = Lifecycle(
    "PipelineExecution",
    start=RUNNING,
    final=FINAL,
    entered=entered,
    table={
        (ACTIVE, "Tally"): tally,
        (ACTIVE, "Ended"): ended,
        (ACTIVE, "Fault"): fault,
        (ACTIVE, "Answered"): tally,
        ((*ACTIVE, *FINAL), "Update"): update,
        (RUNNING, "Stop"): to(STOPPING),
        (STOPPING, "Stop"): ignore,
        ((FAILED, STOPPED), "Retry"): retry,
        (FINAL, "Fault"): ignore,
    },
)

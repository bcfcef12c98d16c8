"""A recommendations job's states. Pure: every race is a unit test.

A job plans its benchmarks, each a record with a lifecycle of its own (steps.py), has so many of them at a time, and is over when
they are. Nothing but Advance and Halt looks at them; both may run at any time, and twice.
"""

from __future__ import annotations

from typing import Any

from ...resources.jobs import REASON
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore, to
from .states import ADVANCE, COMPLETED, EXPIRE, FAILED, FINAL, HALT, IN_PROGRESS, JOB, PENDING, STOPPED, STOPPING

AGAIN = 30.0
"""Seconds until a stop that went wrong is tried again."""


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if move.state == before:
        return {}
    changes: dict[str, Any] = {"Status": move.state, "LastModifiedTime": now}
    if move.state in FINAL:
        changes["CompletionTime"] = now
    return changes


def planned(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Its benchmarks are written down. ``Seconds``: until the job's time is over."""
    expire = Instruction(EXPIRE, {}, event.data["Seconds"])
    return Move(IN_PROGRESS, {"_until": now + event.data["Seconds"]}, (Instruction(ADVANCE), expire))


def refused(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(FAILED, {"FailureReason": event.data["Reason"][:REASON]})


def ended(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Every benchmark is over."""
    data = event.data
    if data["Reason"]:
        return Move(FAILED, {"FailureReason": data["Reason"][:REASON]})
    return Move(COMPLETED, {m: data[m] for m in ("InferenceRecommendations", "EndpointPerformances") if data[m]})


def halted(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Nothing runs any more after a stop, or after an executor gave up."""
    if reason := doc.get("_fault"):
        return Move(FAILED, {"FailureReason": reason})
    return Move(STOPPED)


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An executor gave up: what runs is stopped, and the job has failed."""
    if doc["_state"] == STOPPING:
        return Move(STOPPING, {}, (Instruction(HALT, {}, AGAIN),))
    return Move(STOPPING, {"_fault": event.data["Reason"][:REASON]}, (Instruction(HALT),))


LIFECYCLE = Lifecycle(
    JOB,
    start=PENDING,
    final=FINAL,
    entered=entered,
    table={
        (PENDING, "Planned"): planned,
        (IN_PROGRESS, "Planned"): ignore,
        # written down after the stop had looked for them
        (STOPPING, "Planned"): to(STOPPING, Instruction(HALT)),
        (STOPPED, "Planned"): to(STOPPED, Instruction(HALT)),
        ((COMPLETED, FAILED), "Planned"): ignore,
        (PENDING, "Refused"): refused,
        ((STOPPING, *FINAL), "Refused"): ignore,
        (IN_PROGRESS, "StepEnded"): to(IN_PROGRESS, Instruction(ADVANCE)),
        (STOPPING, "StepEnded"): to(STOPPING, Instruction(HALT)),
        (FINAL, "StepEnded"): ignore,
        (IN_PROGRESS, "Ended"): ended,
        ((STOPPING, *FINAL), "Ended"): ignore,
        ((PENDING, IN_PROGRESS), "Stop"): to(STOPPING, Instruction(HALT)),
        (STOPPING, "Stop"): ignore,
        (STOPPING, "Halted"): halted,
        (FINAL, "Halted"): ignore,
        ((PENDING, IN_PROGRESS, STOPPING), "Fault"): fault,
        (FINAL, "Fault"): ignore,
    },
)

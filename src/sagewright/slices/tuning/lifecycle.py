"""A tuning job's states. Pure: every race is a unit test.

The work of a tuning job is one long instruction, ``Run``, which starts again after a crash; what it decides is written
by ``Tally``, together with the trial that it is about. A sampler in a process of its own is in ``_sampler``::

    {"Task": id, "Attempt": n, "Socket": path once it answers, "Reason": why it does not}
"""

from __future__ import annotations

from typing import Any

from ...resources.jobs import REASON
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore, to

RUN, SAMPLE, RELEASE, CLEAN = "Run", "Sample", "Release", "Clean"

IN_PROGRESS, STOPPING, COMPLETED, FAILED, STOPPED = "InProgress", "Stopping", "Completed", "Failed", "Stopped"
ACTIVE, FINAL = (IN_PROGRESS, STOPPING), (COMPLETED, FAILED, STOPPED)

ATTEMPTS = 5
"""Samplers that a tuning job gets before it fails."""


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    state = doc["_state"]
    changes: dict[str, Any] = {"HyperParameterTuningJobStatus": state, "LastModifiedTime": now}
    if state in FINAL and before not in FINAL:
        changes["HyperParameterTuningEndTime"] = now
    if state in FINAL or before:
        end = doc.get("HyperParameterTuningEndTime", now)
        changes["ConsumedResources"] = {"RuntimeInSeconds": max(0, round(end - doc["CreationTime"]))}
    return changes


def tally(doc: dict[str, Any], event: Event, now: float) -> Move:
    """A trial was planned, or has changed: counters, best trial and details as the driver counts them."""
    return Move(doc["_state"], event.data["Changes"])


def ended(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Nothing runs any more."""
    state = STOPPED if doc["_state"] == STOPPING else event.data["State"]
    reason = event.data.get("Reason") if state == FAILED else None
    return Move(state, {"FailureReason": reason[:REASON] if reason else None}, (Instruction(CLEAN),))


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(FAILED, {"FailureReason": event.data["Reason"][:REASON]}, (Instruction(CLEAN),))


# -- the sampler


def sample(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """The driver wants a sampler; the second wish of a driver that was started again finds the first."""
    return None if "_sampler" in doc else _sampler(doc, 1)


def ready(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """It answers: the first time, or again after its process was replaced."""
    mine: dict[str, Any] = doc.get("_sampler", {})
    if mine.get("Task") != event.data["Task"]:
        return None
    return Move(doc["_state"], {"_sampler": {**mine, "Socket": event.data["Sockets"][0], "Ready": event.data.get("At", now)}})


def lost(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """It has ended by itself: another one takes its place, a few times."""
    mine: dict[str, Any] = doc.get("_sampler", {})
    if mine.get("Task") != event.data["Task"] or "Reason" in mine:
        return None
    release = Instruction(RELEASE, {"Task": mine["Task"]})
    if mine["Attempt"] >= ATTEMPTS:
        said = event.data.get("Reason") or event.data.get("LastLog") or f"exit code {event.data.get('ExitCode')}"
        return Move(doc["_state"], {"_sampler": {**mine, "Reason": said}}, (release,))
    move = _sampler(doc, mine["Attempt"] + 1)
    return Move(move.state, move.changes, (*move.instructions, release))


def _sampler(doc: dict[str, Any], attempt: int) -> Move:
    task = f"sampler-{doc['HyperParameterTuningJobName'].lower()}-{int(doc['CreationTime'] * 1000)}-{attempt}"
    return Move(doc["_state"], {"_sampler": {"Task": task, "Attempt": attempt}}, (Instruction(SAMPLE),))


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], remove=True)


LIFECYCLE = Lifecycle(
    "HyperParameterTuningJob",
    start=IN_PROGRESS,
    final=FINAL,
    entered=entered,
    table={
        (ACTIVE, "Tally"): tally,
        (ACTIVE, "Ended"): ended,
        (ACTIVE, "Fault"): fault,
        (IN_PROGRESS, "Sample"): sample,
        (STOPPING, "Sample"): ignore,
        (ACTIVE, "Ready"): ready,
        ((*ACTIVE, *FINAL), "Preparing"): ignore,
        ((*ACTIVE, *FINAL), "Staging"): ignore,
        ((*ACTIVE, *FINAL), "Started"): ignore,
        (IN_PROGRESS, "Exited"): lost,
        (IN_PROGRESS, "Finished"): lost,
        (IN_PROGRESS, "Failed"): lost,
        ((STOPPING, *FINAL), "Exited"): ignore,
        ((STOPPING, *FINAL), "Finished"): ignore,
        ((STOPPING, *FINAL), "Failed"): ignore,
        (FINAL, "Ready"): ignore,
        (FINAL, "Fault"): ignore,
        (IN_PROGRESS, "Stop"): to(STOPPING),
        (STOPPING, "Stop"): ignore,
        (FINAL, "Delete"): delete,
    },
)

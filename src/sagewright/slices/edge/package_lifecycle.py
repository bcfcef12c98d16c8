"""An edge packaging job's states. Pure: every race is a unit test. One task; STARTING, INPROGRESS, then an end."""

from __future__ import annotations

import json
from typing import Any

from ...resources.hosts import moved, submitted
from ...resources.jobs import REASON, exit_failure
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore

LAUNCH, HALT, CLEAN = "Launch", "Halt", "Clean"
STARTING, PACKAGING, STOPPING = "STARTING", "INPROGRESS", "STOPPING"
COMPLETED, FAILED, STOPPED = "COMPLETED", "FAILED", "STOPPED"
FINAL = (COMPLETED, FAILED, STOPPED)
RUNNING = (STARTING, PACKAGING)
ACTIVE = (*RUNNING, STOPPING)
CLEAN_UP = (Instruction(CLEAN),)


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    return {"LastModifiedTime": now, "EdgePackagingJobStatus": doc["_state"]}


def submitting(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A launch that runs again after a crash finds its task written down."""
    return None if "_tasks" in doc else Move(STARTING, {"_tasks": submitted(event)})


def staging(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], {"_tasks": moved(doc, event, "Staging")})


def started(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(PACKAGING, {"_tasks": moved(doc, event, "Running")})


def exited(doc: dict[str, Any], event: Event, now: float) -> Move:
    data = event.data
    changes: dict[str, Any] = {"_tasks": moved(doc, event, "Exited")}
    if data["ExitCode"] != 0 and not data.get("Stopped"):
        changes["_failure"] = exit_failure(data)
    elif data.get("Message"):
        changes["_told"] = json.loads(data["Message"])
    return Move(doc["_state"], changes)


def finished(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The task is over and the package is stored."""
    changes: dict[str, Any] = {"_tasks": moved(doc, event, "Ended")}
    if doc["_state"] == STOPPING:
        return Move(STOPPED, changes, CLEAN_UP)
    told = doc.get("_told", {})
    if reason := doc.get("_failure") or ("" if "Sha1" in told else "InternalServerError: The packager told no checksum."):
        return Move(FAILED, {**changes, "EdgePackagingJobStatusMessage": reason}, CLEAN_UP)
    made = {"ModelArtifact": doc["_artifact"], "ModelSignature": told["Signature"], "_sha1": told["Sha1"]}
    return Move(COMPLETED, {**changes, **made}, CLEAN_UP)


def failed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The platform, the input or the output failed."""
    changes: dict[str, Any] = {"_tasks": moved(doc, event, "Ended")}
    if doc["_state"] == STOPPING:
        return Move(STOPPED, changes, CLEAN_UP)
    reason = doc.get("_failure") or event.data["Reason"]
    return Move(FAILED, {**changes, "EdgePackagingJobStatusMessage": reason[:REASON]}, CLEAN_UP)


def gone(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The job cannot begin, or an executor gave up."""
    return Move(FAILED, {"EdgePackagingJobStatusMessage": event.data["Reason"][:REASON]}, CLEAN_UP)


def stop(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STOPPING, {}, (Instruction(HALT),))


def withdrawn(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Stopped before any task existed."""
    return Move(STOPPED, {}, CLEAN_UP)


LIFECYCLE = Lifecycle(
    "EdgePackagingJob",
    start=STARTING,
    final=FINAL,
    entered=entered,
    table={
        (STARTING, "Submitting"): submitting,
        ((PACKAGING, STOPPING), "Submitting"): ignore,
        (STARTING, "Refused"): gone,
        (STOPPING, "Refused"): withdrawn,
        (ACTIVE, "Preparing"): ignore,
        (RUNNING, "Staging"): staging,
        (STOPPING, "Staging"): ignore,
        ((*ACTIVE, *FINAL), "Metric"): ignore,
        (STARTING, "Started"): started,
        ((PACKAGING, STOPPING), "Started"): ignore,
        (ACTIVE, "Exited"): exited,
        (ACTIVE, "Finished"): finished,
        (ACTIVE, "Failed"): failed,
        (ACTIVE, "Fault"): gone,
        (RUNNING, "Stop"): stop,
        (STOPPING, "Stop"): ignore,
        (STOPPING, "Withdrawn"): withdrawn,
    },
)

"""A compilation job's states. Pure: every race is a unit test.

A job is one task. To the caller it is STARTING until the compiler runs and INPROGRESS until its archive is stored.
"""

from __future__ import annotations

import json
from typing import Any

from ...resources.hosts import moved, submitted
from ...resources.jobs import REASON, exit_failure
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore

LAUNCH, HALT, CLEAN = "Launch", "Halt", "Clean"
STARTING, COMPILING, UPLOADING, STOPPING = "Starting", "Compiling", "Uploading", "Stopping"
COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"
FINAL = (COMPLETED, FAILED, STOPPED)
RUNNING = (STARTING, COMPILING, UPLOADING)
ACTIVE = (*RUNNING, STOPPING)


def status(state: str) -> str:
    """The public status of a state."""
    return "INPROGRESS" if state in (COMPILING, UPLOADING) else state.upper()


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    """Status and times that follow from the state."""
    state = doc["_state"]
    changes: dict[str, Any] = {"LastModifiedTime": now, "CompilationJobStatus": status(state)}
    if before == STARTING and state == COMPILING:
        changes["CompilationStartTime"] = now
    if state in FINAL and state != before and "CompilationStartTime" in doc:
        changes["CompilationEndTime"] = now
    return changes


def submitting(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A launch that runs again after a crash finds its task written down."""
    if "_tasks" in doc:
        return None
    data = event.data
    return Move(STARTING, {"_tasks": submitted(event), "_artifact": data["Artifact"], "_image": data["Image"]})


def staging(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], {"_tasks": moved(doc, event, "Staging")})


def started(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(COMPILING, {"_tasks": moved(doc, event, "Running")})


def exited(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The compiler has ended. Past its time it failed; what it told is kept until its archive is stored."""
    data, state = event.data, doc["_state"]
    changes: dict[str, Any] = {"_tasks": moved(doc, event, "Exited")}
    if data.get("TimedOut"):
        changes["_failure"] = "ClientError: The job ran longer than MaxRuntimeInSeconds allows."
    elif data["ExitCode"] != 0 and not data.get("Stopped"):
        changes["_failure"] = exit_failure(data)
    else:
        changes["_told"] = _told(data.get("Message"))
    return Move(STOPPING if state == STOPPING else UPLOADING, changes)


def _told(message: str | None) -> dict[str, Any]:
    try:
        found = json.loads(message or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def finished(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The task is over and what it left is stored."""
    changes: dict[str, Any] = {"_tasks": moved(doc, event, "Ended")}
    clean = (Instruction(CLEAN),)
    if doc["_state"] == STOPPING:
        return Move(STOPPED, changes, clean)
    told = doc.get("_told", {})
    if reason := doc.get("_failure") or ("" if "Digest" in told else "InternalServerError: The compiler told no digest."):
        return Move(FAILED, {**changes, "FailureReason": reason}, clean)
    return Move(COMPLETED, {
        **changes,
        "ModelArtifacts": {"S3ModelArtifacts": doc["_artifact"]},
        "ModelDigests": {"ArtifactDigest": f"sha256:{told['Digest']}"},
        "InferenceImage": doc["_image"],
        "DerivedInformation": {"DerivedDataInputConfig": told["Derived"]} if "Derived" in told else None,
    }, clean)  # fmt: skip


def failed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The platform, the input or the output failed: no process of it runs any more."""
    changes: dict[str, Any] = {"_tasks": moved(doc, event, "Ended")}
    if doc["_state"] == STOPPING:
        return Move(STOPPED, changes, (Instruction(CLEAN),))
    return Move(FAILED, {**changes, "FailureReason": (doc.get("_failure") or event.data["Reason"])[:REASON]}, (Instruction(CLEAN),))


def gone(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The job cannot begin, or an executor gave up: FailureReason says why."""
    return Move(FAILED, {"FailureReason": event.data["Reason"][:REASON]}, (Instruction(CLEAN),))


def stop(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STOPPING, {}, (Instruction(HALT),))


def withdrawn(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Stopped before any task existed."""
    return Move(STOPPED, {}, (Instruction(CLEAN),))


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], remove=True)


LIFECYCLE = Lifecycle(
    "CompilationJob",
    start=STARTING,
    final=FINAL,
    status=status,
    entered=entered,
    table={
        (STARTING, "Submitting"): submitting,
        ((COMPILING, UPLOADING, STOPPING), "Submitting"): ignore,
        (STARTING, "Refused"): gone,
        (STOPPING, "Refused"): withdrawn,
        (ACTIVE, "Preparing"): ignore,
        (RUNNING, "Staging"): staging,
        (STOPPING, "Staging"): ignore,
        ((*ACTIVE, *FINAL), "Metric"): ignore,
        (STARTING, "Started"): started,
        ((COMPILING, UPLOADING, STOPPING), "Started"): ignore,
        (ACTIVE, "Exited"): exited,
        (ACTIVE, "Finished"): finished,
        (ACTIVE, "Failed"): failed,
        (ACTIVE, "Fault"): gone,
        (RUNNING, "Stop"): stop,
        (STOPPING, "Stop"): ignore,
        (STOPPING, "Withdrawn"): withdrawn,
        (FINAL, "Delete"): delete,
    },
)

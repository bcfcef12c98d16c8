"""A processing job's states. Pure: every race is a unit test.

A job runs one task a host; ``resources.hosts`` says what the document keeps of them. To the caller all states before
the end are ``InProgress``, and those on the way to Stopped are ``Stopping``.
"""

from __future__ import annotations

from typing import Any

from ...resources.hosts import everywhere, keyed, moved, submitted
from ...resources.jobs import REASON, exit_failure
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore

LAUNCH, HALT, CLEAN = "Launch", "Halt", "Clean"

STARTING, PROCESSING, UPLOADING = "Starting", "Processing", "Uploading"
STOPPING, TIMING_OUT = "Stopping", "TimingOut"
COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"

FINAL = (COMPLETED, FAILED, STOPPED)
RUNNING = (STARTING, PROCESSING)
ENDING = (STOPPING, TIMING_OUT, UPLOADING)
ACTIVE = (*RUNNING, *ENDING)

MESSAGE = 1024
"""Bytes of the longest ExitMessage."""
GARBLED = "ClientError: The exit message in /opt/ml/output/message is not UTF-8 text."
HALT_ALL = Instruction(HALT)


def status(state: str) -> str:
    """The public status of a state."""
    if state in FINAL:
        return state
    return "Stopping" if state in (STOPPING, TIMING_OUT) else "InProgress"


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    """Status and times that follow from the state."""
    state = doc["_state"]
    changes: dict[str, Any] = {"LastModifiedTime": now, "ProcessingJobStatus": status(state)}
    if before == STARTING and state == PROCESSING:
        changes["ProcessingStartTime"] = now
    if state in FINAL and "ProcessingStartTime" in doc:
        changes["ProcessingEndTime"] = now
    return changes


def exit_message(tasks: dict[str, dict[str, Any]]) -> str | None:
    """The hosts' messages one after the other, cut to 1 KB between characters; None if nobody wrote one."""
    hosts = sorted(tasks.values(), key=lambda t: int(t["Host"].rpartition("-")[2]))
    texts = [t["Message"] for t in hosts if t.get("Message")]
    return "".join(texts).encode()[:MESSAGE].decode(errors="ignore") or None


# -- rules


def submitting(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A launch that runs again after a crash finds its tasks written down."""
    return Move(STARTING, keyed(doc, event) | ({} if "_tasks" in doc else {"_tasks": submitted(event)}))


def staging(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STARTING, {"_tasks": moved(doc, event, "Staging")})


def started(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The job counts as started when every host's process runs."""
    tasks = moved(doc, event, "Running")
    return Move(PROCESSING if everywhere(tasks, "Running", "Exited", "Ended") else STARTING, {"_tasks": tasks})


def exited(doc: dict[str, Any], event: Event, now: float) -> Move:
    """One host's process has ended. The first failing host decides; the others are stopped."""
    data, state = event.data, doc["_state"]
    tasks = moved(doc, event, "Exited", Message=data.get("Message"))
    changes: dict[str, Any] = {"_tasks": tasks}
    running = state in RUNNING
    timed_out = running and bool(data.get("TimedOut"))
    failed = running and data["ExitCode"] != 0 and not data.get("Stopped") and not timed_out and not doc.get("_overtime")
    if failed and "_failure" not in doc:
        changes["_failure"] = exit_failure(data)
    elif running and data.get("Garbled") and not data.get("Stopped") and "_failure" not in doc:
        changes["_failure"] = GARBLED
    if timed_out:
        changes["_overtime"] = True
    if not everywhere(tasks, "Exited", "Ended"):
        return Move(state, changes, (HALT_ALL,) if failed or timed_out else ())
    if not running:
        return Move(state, changes)
    whole = {**doc, **changes}
    return Move(TIMING_OUT if whole.get("_overtime") and "_failure" not in whole else UPLOADING, changes)


def finished(doc: dict[str, Any], event: Event, now: float) -> Move:
    """One host's outputs are stored."""
    tasks = moved(doc, event, "Ended")
    return _end({**doc, "_tasks": tasks}) if everywhere(tasks, "Ended") else Move(doc["_state"], {"_tasks": tasks})


def failed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The platform, an input or an output failed on one host: no process of it runs any more."""
    tasks = moved(doc, event, "Ended")
    changes: dict[str, Any] = {"_tasks": tasks}
    if "_failure" not in doc:
        changes["_failure"] = event.data["Reason"][:REASON]
    if not everywhere(tasks, "Ended"):
        return Move(doc["_state"], changes, (HALT_ALL,))
    return _end({**doc, **changes})


def gone(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The job cannot begin, or an executor gave up: FailureReason says why."""
    return Move(FAILED, {"FailureReason": event.data["Reason"][:REASON]}, (Instruction(CLEAN),))


def stop(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STOPPING, {}, (HALT_ALL,))


def stop_uploading(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The processes have ended: what they left is stored all the same."""
    return Move(STOPPING)


def withdrawn(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Stopped before any task existed."""
    return Move(STOPPED, {}, (Instruction(CLEAN),))


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(doc["_state"], remove=True)


def _end(doc: dict[str, Any]) -> Move:
    clean, state = (Instruction(CLEAN),), doc["_state"]
    changes = {"_tasks": doc["_tasks"], "ExitMessage": exit_message(doc["_tasks"])}
    if reason := doc.get("_failure"):
        return Move(FAILED, {**changes, "FailureReason": reason}, clean)
    return Move(STOPPED if state in (STOPPING, TIMING_OUT) or doc.get("_overtime") else COMPLETED, changes, clean)


LIFECYCLE = Lifecycle(
    "ProcessingJob",
    start=STARTING,
    final=FINAL,
    status=status,
    entered=entered,
    table={
        (STARTING, "Submitting"): submitting,
        (STARTING, "Refused"): gone,
        (STARTING, "Staging"): staging,
        (STARTING, "Started"): started,
        (PROCESSING, "Submitting"): ignore,
        (PROCESSING, "Staging"): ignore,
        (ACTIVE, "Preparing"): ignore,
        (ENDING, "Submitting"): ignore,
        (ENDING, "Refused"): withdrawn,
        (ENDING, "Staging"): ignore,
        (ENDING, "Started"): ignore,
        ((*ACTIVE, *FINAL), "Metric"): ignore,
        ((*RUNNING, STOPPING), "Exited"): exited,
        (ACTIVE, "Finished"): finished,
        (ACTIVE, "Failed"): failed,
        (ACTIVE, "Fault"): gone,
        (RUNNING, "Stop"): stop,
        (UPLOADING, "Stop"): stop_uploading,
        ((STOPPING, TIMING_OUT), "Stop"): ignore,
        (STOPPING, "Withdrawn"): withdrawn,
        (FINAL, "Delete"): delete,
    },
)

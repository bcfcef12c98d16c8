"""A transform job's states. Pure: every race is a unit test.

The job serves its model on one task an instance, pumps the records through, and lets the tasks go. ``_tasks`` is
{task id: {"Host", "Phase", "Sockets"}}, with the phases Waiting → Ready → Ended.
"""

from __future__ import annotations

from typing import Any

from ...gateway.model import died, instance_id
from ...gateway.pipeline import joined
from ...resources import hosts
from ...resources.jobs import REASON
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore

LAUNCH, PUMP, HALT, WIPE, CLEAN = "Launch", "Pump", "Halt", "Wipe", "Clean"

STARTING, TRANSFORMING, STOPPING = "Starting", "Transforming", "Stopping"
COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"
RUNNING = (STARTING, TRANSFORMING)
FINAL = (COMPLETED, FAILED, STOPPED)

GROUP = "/aws/sagemaker/TransformJobs"


def status(state: str) -> str:
    return "InProgress" if state in RUNNING else state


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    state = move.state
    changes: dict[str, Any] = {"TransformJobStatus": status(state), "LastModifiedTime": now}
    if state == before:
        return {}
    if state == TRANSFORMING:
        changes["TransformStartTime"] = now
    if state in FINAL:
        changes["TransformEndTime"] = now
        # typed clients want both or neither
        changes["TransformStartTime"] = doc.get("TransformStartTime", doc.get("CreationTime", now))
    return changes


def submitting(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A launch that runs again after a crash finds its tasks written down."""
    return Move(doc["_state"], hosts.keyed(doc, event) | ({} if "_tasks" in doc else {"_tasks": hosts.submitted(event)}))


def ready(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An instance answers; when all do, the records go. A restarted worker says it again."""
    tasks = hosts.moved(doc, event, "Ready", Sockets=joined(event.data))
    if doc["_state"] == STARTING and hosts.everywhere(tasks, "Ready"):
        return Move(TRANSFORMING, {"_tasks": tasks}, (Instruction(PUMP),))
    return Move(doc["_state"], {"_tasks": tasks})


def pumped(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Every object is done, or the reason why not."""
    if reason := event.data.get("Reason"):
        return Move(FAILED, {"FailureReason": _short(reason)}, _let_go(doc["_tasks"]))
    return Move(COMPLETED, {}, _let_go(doc["_tasks"]))


def ended(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An instance is gone: a running job fails with it, others have waited for it."""
    state = doc["_state"]
    tasks = hosts.moved(doc, event, "Ended")
    over = hosts.everywhere(tasks, "Ended")
    if state in RUNNING:
        return Move(FAILED, {"_tasks": tasks, "FailureReason": _reason(doc, event)}, _let_go(tasks))
    then = Instruction(WIPE) if state == STOPPING else Instruction(CLEAN)
    return Move(state, {"_tasks": tasks}, (then,) if over else ())


def exited(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """The container ended; its last report comes after its logs are stored."""
    if doc["_state"] not in RUNNING:
        return None
    return Move(FAILED, {"FailureReason": _reason(doc, event)}, _let_go(doc["_tasks"]))


def refused(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(FAILED, {"FailureReason": _short(event.data["Reason"])}, (Instruction(CLEAN),))


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    if doc["_state"] in FINAL:
        return Move(doc["_state"])
    return Move(FAILED, {"FailureReason": _short(event.data["Reason"])}, _let_go(doc.get("_tasks", {})))


def stop(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STOPPING, {}, (Instruction(HALT),))


def wiped(doc: dict[str, Any], event: Event, now: float) -> Move:
    """A stopped job leaves no output."""
    return Move(STOPPED, {}, (Instruction(CLEAN),))


def withdrawn(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Stopped before any task existed."""
    return Move(STOPPED, {}, (Instruction(CLEAN),))


def _let_go(tasks: hosts.Hosts) -> tuple[Instruction, ...]:
    return (Instruction(CLEAN),) if hosts.everywhere(tasks, "Ended") else (Instruction(HALT),)


def _reason(doc: dict[str, Any], event: Event) -> str:
    cause = died(event.data)
    if "Reason" not in event.data or "/ping" in cause:
        cause = f"AlgorithmError: {cause.removeprefix('ClientError: ')}"
    stream = log_stream(doc, event.data["Task"]) + (f"/{event.data['Container']}" if "Container" in event.data else "")
    where = f" Logs: group {GROUP}, stream {stream}."
    return cause[: REASON - len(where)] + where


def _short(reason: str) -> str:
    return reason[:REASON]


def log_stream(doc: dict[str, Any], task: str) -> str:
    return f"{doc['TransformJobName']}/{instance_id(task)}"


LIFECYCLE = Lifecycle(
    "TransformJob",
    start=STARTING,
    final=FINAL,
    status=status,
    entered=entered,
    table={
        (STARTING, "Submitting"): submitting,
        (STARTING, "Refused"): refused,
        ((STOPPING, FAILED), "Refused"): ignore,
        ((TRANSFORMING, STOPPING, *FINAL), "Submitting"): ignore,
        ((*RUNNING, STOPPING, *FINAL), "Preparing"): ignore,
        ((*RUNNING, STOPPING, *FINAL), "Staging"): ignore,
        ((*RUNNING, STOPPING, *FINAL), "Started"): ignore,
        (RUNNING, "Ready"): ready,
        ((STOPPING, *FINAL), "Ready"): ignore,
        (TRANSFORMING, "Pumped"): pumped,
        ((*RUNNING, STOPPING, *FINAL), "Exited"): exited,
        ((*RUNNING, STOPPING, *FINAL), "Finished"): ended,
        ((*RUNNING, STOPPING, *FINAL), "Failed"): ended,
        ((*RUNNING, STOPPING, *FINAL), "Fault"): fault,
        (RUNNING, "Stop"): stop,
        (STOPPING, "Stop"): ignore,
        (STOPPING, "Wiped"): wiped,
        (STOPPING, "Withdrawn"): withdrawn,
        (FINAL, "Withdrawn"): ignore,
    },
)

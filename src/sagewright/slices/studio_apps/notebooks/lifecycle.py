"""The states of a notebook instance. Pure: every race is a unit test."""

from __future__ import annotations

from typing import Any

from ....resources.jobs import REASON
from ....resources.lone import keyed, next_task, retired, without
from ....runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore

NOUN = "NotebookInstance"
PENDING, IN_SERVICE, STOPPING, STOPPED = "Pending", "InService", "Stopping", "Stopped"
FAILED, UPDATING, DELETING = "Failed", "Updating", "Deleting"
START, RETIRE, FORGET, WATCH, APPLY, ERASE = "Start", "Retire", "Forget", "Watch", "Apply", "Erase"
AT_REST = (STOPPED, FAILED)
FAULT_DELAY = 30.0


def start(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(PENDING, next_task(doc), (Instruction(START),))


def ready(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    if event.data["Task"] != doc.get("_task"):
        return None
    watch = () if doc["_state"] == IN_SERVICE else (Instruction(WATCH, {"Task": doc["_task"]}),)
    return Move(IN_SERVICE, {"_sockets": event.data["Sockets"], "_created": True}, watch)


def stop(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STOPPING, retired(doc), (Instruction(RETIRE),))


def ended(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A task is over: as it was told, or by itself, which is a failure."""
    task, state = event.data["Task"], doc["_state"]
    if task in doc.get("_retiring", {}):
        return None if event.name == "Exited" else Move(state, {}, (Instruction(FORGET, {"Task": task}),))
    if task != doc.get("_task"):
        return None
    return _fail(doc, _reason(event.data))


def forgotten(doc: dict[str, Any], event: Event, now: float) -> Move:
    changes, state = without(doc, event.data["Task"]), doc["_state"]
    return Move(STOPPED if state == STOPPING and not changes["_retiring"] else state, changes)


def update(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(UPDATING, dict(event.data["Changes"]), (Instruction(APPLY),))


def applied(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STOPPED)


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DELETING, {}, (Instruction(ERASE),))


def erased(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DELETING, remove=True)


def watch_again(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    if event.data["Task"] != doc.get("_task"):
        return None
    return Move(doc["_state"], {}, (Instruction(WATCH, {"Task": event.data["Task"]}, event.data["After"]),))


def refused(doc: dict[str, Any], event: Event, now: float) -> Move:
    return _fail(doc, event.data["Reason"])


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An executor gave up. An instance that was to start has failed; what was to end is ended again later."""
    state = doc["_state"]
    if state == PENDING:
        return _fail(doc, event.data["Reason"])
    if state == DELETING:
        return Move(state, {}, (Instruction(ERASE, {}, FAULT_DELAY),))
    return Move(state, {}, (Instruction(RETIRE, {}, FAULT_DELAY),) if doc.get("_retiring") else ())


def _fail(doc: dict[str, Any], reason: str) -> Move:
    return Move(FAILED, {**retired(doc), "FailureReason": reason[:REASON]}, (Instruction(RETIRE),))


def _reason(data: dict[str, Any]) -> str:
    if "Reason" in data:
        return str(data["Reason"])
    return f"JupyterLab exited with code {data.get('ExitCode')}. Last log line: {data.get('LastLog') or 'none'}"


def _entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if before == move.state:
        return {}
    more = {} if move.state == FAILED else {"FailureReason": None}
    return {"NotebookInstanceStatus": move.state, "LastModifiedTime": now, **more}


EVERY = (PENDING, IN_SERVICE, STOPPING, STOPPED, FAILED, UPDATING, DELETING)

INSTANCES = Lifecycle(
    NOUN,
    start=PENDING,
    final=(IN_SERVICE, STOPPED, FAILED),
    entered=_entered,
    table={
        (AT_REST, "Start"): start,
        (AT_REST, "Update"): update,
        (AT_REST, "Delete"): delete,
        (IN_SERVICE, "Stop"): stop,
        (UPDATING, "Applied"): applied,
        (PENDING, "Refused"): refused,
        ((IN_SERVICE, STOPPING, *AT_REST, UPDATING, DELETING), "Refused"): ignore,
        (EVERY, "Keyed"): keyed,
        (EVERY, "Preparing"): ignore,
        (EVERY, "Staging"): ignore,
        (EVERY, "Started"): ignore,
        (EVERY, "Metric"): ignore,
        ((PENDING, IN_SERVICE), "Ready"): ready,
        ((STOPPING, *AT_REST, UPDATING, DELETING), "Ready"): ignore,
        (EVERY, "Exited"): ended,
        (EVERY, "Finished"): ended,
        (EVERY, "Failed"): ended,
        (EVERY, "Forgotten"): forgotten,
        (IN_SERVICE, "Watch"): watch_again,
        (DELETING, "Erased"): erased,
        (EVERY, "Fault"): fault,
    },
)

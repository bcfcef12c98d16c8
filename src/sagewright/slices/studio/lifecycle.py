"""The states of domains, user profiles and spaces (one table), and of apps. Pure: every race is a unit test.

What runs an app is one task, ``_task``, answering on ``_sockets``. Tasks that have to go are in ``_retiring`` until nothing is
left of them: an app is Deleted when none is.
"""

from __future__ import annotations

from typing import Any

from ...resources.apps import ACTIVITY, APP, IDLE, REFUSED
from ...resources.jobs import REASON
from ...resources.lone import keyed, retired, without
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore

DOMAIN, PROFILE, SPACE = "Domain", "UserProfile", "Space"
PENDING, IN_SERVICE, FAILED, UPDATING, DELETING = "Pending", "InService", "Failed", "Updating", "Deleting"
UPDATE_FAILED, DELETE_FAILED, DELETED = "Update_Failed", "Delete_Failed", "Deleted"

PROVISION, APPLY, ERASE = "Provision", "Apply", "Erase"
START, RETIRE, FORGET, WATCH, CLEAR, EXPIRE = "Start", "Retire", "Forget", "Watch", "Clear", "Expire"
LISTED = 86_400.0
"""Seconds that a deleted app stays listed."""
FAULT_DELAY = 30.0

FAILURES = {PENDING: FAILED, UPDATING: UPDATE_FAILED, DELETING: DELETE_FAILED}
RESTING = (IN_SERVICE, FAILED, UPDATE_FAILED, DELETE_FAILED)


def _entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if before == move.state:
        return {}
    changes: dict[str, Any] = {"Status": move.state}
    if before:
        changes["LastModifiedTime"] = now
    if move.state not in FAILURES.values():
        changes["FailureReason"] = None
    return changes


# -- domains, profiles and spaces


class Stale(Exception):
    """A place is no more what somebody's change was made of."""


def update(doc: dict[str, Any], event: Event, now: float) -> Move:
    """``Seen``: the members that ``Changes`` were made of. Raises Stale: another change came between."""
    if any(doc.get(member) != was for member, was in event.data["Seen"].items()):
        raise Stale
    return Move(UPDATING, {}, (Instruction(APPLY, {"Changes": event.data["Changes"]}),))


def ready(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(IN_SERVICE, dict(event.data.get("Changes", {})))


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DELETING, {}, (Instruction(ERASE, dict(event.data)),))


def gone(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DELETING, remove=True)


def refused(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(FAILURES[doc["_state"]], {"FailureReason": event.data["Reason"][:REASON]})


def place(noun: str) -> Lifecycle:
    """The lifecycle of a domain, a user profile or a space."""
    return Lifecycle(
        noun,
        start=PENDING,
        final=RESTING,
        entered=_entered,
        table={
            ((PENDING, UPDATING), "Ready"): ready,
            ((IN_SERVICE, UPDATE_FAILED), "Update"): update,
            (RESTING, "Delete"): delete,
            (DELETING, "Gone"): gone,
            ((PENDING, UPDATING, DELETING), "Refused"): refused,
            ((PENDING, UPDATING, DELETING), "Fault"): refused,
        },
    )


# -- apps


def task_ready(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    if event.data["Task"] != doc.get("_task"):
        return None
    watch = () if doc["_state"] == IN_SERVICE else (Instruction(WATCH, {"Task": doc["_task"]}),)
    return Move(IN_SERVICE, {"_sockets": event.data["Sockets"], "LastHealthCheckTimestamp": now}, watch)


def task_ended(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A task is over: as it was told, or from inside, or by a fault."""
    task, state = event.data["Task"], doc["_state"]
    if task in doc.get("_retiring", {}):
        return None if event.name == "Exited" else Move(state, {}, (Instruction(FORGET, {"Task": task}),))
    if task != doc.get("_task"):
        return None
    if state == IN_SERVICE and "Reason" not in event.data and event.data.get("ExitCode") == 0:
        return _leave(doc)
    return _fail(doc, _reason(event.data))


def forgotten(doc: dict[str, Any], event: Event, now: float) -> Move:
    task, state = event.data["Task"], doc["_state"]
    changes = without(doc, task)
    return Move(state, changes, (Instruction(CLEAR),) if state == DELETING and not changes["_retiring"] else ())


def app_delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    return _leave(doc)


def app_refused(doc: dict[str, Any], event: Event, now: float) -> Move:
    return _fail(doc, event.data["Reason"])


def cleared(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DELETED, {}, (Instruction(EXPIRE, {"Serial": doc.get("_serial")}, LISTED),))


def expired(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A day later; unless an app of the same name has been made since."""
    return Move(DELETED, remove=True) if event.data.get("Serial") == doc.get("_serial") else None


def activity(doc: dict[str, Any], event: Event, now: float) -> Move:
    shown = {"At": "LastUserActivityTimestamp", "Healthy": "LastHealthCheckTimestamp"}
    return Move(doc["_state"], {shown[k]: v for k, v in event.data.items() if k in shown})


def watch_again(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    if event.data["Task"] != doc.get("_task"):
        return None
    return Move(doc["_state"], {}, (Instruction(WATCH, {"Task": event.data["Task"]}, event.data["After"]),))


def app_fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An executor gave up. An app that was to start has failed; one that was to end is ended again later."""
    state = doc["_state"]
    if state == PENDING:
        return _fail(doc, event.data["Reason"])
    if doc.get("_retiring"):
        return Move(state, {}, (Instruction(RETIRE, {}, FAULT_DELAY),))
    if state == DELETING:
        return Move(state, {}, (Instruction(CLEAR, {}, FAULT_DELAY),))
    return Move(state)


def _leave(doc: dict[str, Any]) -> Move:
    changes = retired(doc)
    return Move(DELETING, changes, (Instruction(RETIRE if changes["_retiring"] else CLEAR),))


def _fail(doc: dict[str, Any], reason: str) -> Move:
    return Move(FAILED, {**retired(doc), "FailureReason": reason[:REASON]}, (Instruction(RETIRE),))


def _reason(data: dict[str, Any]) -> str:
    if "Reason" in data:
        return str(data["Reason"])
    return f"The app exited with code {data.get('ExitCode')}. Last log line: {data.get('LastLog') or 'none'}"


LIVING = (PENDING, IN_SERVICE)
EVERY = (*LIVING, FAILED, DELETING, DELETED)

APPS = Lifecycle(
    APP,
    start=PENDING,
    final=(IN_SERVICE, FAILED, DELETED),
    entered=_entered,
    table={
        ((*LIVING, FAILED), "Delete"): app_delete,
        (IN_SERVICE, IDLE): app_delete,
        (PENDING, REFUSED): app_refused,
        (EVERY, "Keyed"): keyed,
        (EVERY, "Preparing"): ignore,
        (EVERY, "Staging"): ignore,
        (EVERY, "Started"): ignore,
        (EVERY, "Metric"): ignore,
        (LIVING, "Ready"): task_ready,
        ((FAILED, DELETING, DELETED), "Ready"): ignore,
        (EVERY, "Exited"): task_ended,
        (EVERY, "Finished"): task_ended,
        (EVERY, "Failed"): task_ended,
        (EVERY, "Forgotten"): forgotten,
        (IN_SERVICE, ACTIVITY): activity,
        (IN_SERVICE, "Watch"): watch_again,
        (DELETING, "Cleared"): cleared,
        (DELETED, "Expire"): expired,
        ((*LIVING, FAILED, DELETING), "Expire"): ignore,
        (EVERY, "Fault"): app_fault,
    },
)

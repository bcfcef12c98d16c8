"""The states of tracking servers and apps. Pure: every race is a unit test.

What runs is one task, ``_task``; ``_sockets`` is where it answers. Tasks that have to go are in ``_retiring`` until nothing
of them is left. Two tasks never share the store: a new one begins when the old one is gone.
"""

from __future__ import annotations

from typing import Any

from ...resources.lone import keyed, next_task, retired, without
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, Rule, ignore

DEPLOY, RETIRE, FORGET, ERASE, APPLY, REGISTER = "Deploy", "Retire", "Forget", "Erase", "Apply", "Register"

CREATING, UPDATING, STARTING, STOPPING, DELETING = "Creating", "Updating", "Starting", "Stopping", "Deleting"
DONE = {CREATING: "Created", UPDATING: "Updated", STARTING: "Started", STOPPING: "Stopped"}
FAILED = {CREATING: "CreateFailed", UPDATING: "UpdateFailed", STARTING: "StartFailed", STOPPING: "StopFailed", DELETING: "DeleteFailed"}
COMING = (CREATING, UPDATING, STARTING)
CHANGING = (*COMING, STOPPING, DELETING)
SETTLED = (*DONE.values(), *FAILED.values())
ALL = (*CHANGING, *SETTLED)

FIRST_DELAY, LONGEST_DELAY, CALM = 0.5, 30.0, 60.0
"""Seconds before a lost task is replaced: doubled at each loss, up to the longest, from anew after a calm minute."""
FAULT_DELAY = 30.0


def active(doc: dict[str, Any]) -> bool:
    """Whether the server is up, or on its way back after a loss."""
    return bool(doc.get("_task")) and doc["_state"] not in (CREATING, STARTING, DELETING)


# -- what callers ask for


def stop(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STOPPING, retired(doc), (Instruction(RETIRE),))


def start(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(STARTING, next_task(doc), (Instruction(DEPLOY),))


def update(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Other settings; a running server whose task depends on them begins anew, on the same store."""
    changes = dict(event.data["Changes"])
    if event.data["Restart"] and active(doc):
        changes |= retired(doc) | {"_again": True}
        return Move(UPDATING, changes, (Instruction(RETIRE),))
    return Move(UPDATING, changes, (Instruction(APPLY),))


def applied(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DONE[UPDATING])


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    changes = retired(doc)
    return Move(DELETING, changes, (Instruction(RETIRE if changes["_retiring"] else ERASE),))


# -- what tasks report


def ready(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    if event.data["Task"] != doc.get("_task"):
        return None
    state = doc["_state"]
    made = (Instruction(REGISTER),) if doc.get("_sockets") == [] else ()  # versions that nobody registered before a kill
    return Move(DONE[state] if state in COMING else state, {"_sockets": event.data["Sockets"]}, made)


def ended(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A task is over: as it was told, or before it was ready, or a server that ran is lost."""
    task, state = event.data["Task"], doc["_state"]
    if task in doc.get("_retiring", {}):
        return None if event.name == "Exited" else Move(state, {}, (Instruction(FORGET, {"Task": task}),))
    if task != doc.get("_task"):
        return None
    if state in COMING and not doc.get("_sockets"):
        return _fail(doc, _reason(event.data))
    losses, last = doc.get("_losses", [0, 0.0])
    losses = losses if now - last < CALM else 0
    changes = retired(doc)
    changes |= next_task(doc) | {"_losses": [losses + 1, now]}
    delay = min(FIRST_DELAY * 2**losses, LONGEST_DELAY)
    return Move(state, changes, (Instruction(RETIRE), Instruction(DEPLOY, {}, delay)))


def forgotten(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Nothing is left of a task; when it was the last, what waited for that goes on."""
    task, state = event.data["Task"], doc["_state"]
    changes = without(doc, task)
    if changes["_retiring"]:
        return Move(state, changes)
    if state == STOPPING:
        return Move(DONE[STOPPING], changes)
    if state == DELETING:
        return Move(DELETING, changes, (Instruction(ERASE),))
    if state == UPDATING and doc.get("_again"):
        return Move(UPDATING, {**changes, **next_task(doc), "_again": None}, (Instruction(DEPLOY),))
    return Move(state, changes)


def erased(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(DELETING, remove=True)


def refused(doc: dict[str, Any], event: Event, now: float) -> Move:
    return _fail(doc, event.data["Reason"])


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An executor gave up. What is being changed fails; a server that runs is looked after again later."""
    state = doc["_state"]
    if state in COMING:
        return _fail(doc, event.data["Reason"])
    if state in FAILED:
        return Move(FAILED[state], {"_failure": event.data["Reason"]})
    return Move(state, {}, (Instruction(RETIRE, {}, FAULT_DELAY), *((Instruction(DEPLOY, {}, FAULT_DELAY),) if doc.get("_task") else ())))


# -- parts


def _fail(doc: dict[str, Any], reason: str) -> Move:
    return Move(FAILED[doc["_state"]], {**retired(doc), "_failure": reason[:1024], "_again": None}, (Instruction(RETIRE),))


def _reason(data: dict[str, Any]) -> str:
    if "Reason" in data:
        return str(data["Reason"])
    return f"MLflow exited with code {data.get('ExitCode')}. Last log line: {data.get('LastLog') or 'none'}"


def _when(allowed: bool, rule: Rule) -> Rule:
    """The rule where the server's being active is as ``allowed`` says; otherwise the state does not allow the event."""

    def checked(doc: dict[str, Any], event: Event, now: float) -> Move | None:
        if active(doc) is not allowed:
            raise Inactive if allowed else Active
        return rule(doc, event, now)

    return checked


class Active(Exception):
    """What is asked for needs a server that is stopped."""


class Inactive(Exception):
    """What is asked for needs a server that runs."""


def lifecycle(noun: str, status: str) -> Lifecycle:
    """The lifecycle of a noun whose status is shown as ``status``."""

    def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
        return {status: move.state, "LastModifiedTime": now} if before != move.state else {}

    usable = tuple(s for s in SETTLED if s not in ("CreateFailed", "DeleteFailed"))
    return Lifecycle(
        noun,
        start=CREATING,
        final=SETTLED,
        entered=entered,
        table={
            (usable, "Stop"): _when(True, stop),
            (usable, "Start"): _when(False, start),
            (usable, "Update"): update,
            (SETTLED, "Delete"): delete,
            (UPDATING, "Applied"): applied,
            (COMING, "Refused"): refused,
            ((*SETTLED, STOPPING, DELETING), "Refused"): ignore,
            (ALL, "Keyed"): keyed,
            (ALL, "Preparing"): ignore,
            (ALL, "Staging"): ignore,
            (ALL, "Started"): ignore,
            (ALL, "Metric"): ignore,
            (ALL, "Ready"): ready,
            (ALL, "Exited"): ended,
            (ALL, "Finished"): ended,
            (ALL, "Failed"): ended,
            (ALL, "Forgotten"): forgotten,
            (DELETING, "Erased"): erased,
            (ALL, "Fault"): fault,
        },
    )

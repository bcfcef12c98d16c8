"""An endpoint's states. Pure: every race is a unit test.

An endpoint serves from ``_fleet``; a deployment under way is ``_next`` (fleet.py says what a fleet is, rollout.py how one takes
over from the other). Tasks that have to go are in ``_retiring`` until nothing of them is left; those that an update keeps for
its termination wait are in ``_leaving``.
"""

from __future__ import annotations

from typing import Any

from ...gateway.model import died, instance_id
from ...gateway.pipeline import joined
from ...resources.jobs import REASON
from ...resources.lone import keyed
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore
from . import fleet as fleets
from . import rollout
from .fleet import READY, WAITING, Fleet
from .rollout import sockets
from .states import (
    ALL,
    CHANGING,
    CREATING,
    DELETING,
    DEPLOY,
    FAILED,
    FORGET,
    IN_SERVICE,
    RESTORE,
    RETIRE,
    ROLLBACK_FAILED,
    ROLLING_BACK,
    SERVING,
    UPDATING,
)

FIRST_DELAY, LONGEST_DELAY, CALM = 0.5, 30.0, 60.0
"""Seconds before a lost instance is replaced: doubled at each loss, up to the longest, from anew after a calm minute."""
FAULT_DELAY = 30.0

PING = "The {container} container for production variant {variant} did not pass the ping health check. Please check CloudWatch logs for this endpoint."


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if before == move.state and "FailureReason" not in move.changes:
        return {}
    return {"EndpointStatus": move.state, "LastModifiedTime": now}


# -- deployments


def update(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Another configuration: all new tasks, beside those that serve."""
    data, given = event.data, event.data.get("Given")
    variants = fleets.retain(data["Variants"], doc["_fleet"], data["Excluded"]) if data["Retain"] else data["Variants"]
    changes: dict[str, Any] = {"FailureReason": None}
    if doc["_state"] == ROLLBACK_FAILED:
        changes |= {"_mixed": doc.get("_next"), "_mixed_shift": doc.get("_shift")}
    begun, first = rollout.begin({**doc, **changes}, data["Config"], variants, given, data.get("Caller"), now)
    if given:
        changes["LastDeploymentConfig"] = given
    return Move(UPDATING, {**changes, **begun}, first)


def scale(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Other weights and counts of the same configuration."""
    after, serial = fleets.rescale(doc["_fleet"], doc["_prefix"], doc["_serial"], event.data["Desired"], now)
    return Move(UPDATING, {"_next": after, "_serial": serial, "FailureReason": None}, (Instruction(DEPLOY),))


def submitted(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Every task of the deployment is on its way, or was there already."""
    return rollout.reached(doc, {}, now) if _starting(doc) and fleets.whole(doc["_next"]) else None


def progress(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """What a task is doing before it answers, for PendingDeploymentSummary."""
    task, after = event.data["Task"], doc.get("_next")
    if not after or task not in after["Tasks"]:
        return None
    message = event.data.get("Message") or {"Staging": "Downloading model data", "Started": "Starting the container"}.get(event.name, "")
    return Move(doc["_state"], {"_next": fleets.with_task(after, task, Message=message)})


def ready(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A task answers on its sockets. The first time, or again after it restarted a process of its own."""
    task = event.data["Task"]
    changes: dict[str, Any] = {}
    for member in ("_fleet", "_next", "_mixed"):
        deployment = doc.get(member)
        if deployment and task in deployment["Tasks"]:
            changes[member] = fleets.with_task(deployment, task, Phase=READY, Sockets=joined(event.data))
    if not changes:
        return None
    if "_next" in changes and _starting(doc) and fleets.whole(changes["_next"]):
        return rollout.reached(doc, changes, now)
    if "_fleet" in changes and doc["_state"] == ROLLING_BACK and fleets.whole(changes["_fleet"]):
        return rollout.restored(doc, changes)
    return Move(doc["_state"], changes)


def pooled(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Other instances for inference components."""
    return Move(doc["_state"], {"_pool": event.data["Pool"]})


def ended(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A task is over: as it was told, or a deployment fails, or an instance that served is lost."""
    task, state = event.data["Task"], doc["_state"]
    if task in doc.get("_retiring", {}):
        return None if event.name == "Exited" else Move(state, {}, (Instruction(FORGET, {"Task": task}),))
    if task in doc.get("_leaving", {}):
        staying = {k: v for k, v in doc["_leaving"].items() if k != task}
        return Move(state, {"_leaving": staying, "_retiring": _and(doc, task, doc["_leaving"][task])}, (Instruction(RETIRE),))
    if state in SERVING and (about := _served(doc, task)):
        if state == ROLLING_BACK and about["Phase"] == WAITING:
            return rollout.back_failed(doc, _reason(doc, task, event.data))
        return _lost(doc, task, about, now)
    after = doc.get("_next")
    if state in (*CHANGING, ROLLING_BACK) and after and task in after["Tasks"]:
        return _failed_task(doc, task, event, now)
    return None


def refused(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    return rollout.give_up(doc, event.data["Reason"], now) if _starting(doc) else None


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An executor gave up: a deployment fails; what only cleans up is tried again later."""
    state, reason = doc["_state"], event.data["Reason"]
    if state in CHANGING and doc.get("_next"):
        return rollout.give_up(doc, reason, now)
    if state == ROLLING_BACK:
        intact = fleets.complete(doc["_fleet"]) and fleets.whole(doc["_fleet"])
        return rollout.returned(doc, doc["FailureReason"]) if intact else rollout.back_failed(doc, reason)
    again = [Instruction(RETIRE, {}, FAULT_DELAY)]
    if state in SERVING:
        again.append(Instruction(RESTORE, {}, FAULT_DELAY))
    if state == UPDATING:  # only the termination wait is left of it
        leaving = {**doc.get("_retiring", {}), **doc.get("_leaving", {})}
        return Move(IN_SERVICE, {"_leaving": None, "_deployment": None, "_retiring": leaving}, tuple(again))
    return Move(state, {}, tuple(again))


# -- the end


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    members = ("_fleet", "_next", "_mixed")
    gone = {**doc.get("_leaving", {}), **doc.get("_retiring", {})}
    for member in members:
        gone |= sockets(doc.get(member))
    if not gone:
        return Move(DELETING, remove=True)
    changes = dict.fromkeys((*members, "_shift", "_mixed_shift", "_deployment", "_leaving"))
    return Move(DELETING, {**changes, "_retiring": gone}, (Instruction(RETIRE),))


def forgotten(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Nothing is left of a task."""
    task = event.data["Task"]
    left = {k: v for k, v in doc.get("_retiring", {}).items() if k != task}
    keys = {k: v for k, v in doc.get("_keys", {}).items() if k != task}
    return Move(doc["_state"], {"_retiring": left, "_keys": keys}, remove=doc["_state"] == DELETING and not left)


# -- parts


def _starting(doc: dict[str, Any]) -> bool:
    """Whether a deployment waits for instances."""
    return doc["_state"] in CHANGING and bool(doc.get("_next")) and rollout.current(doc)["Phase"] == rollout.STARTING


def _served(doc: dict[str, Any], task: str) -> dict[str, Any] | None:
    """What is known of a task that the endpoint serves with, and goes on serving with whatever comes of a deployment."""
    mixed = "_next" if doc["_state"] == ROLLBACK_FAILED else "_mixed"
    for member in ("_fleet", mixed):
        if doc.get(member) and task in doc[member]["Tasks"]:
            found: dict[str, Any] = doc[member]["Tasks"][task]
            return found
    return None


def _and(doc: dict[str, Any], task: str, paths: list[str]) -> dict[str, Any]:
    return {**doc.get("_retiring", {}), task: paths}


def _lost(doc: dict[str, Any], task: str, about: dict[str, Any], now: float) -> Move:
    """An instance that served is gone: a new one takes its place, later if that happens often."""
    losses, last = doc.get("_losses", [0, 0.0])
    losses = losses if now - last < CALM else 0
    new = f"{doc['_prefix']}-{doc['_serial']}"
    changes: dict[str, Any] = {"_serial": doc["_serial"] + 1, "_losses": [losses + 1, now]}
    for member in ("_fleet", "_next", "_mixed"):
        if doc.get(member) and task in doc[member]["Tasks"]:
            changes[member] = fleets.replace_task(doc[member], task, new)
    changes["_retiring"] = _and(doc, task, about["Sockets"])
    delay = min(FIRST_DELAY * 2**losses, LONGEST_DELAY)
    return Move(doc["_state"], changes, (Instruction(RETIRE), Instruction(RESTORE, {}, delay)))


def _failed_task(doc: dict[str, Any], task: str, event: Event, now: float) -> Move | None:
    """An instance of a deployment is gone: the deployment is taken back."""
    if not rollout.is_rolling(rollout.current(doc)["Config"]):
        return None if doc["_state"] == ROLLING_BACK else rollout.give_up(doc, _reason(doc, task, event.data), now)
    after: Fleet = doc["_next"]
    rest = {**after, "Tasks": {k: v for k, v in after["Tasks"].items() if k != task}}
    changes: dict[str, Any] = {"_next": rest, "_retiring": _and(doc, task, after["Tasks"][task]["Sockets"])}
    if doc.get("_shift"):
        changes["_shift"] = rollout.by_capacity(doc["_fleet"], rest)
    if doc["_state"] == ROLLING_BACK:
        return Move(ROLLING_BACK, changes, (Instruction(RETIRE),))
    move = rollout.give_up({**doc, **changes}, _reason(doc, task, event.data), now)
    return Move(move.state, {**changes, **move.changes}, (*move.instructions, Instruction(RETIRE)))


def _reason(doc: dict[str, Any], task: str, data: dict[str, Any]) -> str:
    cause = died(data)
    about = next(doc[m]["Tasks"][task] for m in ("_next", "_fleet") if doc.get(m) and task in doc[m]["Tasks"])
    variant = about["Variant"]
    container = data.get("Container")
    stream = log_stream(variant, task) + (f"/{container}" if container else "")
    where = f" Logs: group {log_group(doc)}, stream {stream}."
    if "Reason" in data and "/ping" not in cause:
        return cause[: REASON - len(where)] + where
    begin = PING.format(container=container or "primary", variant=variant) + " "
    return begin + cause[: REASON - len(begin) - len(where)] + where


def log_group(doc: dict[str, Any]) -> str:
    return f"/aws/sagemaker/Endpoints/{doc['EndpointName']}"


def log_stream(variant: str, task: str) -> str:
    return f"{variant}/{instance_id(task)}"


LIFECYCLE = Lifecycle(
    "Endpoint",
    start=CREATING,
    final=(IN_SERVICE, FAILED, ROLLBACK_FAILED),
    entered=entered,
    table={
        ((IN_SERVICE, ROLLBACK_FAILED), "Update"): update,
        (IN_SERVICE, "Scale"): scale,
        ((IN_SERVICE, ROLLBACK_FAILED, FAILED), "Delete"): delete,
        (CHANGING, "Submitted"): submitted,
        (CHANGING, "Refused"): refused,
        ((IN_SERVICE, ROLLING_BACK, ROLLBACK_FAILED, FAILED, DELETING), "Submitted"): ignore,
        ((IN_SERVICE, ROLLING_BACK, ROLLBACK_FAILED, FAILED, DELETING), "Refused"): ignore,
        (ALL, "Baked"): rollout.baked,
        (ALL, "Tripped"): rollout.tripped,
        (ALL, "TimedOut"): rollout.timed_out,
        (ALL, "Left"): rollout.left,
        (ALL, "Settled"): rollout.settled,
        (ALL, "Keyed"): keyed,
        (ALL, "Preparing"): progress,
        (ALL, "Staging"): progress,
        (ALL, "Started"): progress,
        (ALL, "Ready"): ready,
        (ALL, "Pooled"): pooled,
        (ALL, "Exited"): ended,
        (ALL, "Finished"): ended,
        (ALL, "Failed"): ended,
        (ALL, "Forgotten"): forgotten,
        (ALL, "Fault"): fault,
    },
)

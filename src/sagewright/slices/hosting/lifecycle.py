"""An endpoint's states. Pure: every race is a unit test.

An endpoint serves from ``_fleet``; a deployment under way is ``_next`` (see fleet.py). A new deployment is started beside
the old one, takes over in one step when all of it answers, and the old one is drained and stopped: tasks that have to go
are in ``_retiring`` until nothing of them is left.
"""

from __future__ import annotations

from typing import Any

from ...gateway.model import died, instance_id
from ...resources.jobs import REASON
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore
from . import fleet as fleets
from .fleet import READY, Fleet

DEPLOY, RESTORE, RETIRE, FORGET = "Deploy", "Restore", "Retire", "Forget"

CREATING, IN_SERVICE, UPDATING, FAILED, DELETING = "Creating", "InService", "Updating", "Failed", "Deleting"
SERVING = (IN_SERVICE, UPDATING)
CHANGING = (CREATING, UPDATING)
ALL = (CREATING, IN_SERVICE, UPDATING, FAILED, DELETING)

FIRST_DELAY, LONGEST_DELAY, CALM = 0.5, 30.0, 60.0
"""Seconds before a lost instance is replaced: doubled at each loss, up to the longest, from anew after a calm minute."""
FAULT_DELAY = 30.0

PING = "The primary container for production variant {variant} did not pass the ping health check. Please check CloudWatch logs for this endpoint."


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if before == move.state and "FailureReason" not in move.changes:
        return {}
    return {"EndpointStatus": move.state, "LastModifiedTime": now}


# -- deployments


def update(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Another configuration: all new tasks, beside those that serve."""
    data = event.data
    variants = fleets.retain(data["Variants"], doc["_fleet"], data["Excluded"]) if data["Retain"] else data["Variants"]
    after, serial = fleets.plan(doc["_prefix"], doc["_serial"], data["Config"], variants, now)
    return Move(UPDATING, {"_next": after, "_serial": serial, "FailureReason": None}, (Instruction(DEPLOY),))


def scale(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Other weights and counts of the same configuration."""
    after, serial = fleets.rescale(doc["_fleet"], doc["_prefix"], doc["_serial"], event.data["Desired"], now)
    return Move(UPDATING, {"_next": after, "_serial": serial, "FailureReason": None}, (Instruction(DEPLOY),))


def submitted(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Every task of the deployment is on its way, or was there already."""
    after = doc["_next"]
    return _switch(doc, after, {}) if fleets.whole(after) else None


def keyed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """A container's keys, written down before it gets them: they are revoked when its task goes."""
    task, keys = event.data["Task"], doc.get("_keys", {})
    return Move(doc["_state"], {"_keys": {**keys, task: [*keys.get(task, ()), event.data["Key"]]}})


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
    for member in ("_fleet", "_next"):
        deployment = doc.get(member)
        if deployment and task in deployment["Tasks"]:
            changes[member] = fleets.with_task(deployment, task, Phase=READY, Sockets=event.data["Sockets"])
    if not changes:
        return None
    after: Fleet | None = changes.get("_next")
    if after and fleets.whole(after) and doc["_state"] in CHANGING:
        return _switch(doc, after, changes)
    return Move(doc["_state"], changes)


def ended(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A task is over: as it was told, or a deployment fails, or an instance that served is lost."""
    task = event.data["Task"]
    if task in doc.get("_retiring", {}):
        return None if event.name == "Exited" else Move(doc["_state"], {}, (Instruction(FORGET, {"Task": task}),))
    if doc["_state"] in SERVING and task in doc["_fleet"]["Tasks"]:
        return _lost(doc, task, now)
    if doc["_state"] in CHANGING and task in doc["_next"]["Tasks"]:
        return _fail(doc, _reason(doc, task, event.data))
    return None


def refused(doc: dict[str, Any], event: Event, now: float) -> Move:
    return _fail(doc, event.data["Reason"])


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An executor gave up: a deployment fails; what only cleans up is tried again later."""
    if doc["_state"] in CHANGING:
        return _fail(doc, event.data["Reason"])
    again = [Instruction(RETIRE, {}, FAULT_DELAY)]
    if doc["_state"] == IN_SERVICE:
        again.append(Instruction(RESTORE, {}, FAULT_DELAY))
    return Move(doc["_state"], {}, tuple(again))


# -- the end


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    gone = {**_sockets(doc.get("_fleet")), **doc.get("_retiring", {})}
    if not gone:
        return Move(DELETING, remove=True)
    return Move(DELETING, {"_fleet": None, "_next": None, "_retiring": gone}, (Instruction(RETIRE),))


def forgotten(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Nothing is left of a task."""
    task = event.data["Task"]
    left = {k: v for k, v in doc.get("_retiring", {}).items() if k != task}
    keys = {k: v for k, v in doc.get("_keys", {}).items() if k != task}
    return Move(doc["_state"], {"_retiring": left, "_keys": keys}, remove=doc["_state"] == DELETING and not left)


# -- parts


def _sockets(deployment: Fleet | None, keep: Fleet | None = None) -> dict[str, Any]:
    """The tasks of a deployment that go, with their sockets."""
    stay = keep["Tasks"] if keep else {}
    return {k: v["Sockets"] for k, v in (deployment["Tasks"] if deployment else {}).items() if k not in stay}


def _switch(doc: dict[str, Any], after: Fleet, changes: dict[str, Any]) -> Move:
    """The new deployment takes over; what only the old one had goes."""
    gone = _sockets(doc.get("_fleet"), after)
    changes |= {"_fleet": after, "_next": None, "EndpointConfigName": after["Config"], "FailureReason": None}
    changes["_retiring"] = {**doc.get("_retiring", {}), **gone}
    return Move(IN_SERVICE, changes, (Instruction(RETIRE),) if gone else ())


def _fail(doc: dict[str, Any], reason: str) -> Move:
    """A deployment fails: a new endpoint is Failed, one that served goes on as before and says why."""
    gone = _sockets(doc["_next"], doc.get("_fleet"))
    changes = {"_next": None, "FailureReason": reason[:REASON], "_retiring": {**doc.get("_retiring", {}), **gone}}
    return Move(FAILED if doc["_state"] == CREATING else IN_SERVICE, changes, (Instruction(RETIRE),))


def _lost(doc: dict[str, Any], task: str, now: float) -> Move:
    """An instance that served is gone: a new one takes its place, later if that happens often."""
    losses, last = doc.get("_losses", [0, 0.0])
    losses = losses if now - last < CALM else 0
    new = f"{doc['_prefix']}-{doc['_serial']}"
    changes: dict[str, Any] = {"_serial": doc["_serial"] + 1, "_losses": [losses + 1, now]}
    for member in ("_fleet", "_next"):
        if doc.get(member) and task in doc[member]["Tasks"]:
            changes[member] = fleets.replace_task(doc[member], task, new)
    changes["_retiring"] = {**doc.get("_retiring", {}), task: doc["_fleet"]["Tasks"][task]["Sockets"]}
    delay = min(FIRST_DELAY * 2**losses, LONGEST_DELAY)
    return Move(doc["_state"], changes, (Instruction(RETIRE), Instruction(RESTORE, {}, delay)))


def _reason(doc: dict[str, Any], task: str, data: dict[str, Any]) -> str:
    cause = died(data)
    variant = doc["_next"]["Tasks"][task]["Variant"]
    where = f" Logs: group {log_group(doc)}, stream {log_stream(variant, task)}."
    if "Reason" in data and "/ping" not in cause:
        return cause[: REASON - len(where)] + where
    begin = PING.format(variant=variant) + " "
    return begin + cause[: REASON - len(begin) - len(where)] + where


def log_group(doc: dict[str, Any]) -> str:
    return f"/aws/sagemaker/Endpoints/{doc['EndpointName']}"


def log_stream(variant: str, task: str) -> str:
    return f"{variant}/{instance_id(task)}"


LIFECYCLE = Lifecycle(
    "Endpoint",
    start=CREATING,
    final=(IN_SERVICE, FAILED),
    entered=entered,
    table={
        (IN_SERVICE, "Update"): update,
        (IN_SERVICE, "Scale"): scale,
        ((IN_SERVICE, FAILED), "Delete"): delete,
        (CHANGING, "Submitted"): submitted,
        (CHANGING, "Refused"): refused,
        ((IN_SERVICE, FAILED, DELETING), "Submitted"): ignore,
        (ALL, "Keyed"): keyed,
        (ALL, "Preparing"): progress,
        (ALL, "Staging"): progress,
        (ALL, "Started"): progress,
        (ALL, "Ready"): ready,
        (ALL, "Exited"): ended,
        (ALL, "Finished"): ended,
        (ALL, "Failed"): ended,
        (ALL, "Forgotten"): forgotten,
        (ALL, "Fault"): fault,
    },
)

"""A component's states. Pure: every race is a unit test.

What it should have is in ``_want`` and ``_update``, what it has in ``_copies`` (copies.py); every rule changes one of them and
then ``follow`` says what comes of it. Who gets a place is decided for all components of an endpoint together (pool.py).
"""

from __future__ import annotations

from typing import Any

from ...gateway.model import died, instance_id
from ...resources.jobs import REASON
from ...resources.lone import keyed
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move
from . import copies
from .copies import BAKING, GROWING
from .pool import PENDING, READY, SHORT, STARTING

CREATING, IN_SERVICE, UPDATING, FAILED, DELETING = "Creating", "InService", "Updating", "Failed", "Deleting"
ALL = (CREATING, IN_SERVICE, UPDATING, FAILED, DELETING)
LIVING = (CREATING, IN_SERVICE, UPDATING)
PLACE, START, RETIRE, FORGET = "Place", "Start", "Retire", "Forget"
WATCH, BAKE, EXPIRE = "Watch", "Bake", "Expire"

FIRST_DELAY, LONGEST_DELAY, CALM = 0.5, 30.0, 60.0
"""Seconds before a lost copy is replaced: doubled at each loss, up to the longest, from anew after a calm minute."""
NO_ROOM = (
    "Not enough hardware resources on the instances for this endpoint to create a copy of the inference component. Update resource "
    "requirements for this inference component, remove existing inference components, or increase the number of instances for this "
    "endpoint."
)
PING = "The primary container for inference component {name} did not pass the ping health check. Please check CloudWatch logs for this inference component."


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if before == move.state and "FailureReason" not in move.changes:
        return {}
    return {"InferenceComponentStatus": move.state, "LastModifiedTime": now}


# -- what follows


def follow(doc: dict[str, Any], changes: dict[str, Any], now: float, *more: Instruction, state: str = "", after: float = 0.0) -> Move:
    """The move that brings the copies in line with what the document, with these changes, asks for."""
    state = state or doc["_state"]
    instructions = list(more)
    while True:
        changes = {**changes, **copies.arrange({**doc, **changes}, after)}
        doc_now = {k: v for k, v in {**doc, **changes}.items() if v is not None}
        if not doc_now.get("_update"):
            break
        step = _step(doc_now, now)
        if step is None:
            return _ready(UPDATING, doc, changes, instructions, after, now)
        more_changes, more_instructions = step
        changes |= more_changes
        instructions += more_instructions
    state, said = _rest(state, doc_now)
    changes |= said
    if state == FAILED:
        changes |= _given_up(doc_now)
    return _ready(state, doc, changes, instructions, after, now)


def _ready(state: str, doc: dict[str, Any], changes: dict[str, Any], instructions: list[Instruction], after: float, now: float) -> Move:
    """The move with what its copies need done."""
    if set(changes["_retiring"]) - set(doc.get("_retiring", {})):
        instructions.append(Instruction(RETIRE))
    if set(changes["_copies"]) - set(doc.get("_copies", {})):
        instructions.append(Instruction(PLACE, {}, max(0.0, after - now)))
    return Move(state, changes, tuple(instructions))


def _rest(state: str, doc: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The state of a component without an update under way, and what it says."""
    phases = [about["Phase"] for about in doc["_copies"].values() if not about.get("Moving")]
    said = doc.get("FailureReason", "")
    if state not in (CREATING, UPDATING, IN_SERVICE):
        return state, {}
    if state != IN_SERVICE and (PENDING in phases or STARTING in phases):
        return state, {}
    if SHORT in phases:
        if state == CREATING and READY not in phases:
            return FAILED, {"FailureReason": NO_ROOM}
        return IN_SERVICE, {} if said else {"FailureReason": NO_ROOM}
    return IN_SERVICE, {"FailureReason": None} if said == NO_ROOM and PENDING not in phases else {}


def _given_up(doc: dict[str, Any]) -> dict[str, Any]:
    """No copies any more."""
    gone = copies.arrange({**doc, "_want": 0, "_update": None})
    return {k: gone[k] for k in ("_copies", "_retiring", "_serial")}


def _step(doc: dict[str, Any], now: float) -> tuple[dict[str, Any], list[Instruction]] | None:
    """What an update does next; None while it waits."""
    update, want = doc["_update"], doc["_want"]
    if update["Reverting"]:
        return _back(doc, update, want)
    mine = copies.of(doc, update["To"])
    if copies.of(doc, update["To"], SHORT):
        return _revert(doc, f"{NO_ROOM} The update was rolled back."), []
    if update["Phase"] == BAKING or len(copies.of(doc, update["To"], READY)) < len(mine):
        return None
    if (wait := _wait(update)) and want:
        where = {"Update": update["Id"], "Step": update["Step"]}
        watch = [Instruction(WATCH, where)] if alarm_names(update["Config"]) else []
        return {"_update": {**update, "Phase": BAKING}}, [*watch, Instruction(BAKE, where, wait)]
    return _advance(doc), []


def _advance(doc: dict[str, Any]) -> dict[str, Any]:
    """The next batch, or the end of the update."""
    update = doc["_update"]
    if copies.done(update, doc["_want"], update["Step"] + 1) >= doc["_want"]:
        return {"_revision": update["To"], "_update": None, "FailureReason": None}
    return {"_update": {**update, "Step": update["Step"] + 1, "Phase": GROWING}}


def _revert(doc: dict[str, Any], reason: str) -> dict[str, Any]:
    """Take an update back: the old revision grows again while the new one goes."""
    update = doc["_update"]
    serving = doc["_revision"]
    there, back = len(copies.of(doc, serving, READY, STARTING)), update["Back"]
    kept = len(copies.of(doc, update["To"], READY))
    if there >= update["Old"]:
        kept = 0
    reverting = {**update, "Reverting": True, "Step": there // back, "Phase": GROWING, "Kept": kept}
    return {"_update": reverting, "_want": update["Old"], "FailureReason": reason[:REASON]}


def _back(doc: dict[str, Any], update: dict[str, Any], want: int) -> tuple[dict[str, Any], list[Instruction]] | None:
    serving = doc["_revision"]
    ready, mine = copies.of(doc, serving, READY), copies.of(doc, serving)
    if len(ready) >= want:
        return {"_update": None}, []
    if copies.of(doc, serving, SHORT):
        # the new revision is in the way, if anything is
        return ({"_update": {**update, "Kept": 0}}, []) if update["Kept"] else ({"_update": None}, [])
    if len(ready) < len(mine):
        return None
    kept = min(int(update["Kept"]), max(0, want - len(ready)))
    return {"_update": {**update, "Step": len(ready) // update["Back"], "Kept": kept}}, []


# -- what callers want


def update(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Another specification, and perhaps another count."""
    data = event.data
    number = doc["_revisions"] + 1
    revision = str(number)
    config, want = data.get("Config"), data.get("CopyCount", doc["_want"])
    changes: dict[str, Any] = {
        "FailureReason": None, "_want": want, "_revisions": number, "_specs": {**doc["_specs"], revision: data["Specifications"]},
        "_update": {
            "Id": data["Id"], "To": revision, "Old": doc["_want"], "Batch": data["Batch"] or max(1, want), "Back": data["Back"] or max(1, doc["_want"]),
            "Step": 0, "Phase": GROWING, "Reverting": False, "Kept": 0, "Config": config, "Caller": data.get("Caller"),
        },
    }
    if config:
        changes["LastDeploymentConfig"] = config
    limit = (config or {}).get("RollingUpdatePolicy", {}).get("MaximumExecutionTimeoutInSeconds", 0)
    more = [Instruction(EXPIRE, {"Update": data["Id"]}, float(limit))] if limit else []
    return follow(doc, changes, now, *more, state=UPDATING)


def scale(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Another count of copies."""
    return follow(doc, {"_want": event.data["CopyCount"], "_before": doc["_want"], "FailureReason": None}, now, state=UPDATING)


def delete(doc: dict[str, Any], event: Event, now: float) -> Move:
    changes = {"_want": 0, "_update": None}
    move = follow(doc, changes, now, state=DELETING)
    return Move(DELETING, {**move.changes, "_update": None}, move.instructions, remove=not move.changes["_retiring"])


# -- what the pool says


def looked(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Places were looked for: a new component that wants no copies is complete."""
    return follow(doc, {}, now) if doc["_state"] == CREATING else None


def placed(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Copies got a place."""
    found = {task: place for task, place in event.data["Copies"].items() if doc.get("_copies", {}).get(task, {}).get("Phase") in (PENDING, SHORT)}
    if not found:
        return None
    after = {**doc["_copies"], **{task: {**doc["_copies"][task], **place, "Phase": STARTING} for task, place in found.items()}}
    return Move(doc["_state"], {"_copies": after}, (Instruction(START),))


def short(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Nothing has room for copies that wait."""
    waiting = [task for task in event.data["Copies"] if doc.get("_copies", {}).get(task, {}).get("Phase") == PENDING]
    if not waiting:
        return None
    after = {**doc["_copies"], **{task: {**doc["_copies"][task], "Phase": SHORT} for task in waiting}}
    return follow(doc, {"_copies": after}, now)


def moving(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Copies have to leave their instance: others are started first, if anything has room for them."""
    going = [task for task in event.data["Copies"] if task in doc.get("_copies", {}) and not doc["_copies"][task].get("Moving")]
    if not going:
        return None
    return follow(doc, {"_copies": {**doc["_copies"], **{task: {**doc["_copies"][task], "Moving": True} for task in going}}}, now)


def orphaned(doc: dict[str, Any], event: Event, now: float) -> Move:
    """The endpoint is gone, or does not hold components any more."""
    changes = {"_update": None, "FailureReason": event.data["Reason"]}
    return follow(doc, {**changes, **_given_up({**doc, **changes}), "_want": 0}, now, state=FAILED)


# -- what tasks report


def ready(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A copy answers on its sockets. The first time, or again after it restarted a process of its own."""
    task = event.data["Task"]
    if task not in doc.get("_copies", {}):
        return None
    return follow(doc, {"_copies": copies.changed(doc, task, Phase=READY, Sockets=event.data["Sockets"])}, now)


def ended(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A copy is over: as it was told, or it is lost, or it never answered."""
    task = event.data["Task"]
    if task in doc.get("_retiring", {}):
        return None if event.name == "Exited" else Move(doc["_state"], {}, (Instruction(FORGET, {"Task": task}),))
    about = doc.get("_copies", {}).get(task)
    if about is None:
        return None
    if about["Phase"] != READY and doc["_state"] != IN_SERVICE:
        return failed(doc, about["Revision"], reason(doc, task, event.data), now, copies.without(doc, task))
    return _lost(doc, copies.without(doc, task), now)


def refused(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Copies of a revision cannot be started at all."""
    mine = copies.of(doc, event.data["Revision"], STARTING)
    if not mine:
        return None
    if doc["_state"] == IN_SERVICE:
        changes: dict[str, Any] = {}
        for task in mine:
            changes |= copies.without({**doc, **changes}, task)
        return _lost(doc, {**changes, "FailureReason": event.data["Reason"]}, now)
    return failed(doc, event.data["Revision"], event.data["Reason"], now, {})


def failed(doc: dict[str, Any], revision: str, why: str, now: float, changes: dict[str, Any]) -> Move:
    """A copy did not start: what was asked for is taken back."""
    after, current = {**doc, **changes}, doc.get("_update")
    changes = {**changes, "FailureReason": why[:REASON]}
    if current and not current["Reverting"] and revision == current["To"]:
        return follow(doc, {**changes, **_revert(after, why)}, now)
    if doc["_state"] == CREATING:
        changes |= _given_up(after)
        return follow(doc, {**changes, "_want": 0}, now, state=FAILED)
    if current:  # neither the new revision nor the old one: what answers goes on, the rest is tried again
        changes["_update"] = None
        return _lost(doc, changes, now, state=IN_SERVICE)
    before = min(doc.get("_before", doc["_want"]), doc["_want"])
    return follow(doc, {**changes, "_want": before}, now, state=IN_SERVICE)


def _lost(doc: dict[str, Any], changes: dict[str, Any], now: float, state: str = "") -> Move:
    """A new copy takes the place of a lost one, later if that happens often."""
    losses, last = doc.get("_losses", [0, 0.0])
    losses = losses if now - last < CALM else 0
    delay = min(FIRST_DELAY * 2**losses, LONGEST_DELAY)
    return follow(doc, {**changes, "_losses": [losses + 1, now]}, now, state=state, after=now + delay)


def forgotten(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Nothing is left of a task."""
    task = event.data["Task"]
    left = {k: v for k, v in doc.get("_retiring", {}).items() if k != task}
    keys = {k: v for k, v in doc.get("_keys", {}).items() if k != task}
    return Move(doc["_state"], {"_retiring": left, "_keys": keys}, remove=doc["_state"] == DELETING and not left)


def fault(doc: dict[str, Any], event: Event, now: float) -> Move:
    """An executor gave up: what was being changed is taken back; what only cleans up is tried again later."""
    again = (Instruction(RETIRE, {}, LONGEST_DELAY), Instruction(PLACE, {}, LONGEST_DELAY))
    current = doc.get("_update")
    if doc["_state"] in (CREATING, UPDATING):
        move = failed(doc, current["To"] if current else doc["_revision"], event.data["Reason"], now, {})
        return Move(move.state, move.changes, (*move.instructions, *again))
    return Move(doc["_state"], {}, again)


# -- an update's steps


def expected(doc: dict[str, Any], event: Event) -> bool:
    """Whether an event is about the update, and the step if it says one, that the component is at."""
    current = doc.get("_update")
    if not current or current["Reverting"] or event.data["Update"] != current["Id"]:
        return False
    return event.data.get("Step") in (None, current["Step"])


def baked(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A batch was watched for its whole time, and no alarm went off."""
    if not expected(doc, event) or doc["_update"]["Phase"] != BAKING:
        return None
    return follow(doc, _advance(doc), now)


def tripped(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """An alarm went off, or the update takes longer than it may."""
    return follow(doc, _revert(doc, event.data["Reason"]), now) if expected(doc, event) else None


# -- parts


def alarm_names(config: dict[str, Any] | None) -> list[str]:
    """The alarms that roll an update back."""
    return [alarm["AlarmName"] for alarm in (config or {}).get("AutoRollbackConfiguration", {}).get("Alarms", ())]


def _wait(update: dict[str, Any]) -> float:
    return float((update["Config"] or {}).get("RollingUpdatePolicy", {}).get("WaitIntervalInSeconds", 0))


def reason(doc: dict[str, Any], task: str, data: dict[str, Any]) -> str:
    """Why a copy did not start, with where to look."""
    cause = died(data)
    where = f" Logs: group {log_group(doc)}, stream {log_stream(doc, task)}."
    begin = "" if "Reason" in data and "/ping" not in cause else PING.format(name=doc["InferenceComponentName"]) + " "
    return begin + cause[: REASON - len(begin) - len(where)] + where


def log_group(doc: dict[str, Any]) -> str:
    return f"/aws/sagemaker/InferenceComponents/{doc['InferenceComponentName']}"


def log_stream(doc: dict[str, Any], task: str) -> str:
    return f"{doc['VariantName']}/{instance_id(task)}"


def nothing(doc: dict[str, Any], event: Event, now: float) -> None:
    return


LIFECYCLE = Lifecycle(
    "InferenceComponent",
    start=CREATING,
    final=(IN_SERVICE, FAILED),
    entered=entered,
    table={
        (IN_SERVICE, "Update"): update,
        (IN_SERVICE, "Scale"): scale,
        (LIVING, "Delete"): delete,
        (FAILED, "Delete"): delete,
        (ALL, "Looked"): looked,
        (ALL, "Placed"): placed,
        (ALL, "Short"): short,
        (ALL, "Moving"): moving,
        (LIVING, "Orphaned"): orphaned,
        ((FAILED, DELETING), "Orphaned"): nothing,
        (ALL, "Refused"): refused,
        (ALL, "Baked"): baked,
        (ALL, "Tripped"): tripped,
        (ALL, "Keyed"): keyed,
        (ALL, "Preparing"): nothing,
        (ALL, "Staging"): nothing,
        (ALL, "Started"): nothing,
        (ALL, "Ready"): ready,
        (ALL, "Exited"): ended,
        (ALL, "Finished"): ended,
        (ALL, "Failed"): ended,
        (ALL, "Forgotten"): forgotten,
        (ALL, "Fault"): fault,
    },
)

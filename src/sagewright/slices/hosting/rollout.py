"""How a deployment takes over, step by step, and how it is taken back. Pure.

A deployment under way is ``_next``, beside ``_fleet``, which serves. ``_shift`` says which share of each variant's requests
``_next`` gets; without it, none. ``_deployment`` says how it goes on::

    {"Id": number, "Config": DeploymentConfig or None, "Caller": {...}, "Steps": [{variant: share}], "Step": n,
     "Phase": Creating | Baking | Deleting, "Timeline": [[stage, seconds, message]]}

Blue/green: all of ``_next`` starts, then the steps move the requests, then ``_fleet`` goes. Rolling: each step starts a batch
of ``_next``, moves that share of the requests, and stops as much of ``_fleet``. What an event of an older deployment or step
says is ignored, so that every timer and every check may come late or twice.

A rolling update whose rollback failed leaves a mixed fleet: ``_fleet`` and ``_next`` both serve. The next update keeps that
``_next`` as ``_mixed`` until it has replaced both.
"""

from __future__ import annotations

import math
from typing import Any

from ...resources.jobs import REASON
from ...runtime.lifecycle import Event, Instruction, Move
from . import fleet as fleets
from . import policy
from .fleet import Fleet
from .states import (
    BAKE,
    CREATING,
    DEPLOY,
    EXPIRE,
    FAILED,
    IN_SERVICE,
    LEAVE,
    RESTORE,
    RETIRE,
    ROLLBACK_FAILED,
    ROLLING_BACK,
    SETTLE,
    UPDATING,
    WATCH,
)

STARTING, BAKING, ENDING = "Creating", "Baking", "Deleting"
"""Phases of a deployment: instances start, a step is watched, the old fleet is kept a while longer."""
STAGES = 5
"""How many stages a variant's status shows, newest first."""


def begin(
    doc: dict[str, Any], config: str, variants: list[dict[str, Any]], given: dict[str, Any] | None, caller: dict[str, Any] | None,
    now: float,
) -> tuple[dict[str, Any], tuple[Instruction, ...]]:
    """What a document gets with a deployment of other variants, and what is to be done first."""
    if doc.get("_mixed") and is_rolling(given):
        given = {k: v for k, v in (given or {}).items() if k != "RollingUpdatePolicy"}  # no batches of two fleets at once
    steps = policy.steps(given, variants)
    deployment = {
        "Id": doc["_serial"], "Config": given, "Caller": caller, "Steps": steps, "Step": 0,
        "Phase": STARTING, "Timeline": [[STARTING, now]],
    }
    empty = {"Config": config, "Started": now, "Variants": variants, "Tasks": {}}
    after, serial = fleets.grow(empty, doc["_prefix"], doc["_serial"], _batch(given, variants, steps[0]))
    first = [Instruction(DEPLOY)]
    if limit := policy.timeout(given):
        first.append(Instruction(EXPIRE, {"Deployment": deployment["Id"]}, limit))
    return {"_next": after, "_serial": serial, "_deployment": deployment, "_shift": None}, tuple(first)


def is_rolling(config: dict[str, Any] | None) -> bool:
    return bool(config and "RollingUpdatePolicy" in config)


def current(doc: dict[str, Any]) -> dict[str, Any]:
    """The deployment under way; for one that has no policy, such as another weight, everything at once."""
    found: dict[str, Any] = doc.get("_deployment") or {
        "Id": -1, "Config": None, "Caller": None, "Steps": [{}], "Step": 0, "Phase": STARTING, "Timeline": [],
    }
    return found


def expected(doc: dict[str, Any], event: Event) -> bool:
    """Whether an event is about the deployment, and the step if it says one, that the endpoint is at."""
    deployment = current(doc)
    return bool(doc.get("_deployment")) and event.data["Deployment"] == deployment["Id"] and event.data.get("Step") in (None, deployment["Step"])


# -- forward


def reached(doc: dict[str, Any], changes: dict[str, Any], now: float) -> Move:
    """Every instance of the step answers: it gets its requests."""
    doc = {**doc, **changes}
    deployment, after = current(doc), doc["_next"]
    config, step = deployment["Config"], deployment["Step"]
    where = {"Deployment": deployment["Id"], "Step": step}
    alarms, wait = policy.alarm_names(config), policy.wait(config)
    if doc["_state"] == CREATING or not (alarms or wait):
        return _next_step(doc, changes, now)
    timeline = [*deployment["Timeline"], ["ActivatingTraffic", now, _percent(deployment["Steps"][step])], [BAKING, now, f"{wait:g} seconds"]]
    changes |= {"_shift": deployment["Steps"][step], "_next": after, "_deployment": {**deployment, "Phase": BAKING, "Timeline": timeline}}
    watch = (Instruction(WATCH, where),) if alarms and wait else ()
    return Move(UPDATING, changes, (*watch, Instruction(BAKE, where, wait)))


def baked(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """A step was watched for its whole time, and no alarm went off."""
    if doc["_state"] != UPDATING or not expected(doc, event) or current(doc)["Phase"] != BAKING:
        return None
    return _next_step(doc, {}, now)


def _next_step(doc: dict[str, Any], changes: dict[str, Any], now: float) -> Move:
    deployment = current(doc)
    step = deployment["Step"] + 1
    if step >= len(deployment["Steps"]):
        return _take_over(doc, changes, now)
    changes["_deployment"] = {**deployment, "Step": step}
    if not is_rolling(deployment["Config"]):
        return reached(doc, changes, now)
    shares, done = deployment["Steps"][step], deployment["Steps"][step - 1]
    serving, gone = fleets.shrink(doc["_fleet"], _rest(doc["_fleet"], done))
    after, serial = fleets.grow(doc["_next"], doc["_prefix"], doc["_serial"], _batch(deployment["Config"], doc["_next"]["Variants"], shares))
    changes |= {
        "_fleet": serving, "_next": after, "_serial": serial, "_shift": done, "_retiring": {**doc.get("_retiring", {}), **gone},
        "_deployment": {
            **deployment, "Step": step, "Phase": STARTING,
            "Timeline": [*deployment["Timeline"], [ENDING, now, f"{len(gone)} old instances"], [STARTING, now]],
        },
    }
    return Move(UPDATING, changes, (Instruction(DEPLOY), Instruction(RETIRE)))


def _take_over(doc: dict[str, Any], changes: dict[str, Any], now: float) -> Move:
    """The new fleet is the endpoint's; what only the old ones had goes, at once or after the termination wait."""
    deployment, after = current(doc), doc["_next"]
    gone = {**sockets(doc.get("_fleet"), after), **sockets(doc.get("_mixed"), after)}
    changes |= dict.fromkeys(("_next", "_shift", "_mixed", "_mixed_shift", "_deployment", "FailureReason"))
    changes |= {"_fleet": after, "EndpointConfigName": after["Config"]}
    kept = policy.termination(deployment["Config"])
    if kept and gone:
        timeline = [*deployment["Timeline"], [ENDING, now, f"The old fleet goes in {kept:g} seconds"]]
        changes |= {"_leaving": gone, "_deployment": {**deployment, "Phase": ENDING, "Timeline": timeline}}
        return Move(UPDATING, changes, (Instruction(LEAVE, {"Deployment": deployment["Id"]}, kept),))
    changes["_retiring"] = {**doc.get("_retiring", {}), **gone}
    return Move(IN_SERVICE, changes, (Instruction(RETIRE),) if gone else ())


def left(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """The termination wait is over."""
    if doc["_state"] != UPDATING or not expected(doc, event) or current(doc)["Phase"] != ENDING:
        return None
    retiring = {**doc.get("_retiring", {}), **doc.get("_leaving", {})}
    return Move(IN_SERVICE, {"_leaving": None, "_deployment": None, "_retiring": retiring}, (Instruction(RETIRE),))


# -- back


def tripped(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """An alarm went off while a step was watched."""
    if doc["_state"] != UPDATING or not expected(doc, event) or current(doc)["Phase"] != BAKING:
        return None
    return give_up(doc, event.data["Reason"], now)


def timed_out(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """The deployment takes longer than it may."""
    if doc["_state"] != UPDATING or not expected(doc, event) or not doc.get("_next"):
        return None
    limit = policy.timeout(current(doc)["Config"])
    return give_up(doc, f"The deployment took longer than MaximumExecutionTimeoutInSeconds ({limit:g}). It was rolled back.", now)


def give_up(doc: dict[str, Any], reason: str, now: float) -> Move:
    """The deployment fails: a new endpoint is Failed, one that served goes on as before and says why."""
    deployment, serving = current(doc), doc.get("_fleet")
    if doc["_state"] == CREATING:
        return Move(FAILED, {**_without_next(doc), "FailureReason": reason[:REASON]}, (Instruction(RETIRE),))
    assert serving
    reached_nobody = deployment["Phase"] == STARTING and not deployment["Step"]
    if reached_nobody:
        return returned(doc, reason)
    changes: dict[str, Any] = {"FailureReason": reason[:REASON], "_deployment": {**deployment, "Phase": STARTING}}
    if not is_rolling(deployment["Config"]) or fleets.complete(serving):
        # all of the old fleet is there: one step in memory
        changes["_shift"] = None
        return Move(ROLLING_BACK, changes, (Instruction(SETTLE, {"Deployment": deployment["Id"]}),))
    return _bring_up(doc, changes)


def _bring_up(doc: dict[str, Any], changes: dict[str, Any]) -> Move:
    """Start the next batch of old instances that a rolling update has stopped."""
    serving: Fleet = doc["_fleet"]
    size = policy.back(current(doc)["Config"])
    wanted = {
        v["Name"]: min(v["Count"], fleets.counted(serving, v["Name"]) + policy.batch(size, v["Count"])) for v in serving["Variants"]
    }
    serving, serial = fleets.grow(serving, doc["_prefix"], doc["_serial"], wanted)
    return Move(ROLLING_BACK, {**changes, "_fleet": serving, "_serial": serial}, (Instruction(RESTORE),))


def restored(doc: dict[str, Any], changes: dict[str, Any]) -> Move:
    """A batch of old instances answers again: as many new ones go."""
    doc = {**doc, **changes}
    serving, after = doc["_fleet"], doc["_next"]
    if fleets.complete(serving):
        return returned(doc, doc["FailureReason"], changes)
    back = {v["Name"]: fleets.counted(serving, v["Name"]) / v["Count"] if v["Count"] else 1.0 for v in serving["Variants"]}
    after, gone = fleets.shrink(after, _rest(after, back))
    changes |= {"_next": after, "_retiring": {**doc.get("_retiring", {}), **gone}, "_shift": by_capacity(serving, after)}
    move = _bring_up({**doc, **changes}, changes)
    return Move(move.state, move.changes, (*move.instructions, Instruction(RETIRE)))


def settled(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Requests go to the old fleet alone."""
    if doc["_state"] != ROLLING_BACK or not expected(doc, event):
        return None
    return returned(doc, doc["FailureReason"])


def back_failed(doc: dict[str, Any], reason: str) -> Move:
    """Old instances do not start any more: what answers of both fleets serves on."""
    serving: Fleet = doc["_fleet"]
    serving, gone = fleets.shrink(serving, {v["Name"]: fleets.answering(serving, v["Name"]) for v in serving["Variants"]})
    why = f"{doc.get('FailureReason', '')} The rollback failed: {reason}".strip()
    changes = {
        "_fleet": serving, "_shift": by_capacity(serving, doc["_next"]), "_deployment": None, "FailureReason": why[:REASON],
        "_retiring": {**doc.get("_retiring", {}), **gone},
    }
    return Move(ROLLBACK_FAILED, changes, (Instruction(RETIRE),))


def by_capacity(serving: Fleet, after: Fleet) -> dict[str, float]:
    """Shares of the new fleet in step with what answers of both."""
    shares = {}
    for variant in after["Variants"]:
        new, old = fleets.answering(after, variant["Name"]), fleets.answering(serving, variant["Name"])
        shares[variant["Name"]] = new / (new + old) if new + old else 0.0
    return shares


def returned(doc: dict[str, Any], reason: str, changes: dict[str, Any] | None = None) -> Move:
    """The old fleet serves alone again, or the mixed one that there was."""
    changes = {**(changes or {}), **_without_next(doc), "FailureReason": reason[:REASON]}
    if doc.get("_mixed"):
        changes |= {"_next": doc["_mixed"], "_shift": doc.get("_mixed_shift"), "_mixed": None, "_mixed_shift": None}
        return Move(ROLLBACK_FAILED, changes, (Instruction(RETIRE),))
    return Move(IN_SERVICE, changes, (Instruction(RETIRE),))


# -- parts


def sockets(deployment: Fleet | None, keep: Fleet | None = None) -> dict[str, Any]:
    """The tasks of a deployment that go, with their sockets."""
    stay = keep["Tasks"] if keep else {}
    return {k: v["Sockets"] for k, v in (deployment["Tasks"] if deployment else {}).items() if k not in stay}


def portions(doc: dict[str, Any]) -> list[tuple[Fleet, dict[str, float]]]:
    """The fleets that requests go to, newest first, with the share that each takes of what the newer ones leave."""
    found = []
    for member, shift in (("_next", "_shift"), ("_mixed", "_mixed_shift")):
        if doc.get(member) and doc.get(shift):
            found.append((doc[member], doc[shift]))
    return [*found, (doc["_fleet"], {})]


def _without_next(doc: dict[str, Any]) -> dict[str, Any]:
    gone = sockets(doc.get("_next"), doc.get("_fleet"))
    return {"_next": None, "_shift": None, "_deployment": None, "_retiring": {**doc.get("_retiring", {}), **gone}}


def _batch(config: dict[str, Any] | None, variants: list[dict[str, Any]], step: policy.Step) -> dict[str, int]:
    """How many instances of each variant a step needs."""
    return {v["Name"]: round(v["Count"] * step[v["Name"]]) if is_rolling(config) else v["Count"] for v in variants}


def _rest(fleet: Fleet, done: dict[str, float]) -> dict[str, int]:
    """How many instances of each variant are still needed for what the other fleet does not do yet."""
    least = min(done.values(), default=1.0)
    return {v["Name"]: math.ceil(v["Count"] * (1 - done.get(v["Name"], least)) - 1e-9) for v in fleet["Variants"]}


def _percent(step: policy.Step) -> str:
    shares = sorted({round(100 * share, 1) for share in step.values()})
    return " to ".join(f"{share:g}" for share in ([shares[0], shares[-1]] if len(shares) > 1 else shares)) + " % of the requests"

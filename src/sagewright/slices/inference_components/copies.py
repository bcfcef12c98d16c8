"""How many copies of which revision a component should have, and what follows when it has others. Pure.

A component's document keeps::

    "_copies": {task: {"Revision", "Phase", "Instance", "Type", "Need", "Sockets", "Moving", "After"}}
    "_retiring": {task: {"Sockets", "Instance", "Need"}}   copies that have to go, until nothing is left of them
    "_specs": {revision: [specifications]}, "_revision": the one that serves, "_want": copies asked for
    "_update": {"Id", "To", "Old": copies before, "Batch", "Back": batch of a rollback, "Step", "Phase", "Reverting", "Config", "Caller"}

An update starts a batch of the new revision beside what serves, watches it, stops as much of the old one, and goes on; one that
is taken back does the same the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .pool import PENDING, READY, SHORT, STARTING

Copies = dict[str, dict[str, Any]]

GROWING, BAKING = "Starting", "Baking"
"""Phases of an update's step: copies start, or are watched."""
_ORDER = {PENDING: 0, SHORT: 0, STARTING: 1, READY: 2}


def of(doc: Mapping[str, Any], revision: str, *phases: str) -> list[str]:
    """The copies of a revision that are in one of the phases, if any are given; without those that move."""
    return [
        task for task, about in doc.get("_copies", {}).items()
        if about["Revision"] == revision and not about.get("Moving") and (not phases or about["Phase"] in phases)
    ]


def answering(doc: Mapping[str, Any]) -> int:
    """CurrentCopyCount."""
    return sum(about["Phase"] == READY for about in doc.get("_copies", {}).values())


def done(update: Mapping[str, Any], want: int, steps: int) -> int:
    """Copies of the new revision after so many steps."""
    return min(want, int(update["Batch"]) * steps)


def targets(doc: Mapping[str, Any]) -> dict[str, int]:
    """Revision → copies that it should have now."""
    update, serving, want = doc.get("_update"), doc["_revision"], int(doc["_want"])
    if not update:
        return {serving: want}
    if update["Reverting"]:
        old = min(want, int(update["Back"]) * (update["Step"] + 1))
        return {serving: max(old, len(of(doc, serving, READY, STARTING))), update["To"]: int(update["Kept"])}
    share = done(update, want, update["Step"]) / want if want else 1.0
    return {serving: math.ceil(update["Old"] * (1 - share) - 1e-9), update["To"]: done(update, want, update["Step"] + 1)}


def arrange(doc: Mapping[str, Any], after: float = 0.0) -> dict[str, Any]:
    """The members of the document that change so that every revision has its copies: new ones wait for a place, surplus ones retire.

    ``after``: epoch seconds before which new copies are not to be placed.
    """
    copies: Copies = {task: dict(about) for task, about in doc.get("_copies", {}).items()}
    retiring, serial, wanted = dict(doc.get("_retiring", {})), int(doc["_serial"]), targets(doc)

    def retire(task: str) -> None:
        about = copies.pop(task)
        if "Instance" in about:
            retiring[task] = {"Sockets": about["Sockets"], "Instance": about["Instance"], "Need": about["Need"]}

    for task in [task for task, about in copies.items() if about["Revision"] not in wanted]:
        retire(task)
    for revision, count in wanted.items():
        mine = of({"_copies": copies}, revision)
        mine.sort(key=lambda task: _ORDER[copies[task]["Phase"]], reverse=True)
        for task in mine[count:]:
            retire(task)
        for _ in range(count - len(mine)):
            copies[f"{doc['_prefix']}-{serial}"] = new(revision, after)
            serial += 1
        there = len(of({"_copies": copies}, revision, READY))
        moving = [task for task, about in copies.items() if about["Revision"] == revision and about.get("Moving")]
        for task in moving[max(0, count - there):]:
            retire(task)
    revisions = {about["Revision"] for about in copies.values()} | set(wanted)
    return {
        "_copies": copies, "_retiring": retiring, "_serial": serial,
        "_specs": {revision: spec for revision, spec in doc["_specs"].items() if revision in revisions},
    }


def new(revision: str, after: float = 0.0) -> dict[str, Any]:
    return {"Revision": revision, "Phase": PENDING, "Sockets": [], **({"After": after} if after else {})}


def changed(doc: Mapping[str, Any], task: str, **about: Any) -> Copies:
    """``_copies`` with other members of one."""
    copies: Copies = doc["_copies"]
    return {**copies, task: {**copies[task], **about}}


def without(doc: Mapping[str, Any], task: str) -> dict[str, Any]:
    """``_copies`` and ``_retiring`` once a copy is lost."""
    about = doc["_copies"][task]
    rest = {k: v for k, v in doc["_copies"].items() if k != task}
    gone = {"Sockets": about["Sockets"], "Instance": about.get("Instance", ""), "Need": about.get("Need", [0, 0, 0])}
    return {"_copies": rest, "_retiring": {**doc.get("_retiring", {}), task: gone}}


def batch(size: Mapping[str, Any], count: int) -> int:
    """How many of ``count`` copies an update takes at once: never more than said, at least one."""
    value = int(size["Value"])
    return max(1, value * count // 100 if size["Type"] == "CAPACITY_PERCENT" else min(value, count))

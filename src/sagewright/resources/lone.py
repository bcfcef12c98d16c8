"""What lifecycles keep of a resource that runs one task at a time behind a gateway. Pure.

The document has its task in ``_task``, where that answers in ``_sockets``, tasks that have to go in ``_retiring`` (task → its
sockets) until nothing of them is left, and each task's temporary keys in ``_keys``.
"""

from __future__ import annotations

from typing import Any

from ..runtime.lifecycle import Event, Move


def retired(doc: dict[str, Any]) -> dict[str, Any]:
    """The changes that take the task away."""
    going = {doc["_task"]: doc.get("_sockets", [])} if doc.get("_task") else {}
    return {"_task": None, "_sockets": None, "_retiring": {**doc.get("_retiring", {}), **going}}


def keyed(doc: dict[str, Any], event: Event, now: float) -> Move:
    """A task's keys, written down before it gets them: they are revoked when it goes. Fleets of tasks keep theirs so too."""
    task, keys = event.data["Task"], doc.get("_keys", {})
    return Move(doc["_state"], {"_keys": {**keys, task: [*keys.get(task, ()), event.data["Key"]]}})


def without(doc: dict[str, Any], task: str) -> dict[str, Any]:
    """The changes once nothing is left of a task that had to go."""
    return {
        "_retiring": {k: v for k, v in doc.get("_retiring", {}).items() if k != task},
        "_keys": {k: v for k, v in doc.get("_keys", {}).items() if k != task},
    }


def next_task(doc: dict[str, Any]) -> dict[str, Any]:
    """The changes that give the document a task of its own again; ``_prefix`` is what its tasks' ids begin with."""
    serial = doc.get("_serial", 0)
    return {"_task": f"{doc['_prefix']}-{serial}", "_serial": serial + 1, "_sockets": []}

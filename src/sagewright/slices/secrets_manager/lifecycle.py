"""A secret is there, or waits for its end; until then it can be had back. Pure."""

from __future__ import annotations

from typing import Any

from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore

NOUN, ACTIVE, SCHEDULED, PURGE = "Secret", "Active", "Scheduled", "Purge"


def schedule(doc: dict[str, Any], event: Event, now: float) -> Move:
    """Asked again, another time replaces the one before."""
    at = event.data["At"]
    return Move(SCHEDULED, {"DeletedDate": at}, (Instruction(PURGE, {"At": at}, at - now),))


def restore(doc: dict[str, Any], event: Event, now: float) -> Move:
    return Move(ACTIVE, {"DeletedDate": None})


def purge(doc: dict[str, Any], event: Event, now: float) -> Move | None:
    """Only at the time that was said last: it may have been restored and deleted anew."""
    return Move(SCHEDULED, remove=True) if event.data["At"] == doc["DeletedDate"] else None


SECRETS = Lifecycle(
    NOUN,
    start=ACTIVE,
    final=(ACTIVE, SCHEDULED),
    table={
        ((ACTIVE, SCHEDULED), "Delete"): schedule,
        ((ACTIVE, SCHEDULED), "Restore"): restore,
        (SCHEDULED, PURGE): purge,
        (ACTIVE, PURGE): ignore,
        ((ACTIVE, SCHEDULED), "Fault"): ignore,
    },
)

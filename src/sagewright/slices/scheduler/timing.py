"""When a schedule calls its target. Pure.

A schedule's document has ``_anchor``, from which a rate without a start counts, ``_fired``, its last moment (0 when none), and
``_serial``, which every change of the schedule renews.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...runtime import schedules
from ...wire.errors import Invalid

Doc = Mapping[str, Any]
PRECISION = 60.0
"""Seconds by which AWS may be late: a single moment that is no older when its schedule is made still counts."""
MAX_AGE, MAX_RETRIES = 86_400, 185
"""The RetryPolicy of a target that has none."""
MOST_PAUSE = 60.0


def parsed(doc: Doc) -> schedules.Schedule:
    """Raises Invalid, with AWS's first words."""
    try:
        return schedules.parse(doc["ScheduleExpression"], doc["ScheduleExpressionTimezone"])
    except schedules.BadSchedule as error:
        raise Invalid(f"Invalid Schedule Expression {doc['ScheduleExpression']}: {error}.") from None


def first(doc: Doc, now: float) -> float | None:
    """The moment that comes next for a schedule that was just made or changed."""
    schedule = parsed(doc)
    since = now - PRECISION if isinstance(schedule, schedules.Once) else now - 0.001
    return _after(doc, schedule, max(since, doc["_fired"]))


def then(doc: Doc, moment: float, now: float) -> float | None:
    """The moment after ``moment`` that is not past yet, or no older than the time window allows."""
    return _after(doc, parsed(doc), max(moment, now - window(doc)))


def made_up(doc: Doc, moment: float, now: float) -> float:
    """The moment to make up for when ``moment`` was due at some time up to ``now``: one that the retry policy still allows.

    Those that passed without a server are made up for once, not each.
    """
    oldest = now - policy(doc)["MaximumEventAgeInSeconds"]
    if moment >= oldest:
        return moment
    later = _after(doc, parsed(doc), oldest)
    return later if later is not None and later <= now else moment


def _after(doc: Doc, schedule: schedules.Schedule, moment: float) -> float | None:
    if isinstance(schedule, schedules.Once):  # AWS ignores StartDate and EndDate here
        return schedule.after(moment, 0.0)
    # without a start, a rate begins with the schedule itself
    start = doc.get("StartDate", doc["_anchor"] if isinstance(schedule, schedules.Rate) else None)
    return schedules.following(schedule, moment, anchor=doc["_anchor"], start=start, end=doc.get("EndDate"))


def window(doc: Doc) -> float:
    """Seconds within which the target may be called."""
    return 60.0 * float(doc["FlexibleTimeWindow"].get("MaximumWindowInMinutes", 0))


def due(doc: Doc, moment: float) -> float:
    """When within the window: the same time whoever asks, and another for each schedule and moment."""
    span = window(doc)
    return moment + int(execution_id(doc, moment), 16) % max(int(span), 1) if span else moment


def execution_id(doc: Doc, moment: float) -> str:
    """16 hexadecimal digits: the same for all attempts at one moment, also after a restart."""
    return hashlib.sha256(f"{doc['Arn']}/{doc['CreationDate']!r}/{moment:.3f}".encode()).hexdigest()[:16]


def policy(doc: Doc) -> dict[str, int]:
    """The target's retry policy, complete."""
    return {"MaximumEventAgeInSeconds": MAX_AGE, "MaximumRetryAttempts": MAX_RETRIES, **doc["Target"].get("RetryPolicy", {})}


def exhausted(doc: Doc, moment: float, attempt: int, now: float) -> str:
    """Which limit of the retry policy forbids an attempt after number ``attempt`` (from 1); empty when none does."""
    limits = policy(doc)
    if attempt > limits["MaximumRetryAttempts"]:
        return "MaximumRetryAttempts"
    return "MaximumEventAgeInSeconds" if now + pause(attempt) - moment > limits["MaximumEventAgeInSeconds"] else ""


def pause(attempt: int) -> float:
    """Seconds between attempt number ``attempt`` and the next."""
    return float(min(MOST_PAUSE, 2.0 ** min(attempt - 1, 10)))


def iso(moment: float) -> str:
    """As the scheduler writes times: whole seconds of UTC."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"

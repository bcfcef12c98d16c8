"""When schedules call their targets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sagewright.slices.scheduler import timing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
"""A Monday."""
HOUR, DAY = 3600.0, 86_400.0


def schedule(expression: str, **more: Any) -> dict[str, Any]:
    return {
        "Arn": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s", "CreationDate": NOON, "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": "UTC", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": {}, "_anchor": NOON, "_fired": 0.0, **more,
    }


@pytest.mark.parametrize(("doc", "due"), [
    (schedule("rate(1 hour)"), NOON),
    (schedule("rate(1 hour)", StartDate=NOON + 90), NOON + 90),
    (schedule("rate(1 hour)", StartDate=NOON - 90), NOON - 90 + HOUR),
    (schedule("rate(1 hour)", _fired=NOON), NOON + HOUR),
    (schedule("rate(1 hour)", _anchor=NOON - 90), NOON - 90 + HOUR),
    (schedule("rate(1 hour)", EndDate=NOON - 1), None),
    (schedule("cron(0 3 ? * MON-FRI *)"), NOON + 15 * HOUR),
    (schedule("cron(0 9 ? * MON-FRI *)", ScheduleExpressionTimezone="America/New_York"), NOON + 2 * HOUR),
    (schedule("cron(0 3 ? * * *)", StartDate=NOON + 20 * HOUR), NOON + 39 * HOUR),
    (schedule("cron(0 3 ? * * *)", EndDate=NOON + HOUR), None),
    (schedule("at(2026-03-02T13:00:00)", StartDate=NOON + DAY, EndDate=NOON), NOON + HOUR),
    (schedule("at(2026-03-02T11:59:30)"), NOON - 30),
    (schedule("at(2026-03-02T11:59:30)", _fired=NOON - 30), None),
    (schedule("at(2026-03-02T11:58:00)"), None),
])  # fmt: skip
def test_the_first_moment(doc: dict[str, Any], due: float | None) -> None:
    assert timing.first(doc, NOON) == due


def test_moments_follow_each_other() -> None:
    doc = schedule("rate(2 hours)", EndDate=NOON + 5 * HOUR)
    assert timing.then(doc, NOON, NOON + 1) == NOON + 2 * HOUR
    assert timing.then(doc, NOON + 4 * HOUR, NOON + 4 * HOUR) is None
    assert timing.then(schedule("at(2026-03-02T12:00:00)"), NOON, NOON) is None


def test_what_passed_without_a_server_is_made_up_for_once() -> None:
    """The oldest moment that the retry policy still allows; the next is one to come."""
    doc, back = schedule("rate(1 hour)"), NOON + 30 * HOUR + 60
    assert timing.made_up(doc, NOON + HOUR, NOON + 3 * HOUR) == NOON + HOUR
    assert timing.made_up(doc, NOON + HOUR, back) == NOON + 7 * HOUR
    assert timing.then(doc, NOON + 7 * HOUR, back) == NOON + 31 * HOUR
    impatient = schedule("rate(1 hour)", Target={"RetryPolicy": {"MaximumEventAgeInSeconds": 120}})
    assert timing.made_up(impatient, NOON + HOUR, back) == NOON + 30 * HOUR
    assert timing.made_up(impatient, NOON + HOUR, back + HOUR / 2) == NOON + HOUR, "none is young enough: the call itself is refused"


def test_a_window_spreads_calls() -> None:
    """Each moment has its own time within it, the same whoever asks; moments of one window all count."""
    doc = schedule("rate(5 minutes)", FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15})
    moments = [NOON + 300 * n for n in range(50)]
    offsets = [timing.due(doc, m) - m for m in moments]
    assert all(0 <= o < 900 for o in offsets)
    assert len(set(offsets)) > 25
    assert offsets == [timing.due(doc, m) - m for m in moments]
    assert timing.then(doc, NOON, NOON + 800) == NOON + 300
    assert timing.due(schedule("rate(5 minutes)"), NOON) == NOON


def test_attempts_end() -> None:
    doc = schedule("rate(1 day)", Target={"RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60}})
    assert [timing.exhausted(doc, NOON, n, NOON) for n in (1, 2, 3)] == ["", "", "MaximumRetryAttempts"]
    assert timing.exhausted(doc, NOON, 1, NOON + 60) == "MaximumEventAgeInSeconds"
    assert [timing.pause(n) for n in (1, 2, 3, 7, 100)] == [1, 2, 4, 60, 60]


def test_an_execution_id_names_one_moment_of_one_schedule() -> None:
    doc = schedule("rate(1 day)")
    ids = {timing.execution_id(doc, NOON), timing.execution_id(doc, NOON + 1), timing.execution_id({**doc, "CreationDate": NOON + 1}, NOON)}
    assert len(ids) == 3
    assert all(len(i) == 16 for i in ids)

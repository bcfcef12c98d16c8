"""What an alarm's datapoints mean: AWS's own tables, and properties of every evaluation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.metrics.alarms.rules import (
    BEYOND,
    OPERATORS,
    Outcome,
    evaluate,
    grid,
    period_of,
    window,
)

NOW = 1_700_000_000.0


def alarm(n: int, m: int | None = None, treatment: str = "missing", **more: Any) -> dict[str, Any]:
    counted = {} if m is None else {"DatapointsToAlarm": m}
    return {
        "EvaluationPeriods": n, "Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": treatment,
        "Period": 60, "Statistic": "Sum", **counted, **more,
    }


def points(pattern: str) -> list[tuple[float, float | None]]:
    """``0`` within the threshold, ``X`` beyond it, ``-`` missing; oldest first, as AWS's tables have it."""
    values = {"0": 1.0, "X": 11.0, "-": None}
    return [(NOW - 60.0 * (len(pattern) - i), values[c]) for i, c in enumerate(pattern)]


def state(pattern: str, n: int, m: int | None, treatment: str) -> str | None:
    return evaluate(alarm(n, m, treatment), points(pattern), NOW).state


TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
KEEP, INSUFFICIENT = None, "INSUFFICIENT_DATA"


@pytest.mark.parametrize(("pattern", "states"), [
    ("0-X-X", ("OK", "OK", "OK", "OK")),
    ("0----", ("OK", "OK", "OK", "OK")),
    ("-----", (INSUFFICIENT, KEEP, "ALARM", "OK")),
    ("0XX-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("--X--", ("ALARM", KEEP, "ALARM", "OK")),
])  # fmt: skip
def test_three_of_three(pattern: str, states: tuple[str | None, ...]) -> None:
    assert tuple(state(pattern, 3, 3, t) for t in TREATMENTS) == states


@pytest.mark.parametrize(("pattern", "states"), [
    ("0-X-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("00X0X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0-X--", ("OK", "OK", "ALARM", "OK")),
    ("----0", ("OK", "OK", "ALARM", "OK")),
    ("---X-", ("ALARM", KEEP, "ALARM", "OK")),
])  # fmt: skip
def test_two_of_three(pattern: str, states: tuple[str | None, ...]) -> None:
    assert tuple(state(pattern, 3, 2, t) for t in TREATMENTS) == states


def test_a_first_breaching_datapoint_is_no_alarm_yet() -> None:
    assert state("----X", 3, 3, "missing") is None
    assert state("---XX", 3, 3, "missing") is None
    assert state("--XXX", 3, 3, "missing") == "ALARM"


def test_the_newest_datapoints_count() -> None:
    assert state("XX000", 3, 1, "missing") == "OK"
    assert state("00X00", 3, 1, "missing") == "ALARM"


@pytest.mark.parametrize(("operator", "value", "breaching"), [
    ("GreaterThanThreshold", 10.0, False), ("GreaterThanOrEqualToThreshold", 10.0, True),
    ("LessThanThreshold", 10.0, False), ("LessThanOrEqualToThreshold", 10.0, True),
    ("GreaterThanThreshold", 10.1, True), ("LessThanThreshold", 9.9, True),
])  # fmt: skip
def test_operators(operator: str, value: float, breaching: bool) -> None:
    given = alarm(1, ComparisonOperator=operator)
    assert evaluate(given, [(NOW - 60, value)], NOW).state == ("ALARM" if breaching else "OK")


def test_words_and_data() -> None:
    at = 1_600_000_020.0
    found = evaluate(alarm(3, 2), [(at, 12.0), (at + 60, 1.0), (at + 120, 11.5)], at + 180)
    assert found.reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [11.5 (13/09/20 12:29:00), 12.0 (13/09/20 12:27:00)] were greater than "
        "the threshold (10.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    data = json.loads(found.data)
    assert data["recentDatapoints"] == [12.0, 1.0, 11.5]
    assert data["startDate"] == "2020-09-13T12:27:00.000+0000"
    assert (data["statistic"], data["period"], data["threshold"], data["version"]) == ("Sum", 60, 10.0, "1.0")
    assert evaluate(alarm(1), [(at, 1.0)], at + 60).reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [1.0 (13/09/20 12:27:00)] was not greater than the threshold (10.0) "
        "(minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert evaluate(alarm(2), [(at, None), (at + 60, None)], at + 120).reason == "Insufficient Data: 2 datapoints were unknown."
    assert evaluate(alarm(2, treatment="breaching"), [(at, None)] * 2, at + 120).reason == (
        "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching]."
    )


def test_time_is_cut_into_complete_periods() -> None:
    given = alarm(2)
    assert window(given, 600.0) == (600 - 60 * (2 + BEYOND), 600)
    assert window(given, 659.9) == window(given, 600.0)
    assert grid(given, 601.0, {540: 5.0, 600: 9.0}) == [(360.0, None), (420.0, None), (480.0, None), (540.0, 5.0)]
    assert period_of({"Metrics": [{"MetricStat": {"Period": 10}}, {"Expression": "m1"}, {"MetricStat": {"Period": 30}}]}) == 30


VALUES = st.one_of(st.none(), st.floats(-100, 100))


@given(
    st.integers(1, 6), st.integers(1, 6), st.sampled_from(TREATMENTS), st.sampled_from(sorted(OPERATORS)),
    st.lists(VALUES, min_size=8, max_size=8),
)  # fmt: skip
def test_every_evaluation(n: int, m: int, treatment: str, operator: str, values: list[float | None]) -> None:
    given = alarm(n, min(m, n), treatment, ComparisonOperator=operator)
    some = [(NOW - 60.0 * (len(values) - i), v) for i, v in enumerate(values)][-(n + BEYOND):]
    found = evaluate(given, some, NOW)
    assert found == evaluate(given, some, NOW)
    real = [v for _, v in some if v is not None]
    if len(real) >= n:  # how missing data is treated does not matter then
        assert {evaluate(alarm(n, min(m, n), t, ComparisonOperator=operator), some, NOW).state for t in TREATMENTS} == {found.state}
    if treatment in ("breaching", "notBreaching"):
        assert found.state in ("OK", "ALARM")
    if not real:
        assert found.state == {"missing": INSUFFICIENT, "ignore": None, "breaching": "ALARM", "notBreaching": "OK"}[treatment]
    assert len(found.reason) <= 1023
    assert found == Outcome(None) or json.loads(found.data)["period"] == 60


@given(st.lists(st.floats(-100, 100), min_size=5, max_size=5), st.integers(1, 3), st.floats(0, 50))
def test_higher_values_never_end_an_alarm(values: list[float], m: int, more: float) -> None:
    given = alarm(3, m)
    low = [(NOW + 60.0 * i, v) for i, v in enumerate(values)]
    if evaluate(given, low, NOW).state == "ALARM":
        assert evaluate(given, [(at, v + more) for at, v in low], NOW).state == "ALARM"

"""What an alarm's datapoints mean. Pure: the alarm, its newest datapoints and the time give its state and the words for it.

How missing datapoints count is AWS's documented behaviour
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html), whose tables are unit tests.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
STATES = (OK, ALARM, INSUFFICIENT_DATA)
BEYOND = 2
"""Periods looked at beyond EvaluationPeriods, so that older datapoints can stand in for missing ones. AWS does not say how
many there are; its examples show two."""
SHOWN = 10
"""Datapoints that a reason names."""
REASON_DATA = 4000

OPERATORS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")

Point = tuple[float, float | None]
"""(start of the period in epoch seconds, value or None where there is none)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation says. ``state`` None: nothing that could change the state."""

    state: str | None
    reason: str = ""
    data: str = ""
    """StateReasonData, JSON."""


def needed(alarm: Mapping[str, Any]) -> int:
    """DatapointsToAlarm: the M of M out of N."""
    return int(alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]))


def breaches(alarm: Mapping[str, Any], value: float) -> bool:
    compare, _ = OPERATORS[alarm["ComparisonOperator"]]
    return not math.isnan(value) and compare(value, alarm["Threshold"])


def evaluate(alarm: Mapping[str, Any], points: Sequence[Point], now: float) -> Outcome:
    """The state that the datapoints call for.

    Args:
        alarm: members of PutMetricAlarm.
        points: one for each of the last EvaluationPeriods + BEYOND complete periods, oldest first.
        now: epoch seconds.
    """
    periods, m = int(alarm["EvaluationPeriods"]), needed(alarm)
    treatment = alarm.get("TreatMissingData", "missing")
    real = [(at, value) for at, value in points if value is not None][-periods:]
    filled = periods - len(real)
    bad = [(at, value) for at, value in real if breaches(alarm, value)]
    if filled and treatment in ("missing", "ignore") and len(bad) < m:
        state = _unsure(points, real, bad, m, treatment)
    else:
        state = ALARM if len(bad) + (filled if treatment == "breaching" else 0) >= m else OK
    if state is None:
        return Outcome(None)
    return Outcome(state, _reason(alarm, state, real, bad, filled, treatment), _data(alarm, real, now))


def _unsure(points: Sequence[Point], real: list[Any], bad: list[Any], m: int, treatment: str) -> str | None:
    """Fewer datapoints than there should be, and fewer breaching ones than an alarm needs."""
    if len(real) > len(bad):
        return OK
    if treatment == "ignore":
        return None
    if not real:
        return INSUFFICIENT_DATA
    # all there is breaches: an alarm as soon as the oldest of it is as many periods old as an alarm needs
    age = len(points) - next(i for i, (at, _) in enumerate(points) if at == real[0][0])
    return ALARM if age >= m else None


# -- words


def _reason(alarm: Mapping[str, Any], state: str, real: list[Any], bad: list[Any], filled: int, treatment: str) -> str:
    if state == INSUFFICIENT_DATA:
        count = int(alarm["EvaluationPeriods"])
        return f"Insufficient Data: {count} datapoint{'s were' if count > 1 else ' was'} unknown."
    m, periods = needed(alarm), int(alarm["EvaluationPeriods"])
    if not real:
        treated = "Breaching" if treatment == "breaching" else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {filled} period{'s' if filled > 1 else ''} and "
            f"{filled} missing datapoint{'s were' if filled > 1 else ' was'} treated as [{treated}]."
        )
    shown = bad if state == ALARM else [p for p in real if p not in bad]
    values = ", ".join(f"{value} ({datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S})" for at, value in reversed(shown[-SHOWN:]))
    crossed = OPERATORS[alarm["ComparisonOperator"]][1]
    said = f"{'were' if len(shown) > 1 else 'was'}{'' if state == ALARM else ' not'} {crossed}"
    least = m if state == ALARM else periods - m + 1
    change = "OK -> ALARM" if state == ALARM else "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(shown)} out of the last {periods} datapoints [{values}] {said} the threshold "
        f"({float(alarm['Threshold'])}) (minimum {least} datapoint{'s' if least > 1 else ''} for {change} transition)."
    )


def iso(at: float) -> str:
    """A time as StateReasonData has it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _data(alarm: Mapping[str, Any], real: list[Any], now: float) -> str:
    period = period_of(alarm)
    said: dict[str, Any] = {"version": "1.0", "queryDate": iso(now)}
    if real:
        said["startDate"] = iso(real[0][0])
    if stat := alarm.get("Statistic") or alarm.get("ExtendedStatistic"):
        said["statistic"] = stat
    said |= {"period": period, "recentDatapoints": [v for _, v in real], "threshold": float(alarm["Threshold"])}
    said["evaluatedDatapoints"] = [{"timestamp": iso(at), "value": v} for at, v in reversed(real[-SHOWN:])]
    text = json.dumps(said, separators=(",", ":"))
    if len(text) > REASON_DATA:
        said["recentDatapoints"] = said["recentDatapoints"][-100:]
        text = json.dumps(said, separators=(",", ":"))
    return text


# -- time


def period_of(alarm: Mapping[str, Any]) -> int:
    """Seconds: an alarm's own period, or the longest of its metrics'."""
    if "Period" in alarm:
        return int(alarm["Period"])
    periods = [q["MetricStat"]["Period"] if "MetricStat" in q else q.get("Period", 0) for q in alarm.get("Metrics", ())]
    return int(max(periods, default=0)) or 60


def window(alarm: Mapping[str, Any], now: float) -> tuple[int, int]:
    """[start, end) of the complete periods that an evaluation looks at."""
    period = period_of(alarm)
    end = int(now // period) * period
    return end - period * (int(alarm["EvaluationPeriods"]) + BEYOND), end


def grid(alarm: Mapping[str, Any], now: float, values: Mapping[int, float]) -> list[Point]:
    """The points of ``evaluate``: one a period, whether there is a value or not."""
    start, end = window(alarm, now)
    period = period_of(alarm)
    return [(float(at), values.get(at)) for at in range(start, end, period)]

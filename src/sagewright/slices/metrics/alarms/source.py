"""The datapoints of an alarm, read from the metrics: of one metric, or of an expression over several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ....stores.metrics import Series
from ..data import Answer, Read, series_of
from .rules import Point, grid, window

METRIC = ("Namespace", "MetricName", "Dimensions")


def queries(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What GetMetricData would be asked for the alarm's values; exactly one query returns data."""
    if "Metrics" in alarm:
        return list(alarm["Metrics"])
    stat = {
        "Metric": {k: alarm[k] for k in METRIC if k in alarm},
        "Period": alarm["Period"],
        "Stat": alarm.get("Statistic") or alarm.get("ExtendedStatistic"),
        **({"Unit": alarm["Unit"]} if "Unit" in alarm else {}),
    }
    return [{"Id": "m1", "MetricStat": stat}]


def answer(alarm: Mapping[str, Any], read: Read, start: int, end: int) -> dict[int, float]:
    """Start of the period → value. Raises ServiceError for what cannot be computed."""
    params = {"StartTime": start, "EndTime": end, "MetricDataQueries": queries(alarm)}
    ((_, values),) = Answer(params, read).results()
    return {at: value for at, value in values.items() if math.isfinite(value)}


def points(alarm: Mapping[str, Any], read: Read, now: float) -> list[Point]:
    """The alarm's newest datapoints, oldest first. Blocking."""
    start, end = window(alarm, now)
    return grid(alarm, now, answer(alarm, read, start, end))


def series(alarm: Mapping[str, Any]) -> set[Series]:
    """The metrics that an alarm looks at."""
    return {series_of(q["MetricStat"]["Metric"]) for q in queries(alarm) if "MetricStat" in q}

"""A series as x and y values: one value a step, or one a period of time. Pure.

Series that were written in order, as nearly all are, cost no work a point: each bucket is a slice.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from ...stores.runs import Track

PERIODS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}
"""Seconds."""
Values = Sequence[float]


def deviation(values: Values) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))


STATISTICS: dict[str, Callable[[Values], float]] = {
    "Min": min,
    "Max": max,
    "Avg": lambda values: math.fsum(values) / len(values),
    "Count": lambda values: float(len(values)),
    "StdDev": deviation,
    "Last": lambda values: values[-1],
}


@dataclass(frozen=True, slots=True)
class Axis:
    """What x means, and which part of it is asked for."""

    seconds: int
    """Of a period; 0 on the axis of steps."""
    start: float
    end: float
    """Seconds or steps, both inclusive."""

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> Axis:
        seconds = PERIODS.get(query["Period"], 0)
        scale = 1000.0 if seconds else 1.0
        return cls(seconds, query.get("Start", -math.inf) / scale, query.get("End", math.inf) / scale)

    @staticmethod
    def fault(query: Mapping[str, Any]) -> str:
        """Why a query cannot be answered; empty if it can."""
        if (query["XAxisType"] == "IterationNumber") != (query["Period"] == "IterationNumber"):
            return f"XAxisType {query['XAxisType']} does not go with Period {query['Period']}."
        if "Start" in query and "End" in query and query["Start"] > query["End"]:
            return "Start is after End."
        return ""


class Ladder:
    """Steps as a list. Series that were written together have the same ones: they are made into numbers once."""

    def __init__(self) -> None:
        self._steps, self._list = array("q"), list[int]()

    def of(self, steps: array[int]) -> list[int]:
        """Shared: to be read only."""
        if steps != self._steps:
            self._steps, self._list = steps, steps.tolist()
        return self._list


def plot(track: Track, axis: Axis, stat: str, ladder: Ladder | None = None) -> tuple[list[int], list[float]]:
    """x values, ascending, and what the statistic says of the points at each. ``ladder``: of several series asked for at once."""
    if not len(track):
        return [], []
    return _by_time(track, axis, STATISTICS[stat]) if axis.seconds else _by_step(track, axis, stat, ladder or Ladder())


def _by_step(track: Track, axis: Axis, stat: str, ladder: Ladder) -> tuple[list[int], list[float]]:
    if not track.climbing:
        points = sorted(
            (s, t, n) for n, (s, t) in enumerate(zip(track.steps, track.times, strict=True)) if axis.start <= s <= axis.end and s >= 0
        )
        groups = [(step, [track.values[n] for _, _, n in some]) for step, some in groupby(points, key=itemgetter(0))]
        return [step for step, _ in groups], [STATISTICS[stat](values) for _, values in groups]
    first, stop = bisect_left(track.steps, axis.start), bisect_right(track.steps, axis.end)
    steps = ladder.of(track.steps[first:stop])
    if stat == "Count":
        return steps, [1.0] * len(steps)
    if stat == "StdDev":
        return steps, [0.0] * len(steps)
    return steps, track.values[first:stop].tolist()


def _by_time(track: Track, axis: Axis, statistic: Callable[[Values], float]) -> tuple[list[int], list[float]]:
    times, values = track.times, track.values
    if not track.timely:
        order = sorted(range(len(times)), key=times.__getitem__)  # stable: arrival decides among equals
        times, values = array("d", map(times.__getitem__, order)), array("d", map(values.__getitem__, order))
    at, stop = bisect_left(times, axis.start), bisect_right(times, axis.end)
    xs, ys = [], []
    while at < stop:
        period = math.floor(times[at] / axis.seconds) * axis.seconds
        after = bisect_left(times, period + axis.seconds, at, stop)
        xs.append(period * 1000)
        ys.append(statistic(values[at:after]))
        at = after
    return xs, ys

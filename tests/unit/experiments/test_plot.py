"""Series as x and y values: the quick way for ordered series says what the slow one says."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagewright.slices.experiments.plot import PERIODS, STATISTICS, Axis, Ladder, plot
from sagewright.stores.runs import NO_STEP, Track

POINTS = st.lists(st.tuples(st.integers(NO_STEP, 40), st.integers(0, 20_000), st.floats(-1e6, 1e6)), max_size=60)


def track(points: list[tuple[int, float, float]]) -> Track:
    made = Track()
    for step, time, value in points:
        made.steps.append(step)
        made.times.append(float(time))
        made.values.append(value)
    steps, times = list(made.steps), list(made.times)
    made.climbing = all(a < b for a, b in zip([NO_STEP, *steps], steps, strict=False))
    made.timely = times == sorted(times)
    return made


def plainly(points: list[tuple[int, float, float]], query: dict[str, Any], stat: str) -> tuple[list[int], list[float]]:
    """By definition, point by point."""
    seconds = PERIODS.get(query["Period"], 0)
    scale = 1000 if seconds else 1
    buckets: dict[int, list[tuple[float, int, float]]] = {}
    for n, (step, time, value) in enumerate(points):
        place = time if seconds else step
        if not query.get("Start", -math.inf) / scale <= place <= query.get("End", math.inf) / scale or (not seconds and step < 0):
            continue
        buckets.setdefault(int(time // seconds * seconds * 1000) if seconds else step, []).append((time, n, value))
    xs = sorted(buckets)
    return xs, [STATISTICS[stat]([v for _, _, v in sorted(buckets[x])]) for x in xs]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(POINTS, st.sampled_from([*PERIODS, "IterationNumber"]), st.sampled_from(list(STATISTICS)), st.booleans(), st.booleans(), st.data())
def test_every_way_agrees(points: Any, period: str, stat: str, by_step: bool, by_time: bool, data: Any) -> None:
    if by_step:
        points = [(n, t, v) for n, (_, t, v) in enumerate(points)]
    if by_time:
        times = sorted(t for _, t, _ in points)
        points = [(s, t, v) for (s, _, v), t in zip(points, times, strict=True)]
    query: dict[str, Any] = {"Period": period, "XAxisType": "IterationNumber" if period == "IterationNumber" else "Timestamp"}
    for end in ("Start", "End"):
        if data.draw(st.booleans()):
            query[end] = data.draw(st.integers(0, 40 if period == "IterationNumber" else 20_000_000))
    xs, ys = plot(track(points), Axis.of(query), stat)
    expected = plainly(points, query, stat)
    assert xs == expected[0]
    assert ys == pytest.approx(expected[1], rel=1e-9, abs=1e-6)


def test_series_with_the_same_steps_share_them_and_others_do_not() -> None:
    ladder = Ladder()
    axis = Axis.of({"Period": "IterationNumber", "XAxisType": "IterationNumber"})
    rows = [[(n, 0.0, 1.0) for n in range(5)], [(n, 0.0, 2.0) for n in range(5)], [(n * 2, 0.0, 3.0) for n in range(4)]]
    first, second, third = (plot(track(points), axis, "Last", ladder) for points in rows)
    assert first[0] is second[0]
    assert (first[0], second[1], third) == ([0, 1, 2, 3, 4], [2.0] * 5, ([0, 2, 4, 6], [3.0] * 4))


def test_faults() -> None:
    good = {"Period": "IterationNumber", "XAxisType": "IterationNumber"}
    assert Axis.fault(good) == ""
    assert Axis.fault({**good, "Period": "OneHour"})
    assert Axis.fault({**good, "XAxisType": "Timestamp"})
    assert Axis.fault({**good, "Start": 3, "End": 2})
    assert Axis.fault({**good, "Start": 3, "End": 3}) == ""

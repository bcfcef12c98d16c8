"""What tuning decides, without a server: spaces, draws, early stopping, Hyperband, completion."""

from __future__ import annotations

import itertools
import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.tuning.engine import completion, draws
from sagewright.slices.tuning.engine.hyperband import Hyperband
from sagewright.slices.tuning.engine.median import MedianRule
from sagewright.slices.tuning.engine.space import Parameter, parameters, point_of, scaling, texts


def ranges(**more: Any) -> dict[str, Any]:
    return {
        "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "10", "ScalingType": "Linear"}],
        "ContinuousParameterRanges": [
            {"Name": "rate", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Logarithmic"},
            {"Name": "momentum", "MinValue": "0", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"},
        ],
        "CategoricalParameterRanges": [{"Name": "kernel", "Values": ["rbf", "poly", "sigmoid"]}],
        **more,
    }


@pytest.mark.parametrize(("said", "low", "high", "used"), [
    ("Auto", 0.01, 1.0, "Logarithmic"), ("Auto", 0.02, 1.0, "Linear"), ("Auto", 0.0, 1e6, "Linear"), ("Auto", -5.0, 5.0, "Linear"),
    ("Linear", 1e-9, 1.0, "Linear"), ("Logarithmic", 1.0, 2.0, "Logarithmic"), ("ReverseLogarithmic", 0.0, 0.9, "ReverseLogarithmic"),
])
def test_scaling(said: str, low: float, high: float, used: str) -> None:
    assert scaling(said, low, high) == used


def test_scales_have_their_middle_where_they_should() -> None:
    assert Parameter("r", "Continuous", 1e-4, 1.0, "Logarithmic").number(0.5) == pytest.approx(1e-2)
    assert Parameter("m", "Continuous", 0.0, 0.99, "ReverseLogarithmic").number(0.5) == pytest.approx(0.9)
    assert Parameter("x", "Continuous", -2.0, 4.0).number(0.5) == 1.0


@given(st.floats(0, 1, exclude_max=True), st.sampled_from(["Linear", "Logarithmic"]), st.integers(1, 50), st.integers(1, 5000))
def test_integers_stay_integers_and_come_back(u: float, scale: str, low: int, width: int) -> None:
    parameter = Parameter("n", "Integer", low, low + width, scale)
    position = parameter.draw(u)
    text = parameter.text(position)
    assert text == str(int(text)), "no decimal point"
    assert low <= int(text) <= low + width
    back = parameter.read(text)
    assert back is not None
    assert parameter.text(back) == text


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=4, max_size=4))
def test_a_point_reads_back_as_itself(us: list[float]) -> None:
    space = parameters(ranges())
    point = [p.draw(u) for p, u in zip(space, us, strict=True)]
    values = texts(space, point)
    back = point_of(space, values)
    assert back is not None
    assert texts(space, back)["kernel"] == values["kernel"]
    assert back == pytest.approx(point, abs=1e-9)


def test_values_of_other_ranges_are_no_points() -> None:
    space = parameters(ranges())
    good = {"depth": "3", "rate": "0.01", "momentum": "0.5", "kernel": "poly"}
    assert point_of(space, good) is not None
    for bad in ({"depth": "11"}, {"rate": "2"}, {"rate": "nan"}, {"kernel": "linear"}, {"depth": "many"}):
        assert point_of(space, {**good, **bad}) is None
    del good["rate"]
    assert point_of(space, good) is None


def test_each_integer_gets_its_share() -> None:
    parameter = Parameter("n", "Integer", 1, 4)
    drawn = [parameter.text(parameter.draw((i + 0.5) / 4000)) for i in range(4000)]
    assert {text: drawn.count(text) for text in "1234"} == dict.fromkeys("1234", 1000)


def test_draws_follow_from_seed_and_number() -> None:
    space = parameters(ranges())
    assert draws.uniform(space, 7, 3) == draws.uniform(space, 7, 3)
    assert draws.uniform(space, 7, 3) != draws.uniform(space, 8, 3)
    assert len({tuple(draws.uniform(space, 7, n)) for n in range(100)}) == 100


def test_a_first_look_is_spread_evenly() -> None:
    space = [Parameter(name, "Continuous", 0, 1) for name in "abcd"]
    count = draws.initial(len(space))

    def gap(points: list[list[float]]) -> float:
        return min(math.dist(a, b) for a, b in itertools.combinations(points, 2))

    spread = statistics.mean(gap(draws.spread(space, seed)) for seed in range(20))
    chance = statistics.mean(gap([draws.uniform(space, seed, n) for n in range(1, count + 1)]) for seed in range(20))
    assert spread > 1.4 * chance
    assert draws.spread(space, 7) == draws.spread(space, 7) != draws.spread(space, 8)


@pytest.mark.parametrize("seed", range(20))
def test_a_first_look_sees_each_part_of_each_axis(seed: int) -> None:
    space = parameters(ranges())
    points = draws.spread(space, seed)
    assert len(points) == draws.initial(len(space)) == 6
    for axis, parameter in enumerate(space):
        if parameter.kind == "Continuous":
            assert sorted(int(6 * p[axis]) for p in points) == list(range(6)), parameter.name
    assert sorted(p[-1] for p in points) == [0, 0, 1, 1, 2, 2]  # categories, each as often as any other


def test_grid() -> None:
    space = [Parameter("a", "Categorical", values=("x", "y")), Parameter("b", "Categorical", values=("1", "2", "3"))]
    assert draws.grid_size(space) == 6
    tried = [tuple(texts(space, draws.grid(space, n)).values()) for n in range(1, 7)]
    assert tried == list(itertools.product(("x", "y"), ("1", "2", "3")))


# -- the median rule


def test_nobody_is_stopped_before_four_have_completed() -> None:
    rule = MedianRule()
    for _ in range(3):
        rule.completed([1.0, 1.0])
    assert not rule.stops(1, 100.0)
    rule.completed([1.0, 1.0])
    assert rule.stops(1, 100.0)
    assert not rule.stops(1, 1.0), "as good as the median is not worse"
    assert not rule.stops(3, 100.0), "nobody has come so far"


def test_running_averages_are_compared_not_values() -> None:
    rule = MedianRule()
    for _ in range(4):
        rule.completed([9.0, 1.0, 1.0])  # running averages 9, 5, 11/3
    assert not rule.stops(2, 4.9)
    assert rule.stops(2, 5.1)


@given(st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=5), min_size=4, max_size=9), st.integers(1, 5), st.floats(-100, 100))
def test_the_median_is_that_of_the_book(curves: list[list[float]], epoch: int, value: float) -> None:
    rule = MedianRule()
    for curve in curves:
        rule.completed(curve)
    there = [sum(c[:epoch]) / epoch for c in curves if len(c) >= epoch]
    if len(there) < 4:
        assert not rule.stops(epoch, value)
    elif abs(value - statistics.median(there)) > 1e-6:
        assert rule.stops(epoch, value) == (value > statistics.median(there))


# -- Hyperband


def test_one_in_three_goes_on() -> None:
    rule = Hyperband(1, 9)
    assert rule.levels == [1, 3]
    first = [number for number in range(1, 200) if rule.bracket(number) == 0]
    kept = [n for n in first[:90] if not rule.stops(n, 1, float((n * 37) % 101))]
    assert len(kept) == pytest.approx(30, abs=8)


def test_nobody_stops_before_the_least_or_runs_beyond_the_most() -> None:
    rule = Hyperband(4, 20)
    for number in range(1, 30):
        assert not any(rule.stops(number, epoch, 1e9 + number) for epoch in (1, 2, 3))
    assert not rule.stops(1, 20, 0.0)
    assert rule.stops(1, 21, 0.0)


def test_the_best_so_far_always_goes_on() -> None:
    rule = Hyperband(1, 27)
    for number in range(1, 50):
        assert not any(rule.stops(number, epoch, -float(number)) for epoch in range(1, 28))


def test_a_value_that_is_no_number_stops() -> None:
    assert Hyperband(1, 9).stops(1, 1, math.nan)


# -- completion


def progress(*values: float | None, window: int = 10) -> completion.Progress:
    found = completion.Progress(window)
    for value in values:
        found.add(value, failure="AlgorithmError: x" if value is None else None)
    return found


def test_a_gain_below_a_percent_is_none() -> None:
    assert progress(1.0, 0.995, 0.991).stale == 2
    assert progress(1.0, 0.995, 0.989).stale == 0, "small gains add up"
    assert progress(-1.0, -1.005).stale == 1
    assert progress(1.0, None, 2.0).stale == 2


@pytest.mark.parametrize(("criteria", "values", "sign", "met"), [
    ({"TargetObjectiveMetricValue": 0.5}, [0.6, 0.5], 1.0, True),
    ({"TargetObjectiveMetricValue": 0.5}, [0.6], 1.0, False),
    ({"TargetObjectiveMetricValue": 0.9}, [-0.91], -1.0, True),
    ({"TargetObjectiveMetricValue": 0.9}, [-0.89], -1.0, False),
    ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, [1.0, 1.0, 1.0], 1.0, False),
    ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, [1.0, 1.0, 1.0, 1.0], 1.0, True),
    ({"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}, [1.0] * 11, 1.0, True),
    ({"ConvergenceDetected": {"CompleteOnConvergence": "Disabled"}}, [1.0] * 11, 1.0, False),
    ({}, [1.0] * 50, 1.0, False),
])
def test_criteria(criteria: dict[str, Any], values: list[float], sign: float, met: bool) -> None:
    assert completion.met(criteria, progress(*values), sign) is met


def test_hopeless() -> None:
    assert progress(None, None, None, None).hopeless() == ""
    assert "No training job succeeded after 5 attempts" in progress(*[None] * 5).hopeless()
    assert "AlgorithmError: x" in progress(*[None] * 5).hopeless()
    assert progress(1.0, *[None] * 9).hopeless() == "", "one success is hope enough"
    assert "No training job succeeded after 2" in progress(None, None).hopeless(last=True)
    silent = completion.Progress(10)
    for _ in range(5):
        silent.add(None)
    assert "No objective metrics found after running 5" in silent.hopeless()

"""What is recommended from what was measured."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.recommender import candidates, prices, results, scaling

RESULT = {"Begin": 100.0, "End": 130.0, "PeakBegin": 110.0, "PeakEnd": 130.0, "Rate": 1200.4, "Latency": 3.2}


def step(number: int, rate: int, cost: float | None, *, status: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    metrics = {"MaxInvocations": rate, "ModelLatency": 5} | ({"CostPerInference": cost} if cost is not None else {})
    return {
        "Status": status, "_endpoint": f"e{number}", "_candidate": candidates.of(f"ml.m{number}.large"), "_metrics": metrics,
        "_result": RESULT, **more,
    }


def test_metrics_of_a_load_test() -> None:
    found = results.metrics(RESULT, 0.85, 0.36, 150.0, 12.5)
    assert found == {
        "MaxInvocations": 1200, "ModelLatency": 4, "ModelSetupTime": 850, "CostPerHour": 0.36, "CpuUtilization": 150.0,
        "MemoryUtilization": 12.5, "CostPerInference": 0.36 / 72_000,
    }
    assert set(results.metrics(RESULT, 0.0, None, None, None)) == {"MaxInvocations", "ModelLatency", "ModelSetupTime"}


@pytest.mark.parametrize(("begin", "end", "mean"), [
    (100.0, 112.0, 40.0),  # only the samples that lie within
    (103.0, 104.0, 20.0),  # too short for any: the one that covers it
    (104.0, 107.0, 40.0),  # or both that touch it
    (95.0, 97.0, None), (130.0, 140.0, None),
])
def test_use_over_a_stretch_of_time(begin: float, end: float, mean: float | None) -> None:
    samples = [(100.0, 90.0), (105.0, 20.0), (110.0, 60.0), (115.0, 5.0)]
    assert results.used(samples, begin, end) == mean


def test_recommendations_are_the_cheapest_first() -> None:
    steps = [step(1, 100, 3e-6), step(2, 900, 1e-6), step(3, 500, 2e-6, status="FAILED", _failure="ClientError: no")]
    found = results.recommendations("job", steps, 0)
    assert [one["EndpointConfiguration"]["InstanceType"] for one in found] == ["ml.m2.large", "ml.m1.large"]
    assert [one["RecommendationId"].split("/")[0] for one in found] == ["job", "job"]
    assert all(len(one["RecommendationId"].split("/")[1]) == 8 for one in found)
    unpriced = results.recommendations("job", [step(1, 100, None), step(2, 900, None)], 0)
    assert unpriced[0]["Metrics"]["MaxInvocations"] == 900


def test_the_traffic_that_is_expected_says_how_many_instances() -> None:
    found = results.recommendations("job", [step(1, 100, None), step(2, 900, None)], 950)
    assert [one["EndpointConfiguration"]["InitialInstanceCount"] for one in found] == [2, 10]


def test_a_job_without_a_result_says_the_first_reason() -> None:
    steps = [step(n, 1, None, status="FAILED", _failure="CapacityError: too large") for n in (1, 2)]
    assert results.failure(steps) == "CapacityError: 2 of 2 benchmarks failed and none succeeded. ml.m1.large: CapacityError: too large"


def test_an_existing_endpoint_is_a_performance_and_no_recommendation() -> None:
    steps = [{**step(1, 10, None), "_candidate": {"Existing": "mine"}}]
    assert results.recommendations("job", steps, 0) == []
    assert results.performances(steps) == [{"Metrics": {"MaxInvocations": 10, "ModelLatency": 5}, "EndpointInfo": {"EndpointName": "mine"}}]


# -- candidates


def test_every_combination_of_variables_is_a_candidate() -> None:
    ranges = [{"Name": "A", "Value": ["1", "2"]}, {"Name": "B", "Value": ["x", "y", "z"]}]
    found = candidates.expand([{"InstanceType": "ml.a", "EnvironmentParameterRanges": {"CategoricalParameterRanges": ranges}}, {"InstanceType": "ml.b"}])
    assert len(found) == 7
    assert found[0] == candidates.of("ml.a", None, {"A": "1", "B": "x"})
    assert found[-1] == candidates.of("ml.b")


@given(st.integers(1, 60), st.integers(1, 12))
def test_too_many_candidates_are_thinned_out_evenly(count: int, most: int) -> None:
    found = candidates.spread([{"n": n} for n in range(count)], most)
    numbers = [one["n"] for one in found]
    assert len(numbers) == min(count, most)
    assert numbers[0] == 0
    gaps = {b - a for a, b in itertools.pairwise(numbers)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_the_cheapest_type_of_each_size_is_offered() -> None:
    shapes = {"ml.a": (2, 8), "ml.b": (2, 8), "ml.c": (4, 8), "ml.d": (64, 8)}
    found = candidates.offered({"ml.a": 3.0, "ml.b": 2.0, "ml.c": 1.0, "ml.d": 0.1, "ml.e": 0.0}, shapes.get, lambda name: name != "ml.d")
    assert found == ["ml.b", "ml.c"]


# -- prices


def test_the_price_table_that_comes_along_can_be_used() -> None:
    found = prices.load("")
    assert found["ml.m5.large"] == 0.115
    assert all(name.startswith("ml.") and price > 0 for name, price in found.items())


def test_an_operator_s_own_table(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"prices": {"ml.m5.large": 0}}))
    assert prices.load(str(tmp_path / "mine.json")) == {"ml.m5.large": 0.0}


@pytest.mark.parametrize("text", ["", "[]", '{"prices": 3}', '{"prices": {"ml.a": "1"}}', '{"prices": {"ml.a": -1}}', '{"prices": {"ml.a": NaN}}'])
def test_a_table_that_makes_no_sense_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(prices.BadTable, match=r"bad\.json cannot be used"):
        prices.load(str(tmp_path / "bad.json"))


# -- scaling


def scale(measured: dict[str, Any], target: int = 50, count: int = 1, **objective: int) -> tuple[dict[str, Any], dict[str, Any]]:
    return scaling.recommend({"ModelLatency": 7, **measured}, 2, target, objective, count)


def test_instances_get_what_keeps_their_cores_at_the_target() -> None:
    metric, found = scale({"MaxInvocations": 1000, "CpuUtilization": 200.0}, MinInvocationsPerMinute=600, MaxInvocationsPerMinute=4100)
    assert metric == {"InvocationsPerInstance": 500, "ModelLatency": 7}
    assert (found["MinCapacity"], found["MaxCapacity"]) == (2, 9)
    assert (found["ScaleInCooldown"], found["ScaleOutCooldown"]) == (300, 300)
    policy = found["ScalingPolicies"][0]["TargetTracking"]
    assert policy["TargetValue"] == 500
    assert policy["MetricSpecification"] == {"Predefined": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}


def test_cores_that_are_hardly_busy_at_the_peak_leave_some_room_to_it() -> None:
    assert scale({"MaxInvocations": 1000, "CpuUtilization": 20.0})[0]["InvocationsPerInstance"] == 800
    assert scale({"MaxInvocations": 1000})[0]["InvocationsPerInstance"] == 500, "unmeasured cores count as busy"


def test_without_an_objective_what_was_measured_is_the_objective() -> None:
    found = scale({"MaxInvocations": 1000, "CpuUtilization": 200.0}, count=3)[1]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (3, 6)


@given(st.integers(1, 10**6), st.floats(0, 400), st.integers(1, 100), st.integers(1, 10**6), st.integers(0, 10**6))
def test_scaling_always_makes_sense(most: int, cpu: float, target: int, low: int, more: int) -> None:
    metric, found = scale({"MaxInvocations": most, "CpuUtilization": cpu}, target, MinInvocationsPerMinute=low, MaxInvocationsPerMinute=low + more)
    assert 1 <= metric["InvocationsPerInstance"] <= most
    assert 1 <= found["MinCapacity"] <= found["MaxCapacity"]
    assert found["MaxCapacity"] * metric["InvocationsPerInstance"] >= low + more

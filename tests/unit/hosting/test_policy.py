"""What deployment policies mean, and what they may not say."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagewright.slices.hosting import policy
from sagewright.wire.errors import Invalid


def variant(name: str = "a", count: int = 4, weight: float = 1.0) -> dict[str, Any]:
    return {"Name": name, "Count": count, "Weight": weight}


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def bluegreen(kind: str, wait: int = 0, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **{k: more.pop(k) for k in ("CanarySize", "LinearStepSize") if k in more}}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **more}}


def rolling(size: dict[str, Any], wait: int = 0, **more: Any) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait, **more}}


@pytest.mark.parametrize(("config", "expected"), [
    (None, [1.0]),
    (bluegreen("ALL_AT_ONCE"), [1.0]),
    (bluegreen("CANARY", CanarySize=percent(10)), [0.1, 1.0]),
    (bluegreen("CANARY", CanarySize=instances(1)), [0.25, 1.0]),
    (bluegreen("LINEAR", LinearStepSize=percent(33)), [0.33, 0.66, 1.0]),
    (bluegreen("LINEAR", LinearStepSize=percent(30)), [0.3, 0.6, 0.9, 1.0]),
    (bluegreen("LINEAR", LinearStepSize=instances(2)), [0.5, 1.0]),
    (rolling(instances(1)), [0.25, 0.5, 0.75, 1.0]),
    (rolling(percent(50)), [0.5, 1.0]),
    (rolling(percent(30)), [0.25, 0.5, 0.75, 1.0]),
])
def test_steps(config: dict[str, Any] | None, expected: list[float]) -> None:
    policy.check(config, [variant()])
    assert [step["a"] for step in policy.steps(config, [variant()])] == pytest.approx(expected)


@pytest.mark.parametrize(("config", "text"), [
    ({**bluegreen("ALL_AT_ONCE"), **rolling(percent(50))}, "not both"),
    (bluegreen("CANARY"), "CanarySize is required when the traffic routing type is CANARY"),
    (bluegreen("LINEAR"), "LinearStepSize is required"),
    (bluegreen("ALL_AT_ONCE", CanarySize=percent(5)), "CanarySize cannot be given when the traffic routing type is ALL_AT_ONCE"),
    (bluegreen("CANARY", CanarySize=percent(51)), "CanarySize must be between 1 and 50 percent"),
    (bluegreen("CANARY", CanarySize=instances(3)), "3 .INSTANCE_COUNT. is 75 percent of the 4 of variant a"),
    (bluegreen("LINEAR", LinearStepSize=percent(9)), "LinearStepSize must be between 10 and 50"),
    (rolling(percent(4)), "MaximumBatchSize must be between 5 and 50"),
    (rolling(instances(3)), "MaximumBatchSize must be between 5 and 50"),
    (rolling(percent(50), RollbackMaximumBatchSize=percent(101)), "RollbackMaximumBatchSize must be between 5 and 100"),
    (rolling(instances(1), 200, MaximumExecutionTimeoutInSeconds=800), "must be greater than the sum of the deployment's waits .800"),
    (bluegreen("CANARY", 250, CanarySize=percent(5), TerminationWaitInSeconds=100, MaximumExecutionTimeoutInSeconds=600), "600 seconds"),
    ({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "x"}, {"AlarmName": "x"}]}}, "comes twice"),
])
def test_refused(config: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid, match=text):
        policy.check(config, [variant()])


sizes = st.one_of(st.integers(1, 100).map(percent), st.integers(1, 20).map(instances))
configs = st.one_of(
    st.just(bluegreen("ALL_AT_ONCE")),
    sizes.map(lambda size: bluegreen("CANARY", CanarySize=size)),
    sizes.map(lambda size: bluegreen("LINEAR", LinearStepSize=size)),
    sizes.map(rolling),
)
fleets = st.lists(st.integers(1, 30), min_size=1, max_size=3).map(lambda counts: [variant("abc"[n], c) for n, c in enumerate(counts)])


@settings(max_examples=50, deadline=None)
@given(configs, fleets)
def test_steps_stay_within_their_bounds(config: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    try:
        policy.check(config, variants)
    except Invalid:
        return
    steps = policy.steps(config, variants)
    assert all(share == 1.0 for share in steps[-1].values())
    high = {"CANARY": 0.5, "LINEAR": 0.5}.get(config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {}).get("Type", ""))
    for one in variants:
        shares = [0.0, *(step[one["Name"]] for step in steps)]
        assert shares == sorted(shares)
        if "RollingUpdatePolicy" in config:
            taken = [round(share * one["Count"]) for share in shares]
            most = policy.batch(config["RollingUpdatePolicy"]["MaximumBatchSize"], one["Count"])
            assert all(after - before <= most for before, after in itertools.pairwise(taken))
            assert most <= max(1, one["Count"] / 2)
        elif high:
            assert shares[1] <= high
            if len(steps) > 2:
                assert max(b - a for a, b in itertools.pairwise(shares)) <= shares[1] + 0.0101


weights = st.floats(0, 10, allow_subnormal=False)
shares = st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1))


@st.composite
def portion(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, float]]:
    names = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    return [variant(name, 1, draw(weights)) for name in names], {name: draw(shares) for name in names}


@settings(max_examples=50, deadline=None)
@given(st.lists(portion(), min_size=1, max_size=3))
def test_shares_sum_to_one(portions: list[tuple[list[dict[str, Any]], dict[str, float]]]) -> None:
    found = policy.split(portions)
    flat = [one for fleet in found for one in fleet]
    assert sum(weight for weight, _ in flat) == pytest.approx(1.0)
    assert all(0 <= weight <= 1 + 1e-9 and 0 <= share <= 1 for weight, share in flat)
    for name in {v["Name"] for v in portions[-1][0]}:
        of_name = [s for (vs, _), got in zip(portions, found, strict=True) for v, (_, s) in zip(vs, got, strict=True) if v["Name"] == name]
        assert sum(of_name) <= 1 + 1e-9
        if all(name in step for _, step in portions):
            assert sum(of_name) == pytest.approx(1.0)


def test_two_fleets_share_by_step_and_weight() -> None:
    new, old = [variant("a", weight=3.0), variant("b")], [variant("a"), variant("b")]
    [[a2, b2], [a1, b1]] = policy.split([(new, {"a": 0.1, "b": 0.1}), (old, {})])
    assert [a2[0], b2[0], a1[0], b1[0]] == pytest.approx([0.075, 0.025, 0.45, 0.45])
    assert (a2[1], a1[1]) == pytest.approx((0.1, 0.9))

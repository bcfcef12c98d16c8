"""Scaling decisions: cases by hand, then properties over whole histories that a simulated service lives through."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.autoscaling.decisions import (
    Alarm,
    Decision,
    Inputs,
    Past,
    Policy,
    Target,
    cooldown_of,
    decide,
    replay,
)

TRACKING = Policy("track", "TargetTrackingScaling", {"TargetValue": 100.0})
OUT = Policy("out", "StepScaling", {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [
    {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
]})
DOWN = Policy("down", "StepScaling", {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [
    {"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -2},
]})


def high(value: float, policy: str = "track", state: str = "ALARM", spoke: bool = True) -> Alarm:
    return Alarm(f"{policy}-high", policy, state, spoke, 100.0, "High", (value,))


def low(value: float, policy: str = "track", state: str = "ALARM", spoke: bool = True) -> Alarm:
    return Alarm(f"{policy}-low", policy, state, spoke, 90.0, "Low", (value,), False)


def step(policy: str, value: float, threshold: float = 50.0, above: bool = True) -> Alarm:
    return Alarm(f"{policy}-alarm", policy, "ALARM", True, threshold, "", (value,), above)


def target(current: int, minimum: int = 1, maximum: int = 10, **more: bool) -> Target:
    return Target(minimum, maximum, current, **more)


def capacity(*args: Any, now: float = 1000.0, history: tuple[Past, ...] = ()) -> int | None:
    what, policies, alarms = args
    return decide(what, policies, alarms, history, now).capacity


@pytest.mark.parametrize(("current", "value", "to"), [
    (2, 150.0, 3), (2, 101.0, 3), (2, 100.0, None), (3, 1000.0, 10), (4, 200.0, 8), (10, 101.0, None),
])  # fmt: skip
def test_target_tracking_scales_out_in_proportion(current: int, value: float, to: int | None) -> None:
    assert capacity(target(current), [TRACKING], [high(value)]) == to


@pytest.mark.parametrize(("current", "value", "to"), [(4, 50.0, 2), (4, 51.0, 3), (4, 89.0, None), (4, 0.0, 1), (1, 0.0, None), (3, 100 / 3, 1)])
def test_target_tracking_scales_in_in_proportion(current: int, value: float, to: int | None) -> None:
    assert capacity(target(current), [TRACKING], [low(value)]) == to


def test_from_zero_and_to_zero() -> None:
    assert capacity(target(0, minimum=0), [TRACKING], [high(250.0)]) == 3
    assert capacity(target(2, minimum=0), [TRACKING], [low(0.0)]) == 0


def test_why_nothing_changes() -> None:
    assert decide(target(10), [TRACKING], [high(150.0)], (), 0.0).reasons == ({"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 10},)
    assert decide(target(2, minimum=2), [TRACKING], [low(1.0)], (), 0.0).reasons == ({"Code": "AlreadyAtMinCapacity", "MinCapacity": 2},)
    assert decide(target(2), [TRACKING], [low(89.0)], (), 0.0).reasons == ({"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": 2},)
    assert decide(target(2), [TRACKING], [], (), 0.0) == Decision()


def test_only_alarms_that_speak_are_acted_on() -> None:
    assert capacity(target(2), [TRACKING], [high(500.0, spoke=False)]) is None
    assert capacity(target(2), [], [high(500.0)]) is None
    silent = Alarm("track-high", "track", "ALARM", True, 100.0, "High", ())
    assert capacity(target(2), [TRACKING], [silent]) is None


@pytest.mark.parametrize(("value", "to"), [(50.0, 3), (59.9, 3), (60.0, 5), (1000.0, 5), (49.0, None)])
def test_steps_have_their_lower_bound_above_the_threshold(value: float, to: int | None) -> None:
    assert capacity(target(2), [OUT], [step("out", value)]) == to


@pytest.mark.parametrize(("value", "to"), [(50.0, 2), (10.0, 2), (51.0, None)])
def test_steps_have_their_upper_bound_below_the_threshold(value: float, to: int | None) -> None:
    assert capacity(target(4), [DOWN], [step("down", value, above=False)]) == to


@pytest.mark.parametrize(("adjustment", "least", "current", "to"), [
    (25, None, 10, 12), (10, None, 4, 5), (-10, None, 4, 3), (-30, None, 10, 7), (25, 3, 4, 7), (-25, 2, 4, 2), (200, None, 4, 12),
])  # fmt: skip
def test_percentages(adjustment: int, least: int | None, current: int, to: int) -> None:
    config: dict[str, Any] = {"AdjustmentType": "PercentChangeInCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": adjustment}]}
    config |= {"MinAdjustmentMagnitude": least} if least else {}
    assert capacity(target(current, maximum=100), [Policy("p", "StepScaling", config)], [step("p", 60.0)]) == to


@pytest.mark.parametrize(("aggregation", "to"), [("Minimum", 3), ("Average", 3), ("Maximum", 5), (None, 3)])
def test_steps_look_at_an_aggregate(aggregation: str | None, to: int) -> None:
    policy = Policy("out", "StepScaling", OUT.config | ({"MetricAggregationType": aggregation} if aggregation else {}))
    alarm = Alarm("a", "out", "ALARM", True, 50.0, "", (50.0, 51.0, 61.0))
    assert capacity(target(2), [policy], [alarm]) == to


def test_exact_capacity_goes_either_way() -> None:
    policy = Policy("p", "StepScaling", {"AdjustmentType": "ExactCapacity", "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 4}]})
    assert capacity(target(2), [policy], [step("p", 60.0)]) == 4
    assert capacity(target(6), [policy], [step("p", 60.0)]) == 4


def test_the_largest_capacity_wins() -> None:
    assert capacity(target(2), [TRACKING, OUT], [high(150.0), step("out", 70.0)]) == 5
    assert capacity(target(2), [TRACKING, OUT], [high(390.0), step("out", 70.0)]) == 8
    more = Policy("more", "StepScaling", DOWN.config | {"StepAdjustments": [{"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1}]})
    assert capacity(target(6), [DOWN, more], [step("down", 1.0, above=False), step("more", 1.0, above=False)]) == 5
    assert capacity(target(6), [TRACKING, DOWN], [high(150.0), step("down", 1.0, above=False)]) == 9


def test_nothing_scales_in_while_a_tracking_policy_does_not_want_to() -> None:
    other = Policy("other", "TargetTrackingScaling", {"TargetValue": 100.0})
    calm = low(95.0, "other", "OK", spoke=False)
    decision = decide(target(4), [TRACKING, other], [low(10.0), calm], (), 0.0)
    assert decision.reasons == ({"Code": "AutoScalingAnticipatedFlapping", "CurrentCapacity": 4},)
    assert capacity(target(4), [TRACKING, other], [low(10.0), low(95.0, "other", "INSUFFICIENT_DATA", spoke=False)]) is None
    assert capacity(target(4), [TRACKING, other], [low(10.0), low(60.0, "other")]) == 3
    kept = Policy("other", "TargetTrackingScaling", {"TargetValue": 100.0, "DisableScaleIn": True})
    assert capacity(target(4), [TRACKING, kept], [low(10.0)]) == 1


def test_two_targets_for_one_metric_do_not_pull_to_and_fro() -> None:
    """One policy would take an instance away that the other would ask for again at once."""
    strict, loose = (Policy(n, "TargetTrackingScaling", {"TargetValue": v}) for n, v in (("strict", 2.0), ("loose", 3.0)))
    alarms = [low(1.5, "strict"), low(1.5, "loose")]
    flapping = ({"Code": "AutoScalingAnticipatedFlapping", "CurrentCapacity": 2},)
    assert decide(target(2), [strict, loose], alarms, (), 0.0).reasons == flapping
    kept = Policy("strict", "TargetTrackingScaling", strict.config | {"DisableScaleIn": True})
    assert decide(target(2), [kept, loose], [high(1.5, "strict", "OK", spoke=False), alarms[1]], (), 0.0).reasons == flapping
    assert capacity(target(6), [kept, DOWN], [high(1.7, "strict", "OK", spoke=False), step("down", 1.0, above=False)]) is None
    assert capacity(target(6), [kept, DOWN], [high(1.5, "strict", "OK", spoke=False), step("down", 1.0, above=False)]) == 5


def test_suspended() -> None:
    assert capacity(target(2, out_suspended=True), [TRACKING], [high(150.0)]) is None
    assert capacity(target(2, in_suspended=True), [TRACKING], [low(1.0)]) is None
    assert capacity(target(2, in_suspended=True), [TRACKING], [high(150.0)]) == 3
    assert capacity(target(0, minimum=1, out_suspended=True, in_suspended=True), [], []) == 1


def test_cooldown_of_a_scale_out() -> None:
    history = (Past(1000.0, 2, 4, 300.0),)
    # three hundred percent of the two before make six; of the four that are there, twelve
    assert capacity(target(4, maximum=20), [TRACKING], [high(300.0)], now=1100.0, history=history) == 6
    assert capacity(target(4, maximum=20), [TRACKING], [high(200.0)], now=1100.0, history=history) is None
    assert capacity(target(4, maximum=20), [TRACKING], [high(300.0)], now=1300.0, history=history) == 12
    assert capacity(target(4), [TRACKING], [low(10.0)], now=1299.0, history=history) is None
    assert capacity(target(4), [TRACKING], [low(10.0)], now=1300.0, history=history) == 1
    chain = (*history, Past(1100.0, 4, 6, 300.0))
    assert capacity(target(6, maximum=20), [TRACKING], [high(400.0)], now=1200.0, history=chain) == 8


def test_cooldown_of_a_scale_in() -> None:
    history = (Past(1000.0, 4, 2, 300.0),)
    assert capacity(target(2), [TRACKING], [low(10.0)], now=1299.0, history=history) is None
    assert capacity(target(2), [TRACKING], [low(10.0)], now=1300.0, history=history) == 1
    assert capacity(target(2), [TRACKING], [high(200.0)], now=1001.0, history=history) == 4


def test_bounds_come_first() -> None:
    assert decide(target(1, minimum=3), [], [], (), 0.0) == Decision(3)
    assert decide(target(9, maximum=5), [], [], (), 0.0) == Decision(5)
    assert decide(target(9, maximum=5), [TRACKING], [high(500.0)], (), 0.0).capacity == 5


# -- properties


NAMES = ("a", "b")
TRACKERS = st.builds(
    lambda name, value, keep, up, down: Policy(name, "TargetTrackingScaling", {
        "TargetValue": value, "DisableScaleIn": keep, "ScaleOutCooldown": up, "ScaleInCooldown": down,
    }),
    st.sampled_from(NAMES), st.floats(1, 500), st.booleans(), st.integers(0, 600), st.integers(0, 600),
)
ADJUSTMENTS = st.lists(st.integers(-100, 100), min_size=2, max_size=2)
STEPPERS = st.builds(
    lambda name, kind, amounts, cooldown: Policy(name, "StepScaling", {
        "AdjustmentType": kind, "Cooldown": cooldown, "StepAdjustments": [
            {"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": amounts[0]}, {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": amounts[1]},
        ],
    }),
    st.sampled_from(("s", "t")), st.sampled_from(("ChangeInCapacity", "PercentChangeInCapacity")), ADJUSTMENTS, st.integers(0, 600),
)
POLICIES = st.lists(st.one_of(TRACKERS, STEPPERS), min_size=1, max_size=4, unique_by=lambda p: p.name)


@st.composite
def situations(draw: Any) -> Inputs:
    policies = tuple(draw(POLICIES))
    alarms = []
    for policy in policies:
        value = draw(st.floats(0, 5000))
        if policy.kind == "StepScaling":
            alarms.append(Alarm(f"{policy.name}-alarm", policy.name, "ALARM", draw(st.booleans()), draw(st.floats(0, 5000)), "", (value,)))
        else:
            goal = policy.config["TargetValue"]
            alarms.append(Alarm(f"{policy.name}-high", policy.name, "ALARM" if value > goal else "OK", value > goal, goal, "High", (value,)))
            calm = value < 0.9 * goal
            alarms.append(Alarm(f"{policy.name}-low", policy.name, "ALARM" if calm else "OK", calm, 0.9 * goal, "Low", (value,), False))
    minimum = draw(st.integers(0, 20))
    maximum = draw(st.integers(minimum, 60))
    history = tuple(sorted(
        draw(st.lists(st.builds(Past, st.floats(0, 1000), st.integers(0, 60), st.integers(0, 60), st.floats(0, 600)), max_size=4)), key=lambda p: p.at,
    ))
    suspended = draw(st.booleans()), draw(st.booleans())
    return Inputs(Target(minimum, maximum, draw(st.integers(0, 80)), *suspended), policies, tuple(alarms), history, 1000.0)


def of(inputs: Inputs) -> Decision:
    return decide(inputs.target, inputs.policies, inputs.alarms, inputs.history, inputs.now)


@given(situations())
def test_bounds_always_hold(inputs: Inputs) -> None:
    target, decision = inputs.target, of(inputs)
    if decision.capacity is None:
        assert target.minimum <= target.current <= target.maximum
    else:
        assert target.minimum <= decision.capacity <= target.maximum
        assert decision.capacity != target.current
        assert not decision.reasons


@given(situations())
def test_recorded_decisions_replay(inputs: Inputs) -> None:
    assert replay(json.loads(json.dumps(inputs.record()))) == of(inputs)


@given(situations())
def test_a_policy_scales_in_only_when_no_cooldown_runs(inputs: Inputs) -> None:
    decision, target = of(inputs), inputs.target
    if decision.capacity is not None and decision.policy and decision.capacity < target.current:
        assert all(past.at + past.cooldown <= inputs.now for past in inputs.history)
        assert not target.in_suspended
        for policy in inputs.policies:
            if policy.kind == "TargetTrackingScaling" and not policy.config["DisableScaleIn"]:
                assert any(a.policy == policy.name and a.side == "Low" and a.state == "ALARM" for a in inputs.alarms)


@given(situations(), st.permutations(range(4)))
def test_the_order_of_policies_and_alarms_does_not_matter(inputs: Inputs, order: list[int]) -> None:
    policies = [inputs.policies[i] for i in order if i < len(inputs.policies)]
    found = decide(inputs.target, policies, inputs.alarms[::-1], inputs.history, inputs.now)
    assert found.capacity == of(inputs).capacity


def alarms_of(policies: list[Policy], value: float) -> list[Alarm]:
    """What the alarms of target tracking say when the metric has stood at ``value`` for long."""
    found = []
    for policy in policies:
        goal = policy.config["TargetValue"]
        found.append(Alarm(f"{policy.name}-high", policy.name, "ALARM" if value > goal else "OK", value > goal, goal, "High", (value,)))
        if not policy.config.get("DisableScaleIn"):
            calm = value < 0.9 * goal
            found.append(Alarm(f"{policy.name}-low", policy.name, "ALARM" if calm else "OK", calm, 0.9 * goal, "Low", (value,), False))
    return found


def after(target: Target, policies: list[Policy], value: float) -> int:
    decision = decide(target, policies, alarms_of(policies, value), (), 0.0)
    return target.current if decision.capacity is None else decision.capacity


TRACKED = st.lists(TRACKERS, min_size=1, max_size=2, unique_by=lambda p: p.name)


@given(TRACKED, st.integers(1, 30), st.floats(0, 2000), st.floats(0, 2000))
def test_a_higher_metric_never_means_less_capacity(policies: list[Policy], current: int, one: float, other: float) -> None:
    here = Target(1, 50, current)
    assert after(here, policies, min(one, other)) <= after(here, policies, max(one, other))


@given(TRACKED, st.integers(1, 50), st.floats(0, 20_000))
def test_constant_load_settles_and_never_turns(policies: list[Policy], current: int, load: float) -> None:
    """However cooldowns fall: with the same load, capacity moves in one direction, then rests."""
    path, now, history = [current], 0.0, []
    for _ in range(12):
        here = Target(1, 50, path[-1])
        decision = decide(here, policies, alarms_of(policies, load / path[-1]), history, now)
        if decision.capacity is not None:
            history.append(Past(now, here.current, decision.capacity, decision.cooldown))
            path.append(decision.capacity)
        now += 601.0
    steps = [b - a for a, b in itertools.pairwise(path)]
    assert all(s > 0 for s in steps) or all(s < 0 for s in steps)
    assert len(path) <= 3
    rest = load / path[-1]
    assert path[-1] == 50 or rest <= min(p.config["TargetValue"] for p in policies) * (1 + 1e-6)


@given(TRACKED, st.integers(1, 50), st.lists(st.tuples(st.floats(0, 20_000), st.floats(1, 400)), min_size=3, max_size=25))
def test_no_flapping(policies: list[Policy], current: int, loads: list[tuple[float, float]]) -> None:
    """Whatever the load does: never in after out, nor in after in, before the cooldown of the earlier one is over, and never out
    again after in unless there is more load than what the smaller capacity was chosen for."""
    now, history, chosen = 0.0, [], {}
    for load, wait in loads:
        now += wait
        here = Target(1, 50, current)
        decision = decide(here, policies, alarms_of(policies, load / current), history, now)
        if decision.capacity is None:
            continue
        if history and decision.capacity < current:
            assert now >= max(p.at + p.cooldown for p in history)
        if history and decision.capacity > current and history[-1].after < history[-1].before:
            assert load > chosen[len(history) - 1]
        chosen[len(history)] = load
        history.append(Past(now, current, decision.capacity, decision.cooldown))
        current = decision.capacity


def test_defaults_of_cooldowns() -> None:
    assert (cooldown_of(OUT, out=True), cooldown_of(TRACKING, out=True), cooldown_of(TRACKING, out=False)) == (300.0, 300.0, 300.0)
    policy = Policy("p", "TargetTrackingScaling", {"TargetValue": 1.0, "ScaleOutCooldown": 0, "ScaleInCooldown": 60})
    assert (cooldown_of(policy, out=True), cooldown_of(policy, out=False)) == (0.0, 60.0)
    assert math.isfinite(cooldown_of(policy, out=True))

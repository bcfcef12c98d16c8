"""Whether to scale, and to what: one pure function. What it was given is kept with each activity, so any decision replays.

How votes become a decision:

- A target tracking policy whose high alarm speaks votes for ``ceil(capacity × metric ÷ target)``; its low alarm likewise. A step
  policy votes for its adjustment.
- Out: the largest vote wins. While the cooldown of a scale-out runs, a vote counts from the capacity before it, so that only a
  larger scale-out goes through.
- In: the largest vote wins, and none while a cooldown of either direction runs, nor while any target tracking policy that may
  scale in does not want to. No vote goes below what a target tracking policy would ask for again at once.
- The result never leaves [minimum, maximum]; a capacity outside is brought back whatever the policies say.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

STEP, TRACKING = "StepScaling", "TargetTrackingScaling"
HIGH, LOW = "High", "Low"
COOLDOWN = 300
"""Seconds, unless a policy says otherwise."""
TINY = 1e-9
"""Relative error of a quotient that is a whole number in truth."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled, as it is now."""

    minimum: int
    maximum: int
    current: int
    out_suspended: bool = False
    in_suspended: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    name: str
    kind: str
    config: dict[str, Any]
    """StepScalingPolicyConfiguration or TargetTrackingScalingPolicyConfiguration."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of a policy."""

    name: str
    policy: str
    state: str
    spoke: bool
    """It asks for the policy's action now; otherwise only its state, and perhaps its metric, is known."""
    threshold: float
    side: str = ""
    """Of target tracking: High or Low."""
    values: tuple[float, ...] = ()
    """The datapoints that it was evaluated on, oldest first; of one that did not speak, the newest, if known."""
    above: bool = True
    """It looks for values above its threshold."""


@dataclass(frozen=True, slots=True)
class Past:
    """A change of capacity that a policy made."""

    at: float
    before: int
    after: int
    cooldown: float


@dataclass(frozen=True, slots=True)
class Decision:
    """``capacity`` None: nothing changes, for the ``reasons`` given, if any."""

    capacity: int | None = None
    policy: str = ""
    alarm: str = ""
    """Empty with a capacity: the bounds ask for it."""
    cooldown: float = 0.0
    reasons: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a decision depends on."""

    target: Target
    policies: tuple[Policy, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    history: tuple[Past, ...] = ()
    now: float = 0.0

    def record(self) -> dict[str, Any]:
        """As plain JSON."""
        return dataclasses.asdict(self)


def replay(record: dict[str, Any]) -> Decision:
    """The decision of recorded inputs."""
    return decide(
        Target(**record["target"]),
        [Policy(**p) for p in record["policies"]],
        [Alarm(**{**a, "values": tuple(a["values"])}) for a in record["alarms"]],
        [Past(**p) for p in record["history"]],
        record["now"],
    )


@dataclass(frozen=True, slots=True)
class _Vote:
    capacity: int
    policy: Policy
    alarm: Alarm


@dataclass(slots=True)
class _Votes:
    up: list[_Vote] = field(default_factory=list)
    down: list[_Vote] = field(default_factory=list)
    idle: list[_Vote] = field(default_factory=list)


def decide(target: Target, policies: Sequence[Policy], alarms: Sequence[Alarm], history: Sequence[Past], now: float) -> Decision:
    """See the module. ``history`` is oldest first."""
    votes = _votes(target, policies, alarms, history, now)
    found = _out(target, votes) or _in(target, policies, alarms, votes, history, now)
    wanted = target.current if found is None or found.capacity is None else found.capacity
    held = min(max(wanted, target.minimum), target.maximum)
    if held != wanted:
        return Decision(held)
    if found is not None:
        return found
    if votes.idle:
        vote = votes.idle[0]
        reason = {"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": target.current}
        return Decision(policy=vote.policy.name, alarm=vote.alarm.name, reasons=(reason,))
    return Decision()


def _votes(target: Target, policies: Sequence[Policy], alarms: Sequence[Alarm], history: Sequence[Past], now: float) -> _Votes:
    votes, named = _Votes(), {p.name: p for p in policies}
    base = _base(target, history, now)
    for alarm in alarms:
        policy = named.get(alarm.policy)
        if policy is None or not alarm.spoke:
            continue
        tracked = policy.kind == TRACKING
        for start in dict.fromkeys((target.current, base)):
            wanted = _tracked(policy, alarm, start) if tracked else _stepped(policy, alarm, start)
            if wanted is None:
                break
            vote = _Vote(wanted, policy, alarm)
            if start == target.current and wanted < start and alarm.side != HIGH:
                votes.down.append(vote)
            elif start == target.current and wanted == start:
                votes.idle.append(vote)
            elif start == base and wanted > target.current and alarm.side != LOW:
                votes.up.append(vote)
    return votes


def _out(target: Target, votes: _Votes) -> Decision | None:
    if not votes.up:
        return None
    best = max(votes.up, key=lambda v: v.capacity)
    capacity = min(best.capacity, target.maximum)
    if capacity <= target.current:
        return _not(best, "AlreadyAtMaxCapacity", MaxCapacity=target.maximum)
    if target.out_suspended:
        return Decision(policy=best.policy.name, alarm=best.alarm.name)
    return Decision(capacity, best.policy.name, best.alarm.name, cooldown_of(best.policy, out=True))


def _in(
    target: Target, policies: Sequence[Policy], alarms: Sequence[Alarm], votes: _Votes, history: Sequence[Past], now: float
) -> Decision | None:
    if not votes.down:
        return None
    best = max(votes.down, key=lambda v: v.capacity)
    if target.current <= target.minimum:
        return _not(best, "AlreadyAtMinCapacity", MinCapacity=target.minimum)
    capacity = max(best.capacity, target.minimum, _floor(target, policies, alarms))
    if capacity >= target.current or _unwilling(policies, alarms):
        return _not(best, "AutoScalingAnticipatedFlapping", CurrentCapacity=target.current)
    if target.in_suspended or any(past.at + past.cooldown > now for past in history):
        return Decision(policy=best.policy.name, alarm=best.alarm.name)
    return Decision(capacity, best.policy.name, best.alarm.name, cooldown_of(best.policy, out=False))


def _not(vote: _Vote, code: str, **about: int) -> Decision:
    return Decision(policy=vote.policy.name, alarm=vote.alarm.name, reasons=({"Code": code, **about},))


def _floor(target: Target, policies: Sequence[Policy], alarms: Sequence[Alarm]) -> int:
    """Below this, some target tracking policy would scale out again at once, as far as its metric is known."""
    tracked = {p.name: p for p in policies if p.kind == TRACKING}
    wanted = [_tracked(tracked[a.policy], a, target.current) for a in alarms if a.policy in tracked]
    return max((w for w in wanted if w is not None), default=0)


def _unwilling(policies: Sequence[Policy], alarms: Sequence[Alarm]) -> bool:
    """Some target tracking policy that may scale in sees no room for it."""
    low = {a.policy: a.state for a in alarms if a.side == LOW}
    return any(p.kind == TRACKING and not p.config.get("DisableScaleIn") and low.get(p.name) != "ALARM" for p in policies)


def _base(target: Target, history: Sequence[Past], now: float) -> int:
    """The capacity that a scale-out counts from: what there was before those whose cooldown runs."""
    base = target.current
    for past in reversed(history):
        if past.after <= past.before or past.at + past.cooldown <= now:
            break
        base = past.before
    return min(base, target.current)


def cooldown_of(policy: Policy, *, out: bool) -> float:
    """Seconds."""
    member = "Cooldown" if policy.kind == STEP else "ScaleOutCooldown" if out else "ScaleInCooldown"
    return float(policy.config.get(member, COOLDOWN))


# -- what one policy wants


def _tracked(policy: Policy, alarm: Alarm, capacity: int) -> int | None:
    """Target tracking. From zero it counts as from one: the metric is then of all there is."""
    if not alarm.values:
        return None
    exact: float = max(capacity, 1 if alarm.side == HIGH else 0) * alarm.values[-1] / policy.config["TargetValue"]
    return max(0, math.ceil(exact * (1 - TINY)))


def _stepped(policy: Policy, alarm: Alarm, capacity: int) -> int | None:
    """The adjustment of the step in which the breach lies."""
    breach = _aggregate(policy, alarm) - alarm.threshold if alarm.values else 0.0
    step = next((s for s in policy.config.get("StepAdjustments", ()) if _within(s, breach, alarm.above)), None)
    if step is None:
        return None
    amount, kind = step["ScalingAdjustment"], policy.config["AdjustmentType"]
    if kind == "ExactCapacity":
        return int(amount)
    change = int(amount)
    if kind == "PercentChangeInCapacity":
        change = _whole(capacity * amount / 100)
        least = policy.config.get("MinAdjustmentMagnitude", 0)
        if amount and abs(change) < least:
            change = least if amount > 0 else -least
    return max(0, capacity + change)


def _aggregate(policy: Policy, alarm: Alarm) -> float:
    match policy.config.get("MetricAggregationType", "Average"):
        case "Minimum":
            return min(alarm.values)
        case "Maximum":
            return max(alarm.values)
        case _:
            return sum(alarm.values) / len(alarm.values)


def _within(step: dict[str, Any], breach: float, above: bool) -> bool:
    """Above the threshold a step has its lower bound, below it its upper bound."""
    low, high = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
    if breach > 0 or (breach == 0 and above):
        return bool(low <= breach < high)
    return bool(low < breach <= high)


def _whole(change: float) -> int:
    """Rounded towards zero, but not to it."""
    if 0 < abs(change) < 1:
        return 1 if change > 0 else -1
    return int(change)

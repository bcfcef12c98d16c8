"""Deployment policies: what a DeploymentConfig must mean, and the steps that it stands for. Pure.

A step says, for every variant of the new fleet, which share of the variant's requests that fleet gets; the last step's
shares are all 1. A rolling update's new fleet has that share of its instances as well.
"""

from __future__ import annotations

import math
from typing import Any

from ...wire.errors import Invalid

Step = dict[str, float]
"""Variant → share of its requests that the new fleet gets, 0 to 1."""

WHOLE = {"Type": "CAPACITY_PERCENT", "Value": 100}
CANARY, LINEAR, BATCH, BACK = (1, 50), (10, 50), (5, 50), (5, 100)
"""Least and most of a variant's instances, in percent, that a step may have."""


def check(config: dict[str, Any] | None, variants: list[dict[str, Any]]) -> None:
    """Whether a deployment of these variants can follow the DeploymentConfig. Raises Invalid."""
    if not config:
        return
    rolling, bluegreen = config.get("RollingUpdatePolicy"), config.get("BlueGreenUpdatePolicy")
    if rolling and bluegreen:
        raise Invalid("Specify either BlueGreenUpdatePolicy or RollingUpdatePolicy in DeploymentConfig, not both.")
    if bluegreen:
        _check_routing(bluegreen["TrafficRoutingConfiguration"], variants)
    if rolling:
        _check_size("MaximumBatchSize", rolling["MaximumBatchSize"], variants, BATCH)
        if "RollbackMaximumBatchSize" in rolling:
            _check_size("RollbackMaximumBatchSize", rolling["RollbackMaximumBatchSize"], variants, BACK)
    alarms = alarm_names(config)
    if len(set(alarms)) < len(alarms):
        raise Invalid("An alarm comes twice in AutoRollbackConfiguration.")
    limit, waits = timeout(config), len(steps(config, variants)) * wait(config) + termination(config)
    if limit and limit <= waits:
        raise Invalid(
            f"MaximumExecutionTimeoutInSeconds ({limit:g}) must be greater than the sum of the deployment's waits ({waits:g} seconds)."
        )


def _check_routing(routing: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    kind = routing["Type"]
    for member, of, bounds in (("CanarySize", "CANARY", CANARY), ("LinearStepSize", "LINEAR", LINEAR)):
        if (member in routing) != (kind == of):
            raise Invalid(f"{member} {'is required' if kind == of else 'cannot be given'} when the traffic routing type is {kind}.")
        if member in routing:
            _check_size(member, routing[member], variants, bounds)


def _check_size(member: str, size: dict[str, Any], variants: list[dict[str, Any]], bounds: tuple[int, int]) -> None:
    low, high = bounds
    for variant in variants:
        percent = 100 * _share(size, variant)
        if not low <= percent <= high:
            raise Invalid(
                f"{member} must be between {low} and {high} percent of the instances of every variant: {size['Value']} "
                f"({size['Type']}) is {percent:g} percent of the {variant['Count']} of variant {variant['Name']}."
            )


def _share(size: dict[str, Any], variant: dict[str, Any]) -> float:
    """The part of a variant that a CapacitySize is; above 1 where it is more than the variant has."""
    value: int = size["Value"]
    return value / 100 if size["Type"] == "CAPACITY_PERCENT" else value / max(1, variant["Count"])


def batch(size: dict[str, Any], count: int) -> int:
    """How many of ``count`` instances a rolling update takes at once: never more than said, at least one."""
    value: int = size["Value"]
    return max(1, value * count // 100 if size["Type"] == "CAPACITY_PERCENT" else min(value, count))


def steps(config: dict[str, Any] | None, variants: list[dict[str, Any]]) -> list[Step]:
    """The steps of a checked DeploymentConfig, in order."""
    done = {v["Name"]: 1.0 for v in variants}
    if rolling := (config or {}).get("RollingUpdatePolicy"):
        sizes = {v["Name"]: batch(rolling["MaximumBatchSize"], v["Count"]) for v in variants}
        turns = max(1, *(math.ceil(v["Count"] / sizes[v["Name"]]) for v in variants))
        return [
            # an asynchronous variant may have no instance at all
            {v["Name"]: min(1.0, turn * sizes[v["Name"]] / v["Count"]) if v["Count"] else turn / turns for v in variants}
            for turn in range(1, turns + 1)
        ]
    routing = (config or {}).get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if size := routing.get("CanarySize"):
        return [{v["Name"]: _share(size, v) for v in variants}, done]
    if size := routing.get("LinearStepSize"):
        # nobody who says 33 percent means a fourth step of one percent
        turns = max(math.ceil((0.99 - 1e-9) / _share(size, v)) for v in variants)
        return [*({v["Name"]: min(1.0, turn * _share(size, v)) for v in variants} for turn in range(1, turns)), done]
    return [done]


def _policy(config: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = (config or {}).get("BlueGreenUpdatePolicy") or (config or {}).get("RollingUpdatePolicy") or {}
    return found


def wait(config: dict[str, Any] | None) -> float:
    """Seconds that every step is watched."""
    policy = _policy(config)
    return float(policy.get("TrafficRoutingConfiguration", policy).get("WaitIntervalInSeconds", 0))


def termination(config: dict[str, Any] | None) -> float:
    """Seconds that the old fleet is kept after the last step."""
    return float(_policy(config).get("TerminationWaitInSeconds", 0))


def timeout(config: dict[str, Any] | None) -> float:
    """Seconds that the whole deployment may take; 0 for no limit."""
    return float(_policy(config).get("MaximumExecutionTimeoutInSeconds", 0))


def alarm_names(config: dict[str, Any] | None) -> list[str]:
    """The alarms that roll the deployment back."""
    return [alarm["AlarmName"] for alarm in (config or {}).get("AutoRollbackConfiguration", {}).get("Alarms", ())]


def back(config: dict[str, Any] | None) -> dict[str, Any]:
    """How much of the old fleet a rolling update that is taken back brings up at once."""
    size: dict[str, Any] = _policy(config).get("RollbackMaximumBatchSize", WHOLE)
    return size


# -- who gets which requests


def split(portions: list[tuple[list[dict[str, Any]], Step]]) -> list[list[tuple[float, float]]]:
    """Who gets which requests while several fleets serve one endpoint.

    Args:
        portions: the fleets' variants, newest fleet first, each with the step's share of what the fleets before it leave
            (for the last fleet whatever is left, its own step does not count). A variant that a fleet has no more is
            given up as its slowest variant comes in.

    Returns:
        For every fleet and variant (weight, share): weights of all sum to 1; shares of the variants of one name do too,
        where every fleet has the name.
    """
    result: list[list[tuple[float, float]]] = []
    for n, (variants, step) in enumerate(portions):
        total = sum(v["Weight"] for v in variants)
        found = []
        for variant in variants:
            name, part = variant["Name"], 1.0
            for _, before in portions[:n]:
                part *= 1.0 - _taken(before, name)
            if n < len(portions) - 1:
                part *= _taken(step, name)
            found.append((part * (variant["Weight"] / total if total else 1 / len(variants)), part))
        result.append(found)
    if not any(weight for fleet in result for weight, _ in fleet):
        result = [[(share, share) for _, share in fleet] for fleet in result]  # only variants without a weight are left
    whole = sum(weight for fleet in result for weight, _ in fleet)
    return [[(weight / whole, share) for weight, share in fleet] for fleet in result]


def _taken(step: Step, name: str) -> float:
    return step.get(name, min(step.values(), default=0.0))

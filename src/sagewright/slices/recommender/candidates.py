"""What a job benchmarks: which instance types, with which variables. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Candidate = dict[str, Any]
"""``{"InstanceType" or "Serverless", "Specification", "Environment"}``, or ``{"Existing": endpoint}``."""
TESTS = 10
"""Benchmarks of a job unless ResourceLimit says otherwise; also the most recommendations that an answer may have."""
OFFERED = 5
"""Instance types that are tried where the caller names none."""


def expand(configurations: Iterable[Mapping[str, Any]]) -> list[Candidate]:
    """Every combination of every configuration, in the order given."""
    found = []
    for configuration in configurations:
        ranges = configuration.get("EnvironmentParameterRanges", {}).get("CategoricalParameterRanges", [])
        for values in itertools.product(*(r["Value"] for r in ranges)):
            environment = {r["Name"]: value for r, value in zip(ranges, values, strict=True)}
            one = of(configuration.get("InstanceType", ""), configuration.get("InferenceSpecificationName"), environment)
            if serverless := configuration.get("ServerlessConfig"):
                del one["InstanceType"]
                one["Serverless"] = serverless
            found.append(one)
    return found


def of(instance_type: str, specification: str | None = None, environment: dict[str, str] | None = None) -> Candidate:
    return {"InstanceType": instance_type, "Specification": specification, "Environment": environment or {}}


def label(candidate: Mapping[str, Any]) -> str:
    """What messages call it."""
    if serverless := candidate.get("Serverless"):
        return f"serverless, {serverless['MemorySizeInMB']} MB"
    found: str = candidate.get("Existing") or candidate["InstanceType"]
    return found


def spread(found: list[Candidate], most: int) -> list[Candidate]:
    """At most so many of them, evenly from the whole, the first among them."""
    if len(found) <= most:
        return found
    return [found[n * len(found) // most] for n in range(most)]


def offered(prices: Mapping[str, float], size: Callable[[str], tuple[int, int] | None], fits: Callable[[str], bool]) -> list[str]:
    """The cheapest instance type of each size that fits, smallest first.

    Args:
        size: cores and bytes of memory of a type; None for one that is not known.
        fits: whether this machine has what it needs.
    """
    cheapest: dict[tuple[int, int], str] = {}
    for name in sorted(prices, key=lambda name: (prices[name], name)):
        shape = size(name)
        if shape is not None and fits(name):
            cheapest.setdefault(shape, name)
    return [cheapest[shape] for shape in sorted(cheapest)][:OFFERED]

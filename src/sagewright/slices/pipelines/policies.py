"""CacheConfig and RetryPolicies of a step. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...wire.errors import Invalid

_TERM = re.compile(
    r"p?(?:(?P<years>\d{1,9})y)?(?:(?P<months>\d{1,9})m)?(?:(?P<weeks>\d{1,9})w)?(?:(?P<days>\d{1,9})d)?"
    r"(?:t(?:(?P<hours>\d{1,9})h)?(?:(?P<minutes>\d{1,9})m)?(?:(?P<seconds>\d{1,9})s)?)?"
)
_SECONDS = {"years": 365 * 86_400, "months": 30 * 86_400, "weeks": 7 * 86_400, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
SERVICE_FAULT, THROTTLING = "Step.SERVICE_FAULT", "Step.THROTTLING"
INTERNAL_ERROR, CAPACITY_ERROR, RESOURCE_LIMIT = (
    "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"
)
ATTEMPTS = 5
"""Further attempts, unless a policy says how many or how long."""
SHORTEST, LONGEST = 1.0, 86_400.0
"""Seconds between two attempts, whatever a policy says: without any, one that ends by the clock would never rest."""
_RANGES = {"IntervalSeconds": (0, 86_400), "BackoffRate": (0, 1000), "MaxAttempts": (1, 20), "ExpireAfterMin": (0, 14_400)}
EXCEPTIONS = frozenset({SERVICE_FAULT, THROTTLING, INTERNAL_ERROR, CAPACITY_ERROR, RESOURCE_LIMIT})


def lifetime(step: Mapping[str, Any]) -> float | None:
    """Seconds that a result of the step may be used again; None: it is not cached. Raises Invalid.

    ``ExpireAfter`` is a duration of ISO 8601, also without its P and in small letters: P30D, 30d, T16m, 30dT5h.
    """
    config = step.get("CacheConfig") or {}
    if not config.get("Enabled"):
        return None
    text = config.get("ExpireAfter")
    if text is None:
        return float("inf")
    match = _TERM.fullmatch(str(text).lower())
    given = {unit: int(value) for unit, value in match.groupdict().items() if value} if match else {}
    if not given:
        raise Invalid(f"Unable to parse pipeline definition. ExpireAfter {text!r} of the step {step.get('Name')} is no duration such as P30D or T12h.")
    return float(sum(_SECONDS[unit] * value for unit, value in given.items()))


def kind_of(failure: str) -> str:
    """The exception type of a job's FailureReason; empty if it has none."""
    if failure.startswith("InternalServerError"):
        return INTERNAL_ERROR
    return CAPACITY_ERROR if failure.startswith("CapacityError") else ""


def again(step: Mapping[str, Any], exception: str, attempt: int, started: float, now: float) -> float | None:
    """When a step that failed after ``attempt`` attempts is tried again; None if it is not.

    Args:
        exception: what kind of failure, such as ``SageMaker.CAPACITY_ERROR``.
        started: when the first attempt began, epoch seconds, as ``now``.
    """
    for policy in _policies(step):
        if exception not in _types(policy):
            continue
        if attempt > policy.get("MaxAttempts", math.inf if "ExpireAfterMin" in policy else ATTEMPTS):
            return None
        wait = _pause(policy.get("IntervalSeconds", 1), policy.get("BackoffRate", 2.0), attempt)
        if "ExpireAfterMin" in policy and now + wait > started + 60 * policy["ExpireAfterMin"]:
            return None
        return float(now + wait)
    return None


def _pause(first: float, rate: float, attempt: int) -> float:
    try:
        return min(max(first * rate ** (attempt - 1), SHORTEST), LONGEST)
    except OverflowError:
        return LONGEST


def check(step: Mapping[str, Any]) -> None:
    """Raises Invalid."""
    cache, given = step.get("CacheConfig") or {}, step.get("RetryPolicies") or []
    if not isinstance(cache, dict):
        raise Invalid(f"Unable to parse pipeline definition. CacheConfig of the step {step.get('Name')} must be an object.")
    lifetime(step)
    if not isinstance(given, list) or not all(isinstance(policy, dict) for policy in given):
        raise Invalid(f"Unable to parse pipeline definition. RetryPolicies of the step {step.get('Name')} must be a list of objects.")
    for policy in given:
        types = _types(policy)
        if not types or not types <= EXCEPTIONS:
            raise Invalid(f"Unable to parse pipeline definition. A RetryPolicy of the step {step.get('Name')} has the unknown ExceptionType {sorted(types)}.")
        if "MaxAttempts" in policy and "ExpireAfterMin" in policy:
            raise Invalid(f"Unable to parse pipeline definition. A RetryPolicy of the step {step.get('Name')} has MaxAttempts and ExpireAfterMin; give one of them.")
        for member, (least, most) in _RANGES.items():
            value = policy.get(member, least)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
                raise Invalid(
                    f"Unable to parse pipeline definition. {member} of a RetryPolicy of the step {step.get('Name')} must be a number from {least:g} to {most:g}."
                )


def _policies(step: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The step's own, then those that every step has."""
    yield from step.get("RetryPolicies") or ()
    yield {"ExceptionType": [SERVICE_FAULT, THROTTLING]}


def _types(policy: Mapping[str, Any]) -> set[str]:
    given = policy.get("ExceptionType") or ()
    return {given} if isinstance(given, str) else {each for each in given if isinstance(each, str)} if isinstance(given, list) else set()

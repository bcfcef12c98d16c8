"""CacheConfig and RetryPolicies of a step. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...wire.errors import Invalid

_TERM = re.compile(
    r"p?(?:(?P<years>\d+)y)?(?:(?P<months>\d+)m)?(?:(?P<weeks>\d+)w)?(?:(?P<days>\d+)d)?"
    r"(?:t(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?)?"
)
_SECONDS = {"years": 365 * 86_400, "months": 30 * 86_400, "weeks": 7 * 86_400, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
SERVICE_FAULT, THROTTLING = "Step.SERVICE_FAULT", "Step.THROTTLING"
INTERNAL_ERROR, CAPACITY_ERROR, RESOURCE_LIMIT = (
    "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"
)
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
        if "MaxAttempts" in policy and attempt > policy["MaxAttempts"]:
            return None
        wait = policy.get("IntervalSeconds", 1) * policy.get("BackoffRate", 2.0) ** (attempt - 1)
        if "ExpireAfterMin" in policy and now + wait > started + 60 * policy["ExpireAfterMin"]:
            return None
        return float(now + wait)
    return None


def check(step: Mapping[str, Any]) -> None:
    """Raises Invalid."""
    lifetime(step)
    for policy in step.get("RetryPolicies") or ():
        types = _types(policy)
        if not types or not types <= EXCEPTIONS:
            raise Invalid(f"Unable to parse pipeline definition. A RetryPolicy of the step {step.get('Name')} has the unknown ExceptionType {sorted(types)}.")
        if ("MaxAttempts" in policy) == ("ExpireAfterMin" in policy):
            raise Invalid(f"Unable to parse pipeline definition. A RetryPolicy of the step {step.get('Name')} needs MaxAttempts or ExpireAfterMin, not both.")


def _policies(step: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The step's own, then throttling, which is always retried."""
    yield from step.get("RetryPolicies") or ()
    yield {"ExceptionType": THROTTLING, "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 5}


def _types(policy: Mapping[str, Any]) -> set[str]:
    given = policy.get("ExceptionType") or ()
    return {given} if isinstance(given, str) else set(given)

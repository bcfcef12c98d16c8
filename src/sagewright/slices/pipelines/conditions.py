"""Conditions of a Condition step, once their expressions are resolved. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .expressions import Unresolved, text

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda a, b: a == b,
    "NotEquals": lambda a, b: a != b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanOrEqualTo": lambda a, b: a >= b,
    "LessThan": lambda a, b: a < b,
    "LessThanOrEqualTo": lambda a, b: a <= b,
}
TYPES = frozenset({*_COMPARED, "In", "NotIn", "Not", "Or"})


def check(condition: Any) -> str:
    """What is wrong with a condition of a definition; empty if nothing is."""
    type_ = condition.get("Type") if isinstance(condition, Mapping) else None
    if not isinstance(type_, str) or type_ not in TYPES:
        return f"has an unknown condition: {condition!r}"
    if type_ == "Or":
        inner = condition.get("Conditions")
        if not isinstance(inner, list) or not inner:
            return "has an Or without Conditions"
        return next((fault for each in inner if (fault := check(each))), "")
    if type_ == "Not":
        return check(condition.get("Condition", condition.get("Expression")))
    if type_ in ("In", "NotIn"):
        whole = isinstance(condition.get("Values", condition.get("In")), list) and condition.keys() & {"QueryValue", "Value"}
        return "" if whole else f"has an {type_} that needs QueryValue and Values"
    return "" if {"LeftValue", "RightValue"} <= condition.keys() else f"has an {type_} that needs LeftValue and RightValue"


def fulfilled(conditions: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all of them hold. Raises Unresolved for one that cannot be decided."""
    return all(_holds(each) for each in conditions)


def _holds(condition: Mapping[str, Any]) -> bool:
    type_ = condition.get("Type", "")
    if type_ == "Not":
        return not _holds(condition["Condition"] if "Condition" in condition else condition["Expression"])
    if type_ == "Or":
        return any(_holds(each) for each in condition["Conditions"])
    if type_ in ("In", "NotIn"):
        # the SDKs say QueryValue and Values, the published schema Value and In
        value = condition.get("QueryValue", condition.get("Value"))
        among = condition.get("Values", condition.get("In", ()))
        return any(_compare("Equals", value, each) for each in among) is (type_ == "In")
    if type_ not in _COMPARED:
        raise Unresolved(f"the condition type {type_!r} is unknown")
    return _compare(type_, condition.get("LeftValue"), condition.get("RightValue"))


def _compare(type_: str, left: Any, right: Any) -> bool:
    """Numbers as numbers, also where one of them came as a text: "0.9" is less than 10."""
    numbers = _number(left), _number(right)
    texts = isinstance(left, str) and isinstance(right, str)
    if None not in numbers and not (texts and type_ in ("Equals", "NotEquals")):
        return _COMPARED[type_](*numbers)
    if type_ in ("Equals", "NotEquals"):
        return _COMPARED[type_](text(left), text(right))
    if texts:
        return _COMPARED[type_](left, right)
    raise Unresolved(f"{left!r} and {right!r} cannot be compared by {type_}")


def _number(value: Any) -> float | None:
    """Whole numbers as they are, however large."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    for type_ in (int, float) if isinstance(value, str) else (type(value),):
        try:
            return type_(value)
        except ValueError:
            pass
    return None

"""Search expressions over documents: which properties they name, which equalities must hold, whether a document matches.

A property is a dotted path. Member names match in any case; names in maps may hold dots; a list matches if one of its
elements does; ``Tags.X`` is the value of a tag, ``Metrics.X`` and ``Metrics.X.Max`` those of a metric. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..wire.errors import Invalid

MOST = 50
"""Filters, nested filters and subexpressions in one expression, all levels together."""
Match = Callable[[Mapping[str, Any]], bool]
_VALUES = {"NumberValue", "StringValue"}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanOrEqualTo": lambda a, b: a >= b,
    "LessThan": lambda a, b: a < b,
    "LessThanOrEqualTo": lambda a, b: a <= b,
}
_OFTEN = ("displayname", "experimentname", "trialname", "trialcomponentname", "tags", "inputartifacts", "outputartifacts")
"""Properties that Contains may be used on more than once."""


@dataclass(slots=True)
class Search:
    """A compiled expression."""

    matches: Match
    properties: list[str] = field(default_factory=list)
    """Every property that a document must be looked at for."""
    equal: dict[str, str] = field(default_factory=dict)
    """Property, in lower case → value of the equalities that every match fulfils."""
    among: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Property, in lower case → the values of which every match has one: those of ``equal``, and of the Ins."""
    only: tuple[str, str] | None = None
    """(property in lower case, value), when the whole expression is this one equality."""


def compiled(expression: Mapping[str, Any] | None) -> Search:
    """Raises Invalid for an expression that means nothing or too much."""
    if expression is None:
        return Search(lambda doc: True)
    filters = list(_filters(expression))
    if _size(expression) > MOST:
        raise Invalid(f"A SearchExpression can include at most {MOST} SubExpressions, NestedFilters and Filters.")
    contains = [f for f in filters if f.get("Operator") == "Contains" and f["Name"].lower().split(".")[0] not in _OFTEN]
    if len(contains) > 1:
        raise Invalid("'CONTAINS' operator usage limit of 1 exceeded.")
    among = dict(_choices(expression))
    equal = {name: values[0] for name, values in among.items() if len(values) == 1}
    only = next(iter(equal.items())) if len(filters) == len(equal) == _size(expression) == 1 else None
    return Search(_expression(expression), list(dict.fromkeys(f["Name"] for f in filters)), equal, among, only)


def lookup(value: Any, path: Sequence[str]) -> list[Any]:
    """Everything that a path leads to; nothing where it leads nowhere."""
    if isinstance(value, Mapping):
        if not path:
            return [next(iter(value.values()))] if len(value) == 1 and _VALUES.issuperset(value) else [value]
        return _in_map(value, path)
    if isinstance(value, list):
        return _in_list(value, path)
    return [] if path or value is None else [value]


NOTHING = 2
"""The first part of the sort value of what has none."""


def sort_value(doc: Mapping[str, Any], name: str) -> tuple[int, Any]:
    """Sorts numbers before texts."""
    found = next((v for v in lookup(doc, name.split(".")) if not isinstance(v, (Mapping, list))), None)
    if found is None:
        return (NOTHING, "")
    return (0, float(found)) if isinstance(found, (int, float)) else (1, str(found))


# -- expressions


def _expression(expression: Mapping[str, Any]) -> Match:
    parts = [_filter(f) for f in expression.get("Filters", ())]
    parts += [_nested(n) for n in expression.get("NestedFilters", ())]
    parts += [_expression(e) for e in expression.get("SubExpressions", ())]
    if not parts:
        raise Invalid("A SearchExpression needs at least one of Filters, NestedFilters and SubExpressions.")
    together = any if expression.get("Operator", "And") == "Or" else all
    return lambda doc: together(part(doc) for part in parts)


def _filters(expression: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from expression.get("Filters", ())
    for nested in expression.get("NestedFilters", ()):
        yield from nested["Filters"]
    for inner in expression.get("SubExpressions", ()):
        yield from _filters(inner)


def _size(expression: Mapping[str, Any]) -> int:
    nested = expression.get("NestedFilters", ())
    inner = expression.get("SubExpressions", ())
    return len(expression.get("Filters", ())) + sum(1 + len(n["Filters"]) for n in nested) + sum(1 + _size(e) for e in inner)


def _choices(expression: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Those that hold for every match: along the Ands only."""
    filters, inner = expression.get("Filters", ()), expression.get("SubExpressions", ())
    alone = len(filters) + len(inner) + len(expression.get("NestedFilters", ())) == 1
    if expression.get("Operator", "And") == "Or" and not alone:
        return
    for f in filters:
        if f.get("Operator", "Equals") == "Equals" and "Value" in f:
            yield f["Name"].lower(), (f["Value"],)
        elif f.get("Operator") == "In" and "Value" in f:
            yield f["Name"].lower(), _listed(f["Value"])
    for e in inner:
        yield from _choices(e)


def _nested(nested: Mapping[str, Any]) -> Match:
    """One element of the list fulfils all the filters. Their names begin with the list's name, or go on from it."""
    name = nested["NestedPropertyName"]
    prefix = f"{name}.".lower()
    parts = []
    for f in nested["Filters"]:
        inner = f["Name"][len(prefix) :] if f["Name"].lower().startswith(prefix) else f["Name"]
        parts.append(_filter({**f, "Name": inner}))
    path = name.split(".")
    return lambda doc: any(
        all(part(element) for part in parts) for element in lookup(doc, path) if isinstance(element, Mapping)
    )


def _filter(f: Mapping[str, Any]) -> Match:
    path, operator, value = f["Name"].split("."), f.get("Operator", "Equals"), f.get("Value")
    if operator in ("Exists", "NotExists"):
        wanted = operator == "Exists"
        return lambda doc: bool(lookup(doc, path)) is wanted
    if value is None:
        raise Invalid(f"The filter on {f['Name']} needs a Value for the operator {operator}.")
    test = _test(operator, value)
    if operator == "NotEquals":
        return lambda doc: not any(test(found) for found in lookup(doc, path))
    return lambda doc: any(test(found) for found in lookup(doc, path))


def _test(operator: str, value: str) -> Callable[[Any], bool]:
    if operator in ("Equals", "NotEquals"):
        return lambda found: _equals(found, value)
    if operator == "In":
        listed = _listed(value)
        return lambda found: any(_equals(found, one) for one in listed)
    if operator == "Contains":
        return lambda found: isinstance(found, str) and value in found
    compare = _ORDER[operator]

    def ordered(found: Any) -> bool:
        pair = _comparable(found, value)
        return pair is not None and compare(*pair)

    return ordered


def _listed(value: str) -> tuple[str, ...]:
    """The parts of an In's value."""
    return tuple(part.strip() for part in value.split(","))


def _equals(found: Any, value: str) -> bool:
    if isinstance(found, str):
        return found == value
    if isinstance(found, bool):
        return str(found).lower() == value.lower()
    if isinstance(found, (int, float)):
        number = _number(value)
        return number is not None and number == found
    return False


def _comparable(found: Any, value: str) -> tuple[float, float] | None:
    """Both as numbers. Texts that are numbers, as hyperparameters are, count as integers against an integer."""
    number = _number(value)
    if number is None or isinstance(found, bool):
        return None
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            return None
        if value.lstrip("+-").isdigit():
            found = int(found) if abs(found) < 1e300 else found
    return (found, number) if isinstance(found, (int, float)) else None


def _number(value: str) -> float | None:
    """A number, or the epoch seconds of an ISO 8601 time."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


# -- paths


def _in_map(value: Mapping[str, Any], path: Sequence[str]) -> list[Any]:
    """By the longest name that is there: names in maps may hold dots."""
    for length in range(len(path), 0, -1):
        name = path[0] if length == 1 else ".".join(path[:length])
        if name in value:
            return lookup(value[name], path[length:])
    lower = ".".join(path).lower()
    for name, item in value.items():
        low = name.lower()
        if lower == low or lower.startswith(f"{low}."):
            return lookup(item, path[name.count(".") + 1 :])
    return []


def _in_list(value: list[Any], path: Sequence[str]) -> list[Any]:
    if not path:
        return value
    first = value[0] if value else None
    if isinstance(first, Mapping):
        if "Key" in first and "Value" in first:
            key = ".".join(path)
            return [tag["Value"] for tag in value if tag["Key"] == key]
        if "MetricName" in first:
            found = [v for metric in value for v in _of_metric(metric, path)]
            if found:
                return found
    return [found for element in value for found in lookup(element, path)]


def _of_metric(metric: Mapping[str, Any], path: Sequence[str]) -> list[Any]:
    """``accuracy`` is the last value of a metric, ``accuracy.Max`` one of its statistics."""
    whole = ".".join(path)
    if whole == metric["MetricName"]:
        return [metric["Last"] if "Last" in metric else metric.get("Value")]
    if whole.startswith(f"{metric['MetricName']}."):
        return lookup(metric, [whole[len(metric["MetricName"]) + 1 :]])
    return []

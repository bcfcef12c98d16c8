"""What the ranges of a request must mean. Pure; AWS's numbers are texts."""

from __future__ import annotations

import math
from typing import Any

from ...wire.errors import Invalid
from .engine.draws import grid_size
from .engine.space import parameters

TUNABLE, ALL = 30, 100
"""Hyperparameters that a tuning job may search, and may have together with the static ones."""


def check(ranges: dict[str, Any], static: dict[str, str], strategy: str) -> None:
    """Raises Invalid."""
    names: list[str] = []
    for kind in ("Integer", "Continuous"):
        for item in ranges.get(f"{kind}ParameterRanges", ()):
            names.append(item["Name"])
            _numbers(kind, item)
            item.setdefault("ScalingType", "Auto")
    for item in ranges.get("CategoricalParameterRanges", ()):
        names.append(item["Name"])
        if len(set(item["Values"])) != len(item["Values"]):
            raise Invalid(f"The values of the categorical hyperparameter {item['Name']} must be unique.")
    if not names:
        raise Invalid("No tunable hyperparameters: specify at least one range in ParameterRanges.")
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f"The hyperparameter {name} has more than one range.")
        if name in static:
            raise Invalid(f"The hyperparameter {name} is both static and tunable. Remove it from one of them.")
    if len(names) > TUNABLE:
        raise Invalid(f"At most {TUNABLE} hyperparameters can be tuned; the request has {len(names)}.")
    if len(names) + len(static) > ALL:
        raise Invalid(f"At most {ALL} hyperparameters can be given, static and tunable together.")
    if strategy == "Grid" and len(names) > len(ranges.get("CategoricalParameterRanges", ())):
        raise Invalid("Strategy Grid only supports CategoricalParameterRanges.")


def combinations(ranges: dict[str, Any]) -> int:
    """How many trials a grid has."""
    return grid_size(parameters(ranges))


def _numbers(kind: str, item: dict[str, Any]) -> None:
    name = item["Name"]
    low, high = (_number(kind, name, item[end]) for end in ("MinValue", "MaxValue"))
    if low >= high:
        raise Invalid(f"The MinValue {item['MinValue']} of the hyperparameter {name} must be less than its MaxValue {item['MaxValue']}.")
    scale = item.get("ScalingType", "Auto")
    if scale == "Logarithmic" and low <= 0:
        raise Invalid(f"Logarithmic scaling of the hyperparameter {name} needs a range of values greater than 0.")
    if scale == "ReverseLogarithmic":
        if kind == "Integer":
            raise Invalid(f"ReverseLogarithmic scaling is not supported for the integer hyperparameter {name}.")
        if low < 0 or high >= 1:
            raise Invalid(f"ReverseLogarithmic scaling of the hyperparameter {name} needs a range within 0 <= x < 1.0.")


def _number(kind: str, name: str, text: str) -> float:
    try:
        value = float(int(text)) if kind == "Integer" else float(text)
    except ValueError:
        raise Invalid(f"{text!r} is not {'an integer' if kind == 'Integer' else 'a number'} (hyperparameter {name}).") from None
    if not math.isfinite(value):
        raise Invalid(f"The range of the hyperparameter {name} must be finite.")
    return value

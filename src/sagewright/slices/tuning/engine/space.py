"""Hyperparameters and their ranges: between the texts of the API and positions on each parameter's own scale.

A point has one number a parameter: a position in [0, 1] for numbers, the index of its category for others. Values are
texts everywhere else, integers without a decimal point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Point = list[float]

LEVELS = 512
"""Integers with at most so many values are told to the sampler one by one; others as if they were continuous."""
WIDE = 100.0
"""Auto scaling takes the logarithm where the largest value is so many times the smallest."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tunable hyperparameter."""

    name: str
    kind: str
    """Integer, Continuous or Categorical."""
    low: float = 0.0
    high: float = 0.0
    scale: str = "Linear"
    """Linear, Logarithmic or ReverseLogarithmic; Auto is resolved when the parameter is made."""
    values: tuple[str, ...] = ()

    # -- scales

    def _forward(self, value: float) -> float:
        if self.scale == "Logarithmic":
            return math.log(value)
        return -math.log(1.0 - value) if self.scale == "ReverseLogarithmic" else value

    def _backward(self, value: float) -> float:
        if self.scale == "Logarithmic":
            return math.exp(value)
        return 1.0 - math.exp(-value) if self.scale == "ReverseLogarithmic" else value

    def position(self, value: float) -> float:
        """Where a number lies between the ends of its range."""
        low, high = self._forward(self.low), self._forward(self.high)
        return 0.0 if high == low else (self._forward(value) - low) / (high - low)

    def number(self, position: float) -> float:
        """The number at a position; integers rounded."""
        low, high = self._forward(self.low), self._forward(self.high)
        value = self._backward(low + min(max(position, 0.0), 1.0) * (high - low))
        value = min(max(value, self.low), self.high)
        return float(round(value)) if self.kind == "Integer" else value

    # -- points

    def draw(self, u: float) -> float:
        """The position of a uniform draw in [0, 1); each integer gets its share of the scaled axis, the ends too."""
        if self.kind == "Categorical":
            return float(min(int(u * len(self.values)), len(self.values) - 1))
        if self.kind == "Continuous":
            return u
        low, high = self._forward(self._edge(self.low - 0.5)), self._forward(self.high + 0.5)
        value = min(max(float(round(self._backward(low + u * (high - low)))), self.low), self.high)
        return self.position(value)

    def _edge(self, value: float) -> float:
        return max(value, 0.5) if self.scale == "Logarithmic" else value

    def text(self, position: float) -> str:
        """The value of a position as the API shows it."""
        if self.kind == "Categorical":
            return self.values[int(position)]
        value = self.number(position)
        return str(int(value)) if self.kind == "Integer" else repr(value)

    def read(self, text: str) -> float | None:
        """The position of a value; None where it is no value of this parameter (another range, another kind)."""
        if self.kind == "Categorical":
            return float(self.values.index(text)) if text in self.values else None
        try:
            value = float(text)
        except ValueError:
            return None
        if not math.isfinite(value) or not self.low <= value <= self.high:
            return None
        return self.position(value)

    def dimension(self) -> dict[str, Any]:
        """What the sampler is told of it."""
        if self.kind == "Categorical":
            return {"categories": len(self.values)}
        if self.kind == "Integer" and self.high - self.low < LEVELS:
            return {"levels": [self.position(float(v)) for v in range(int(self.low), int(self.high) + 1)]}
        return {}


def parameters(ranges: Mapping[str, Any]) -> list[Parameter]:
    """The parameters of a request's ``ParameterRanges``, integers first, then continuous, then categorical.

    The request has been checked.
    """
    found = []
    for kind in ("Integer", "Continuous"):
        for item in ranges.get(f"{kind}ParameterRanges", ()):
            low, high = float(item["MinValue"]), float(item["MaxValue"])
            found.append(Parameter(item["Name"], kind, low, high, scaling(item.get("ScalingType", "Auto"), low, high)))
    categories = ranges.get("CategoricalParameterRanges", ())
    return [*found, *(Parameter(c["Name"], "Categorical", values=tuple(c["Values"])) for c in categories)]


def scaling(said: str, low: float, high: float) -> str:
    """The scale that is used; Auto becomes logarithmic where the range spans orders of magnitude."""
    if said != "Auto":
        return said
    return "Logarithmic" if low > 0 and high / low >= WIDE else "Linear"


def texts(space: Sequence[Parameter], point: Point) -> dict[str, str]:
    """Hyperparameters of a point."""
    return {p.name: p.text(at) for p, at in zip(space, point, strict=True)}


def point_of(space: Sequence[Parameter], values: Mapping[str, str]) -> Point | None:
    """The point of hyperparameters; None if any is missing or outside."""
    found = []
    for parameter in space:
        text = values.get(parameter.name)
        at = None if text is None else parameter.read(text)
        if at is None:
            return None
        found.append(at)
    return found

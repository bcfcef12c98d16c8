"""Metrics: named series of numbers with dimensions, as CloudWatch has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

Dimensions = tuple[tuple[str, str], ...]
"""(name, value) pairs, sorted by name."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One observation, or many already summed up (``count`` > 1)."""

    namespace: str
    name: str
    dimensions: Dimensions
    timestamp: float
    """Epoch seconds."""
    value: float
    """The observation, or the sum of ``count`` of them."""
    unit: str = "None"
    count: float = 1.0
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    namespace: str
    name: str
    dimensions: Dimensions


class Metrics(Protocol):
    """Blocking; a put of a batch is one transaction. Agents write from their own processes."""

    def put(self, samples: Iterable[Sample]) -> None: ...

    def series(self, namespace: str | None = None, name: str | None = None, dimensions: Dimensions = (), limit: int = 500, offset: int = 0) -> list[Series]:
        """Series that have at least the given dimensions."""
        ...

    def samples(self, series: Series, start: float, end: float) -> list[Sample]:
        """start ≤ timestamp < end, in time order."""
        ...

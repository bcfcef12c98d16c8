"""Metrics: named series of numbers with dimensions, as CloudWatch has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    def series(
        self, namespace: str | None = None, name: str | None = None, dimensions: Sequence[tuple[str, str | None]] = (),
        limit: int = 500, offset: int = 0, active_since: float | None = None,
    ) -> list[Series]:
        """Series that have at least the given dimensions (None: whatever value), by namespace, name and dimensions.

        ``active_since``: only those with a sample that late.
        """
        ...

    def samples(self, series: Series, start: float, end: float) -> list[Sample]:
        """start ≤ timestamp < end, in time order. What is old has been summed up by the minute."""
        ...

    def compact(self, now: float) -> None:
        """Sum up by the minute what is older than ``KEEP_SAMPLES`` and drop what is older than ``KEEP_MINUTES``."""
        ...


KEEP_SAMPLES = 15 * 86400.0
KEEP_MINUTES = 455 * 86400.0
"""Seconds; as long as CloudWatch keeps them."""

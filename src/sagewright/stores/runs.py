"""Runs: the metric series of experiment runs, written point by point and read whole.

A series is (owner, name): an owner is a run, named by the caller with any text, and a point is (step, time, value).
Adapters: ``adapters.runs`` with a SQLite file or PostgreSQL beneath; both pass ``sagewright.testing.runs``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

NO_STEP = -1
"""The step of a point that was written without one."""
MOST_SERIES = 10_000
"""Names that one owner may have."""


class Point(NamedTuple):
    """One observation. ``value`` is finite; ``time`` is epoch seconds; ``step`` is at least 0, or ``NO_STEP``."""

    name: str
    step: int
    time: float
    value: float


Observed = tuple[str, int, float, float]
"""A ``Point``, or a plain tuple of the same: ten thousand a second are made."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a series says on the whole."""

    name: str
    count: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    """Of the population; 0 for a single point."""
    last: float
    """The value of the latest time; of the latest step among equals, then of the latest arrival."""
    time: float
    """Of ``last``, epoch seconds."""


@dataclass(slots=True)
class Track:
    """A whole series, in the order in which it was written."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))
    climbing: bool = True
    """Every step is greater than the one before, and none is ``NO_STEP``."""
    timely: bool = True
    """No time is before the one before."""

    def __len__(self) -> int:
        return len(self.values)


class Runs(Protocol):
    """The store of run metrics. Used from one event loop; one process writes.

    Guarantees: a put is durable against a killed process when it returns (against power loss by the adapter's
    setting), and is there whole or not at all. Reads see every put that returned before them. Nothing is merged: two
    points of one step are two points.
    """

    async def put(self, owner: str, points: Sequence[Observed]) -> list[int]:
        """Append points. Returns the indexes of those left out because the owner has ``MOST_SERIES`` names already."""
        ...

    async def replace(self, owner: str, points: Sequence[Observed]) -> None:
        """Make these the owner's only points."""
        ...

    async def summaries(self, owners: Iterable[str], names: Sequence[str] | None = None) -> dict[str, list[Summary]]:
        """Owner → summaries by name, of all its series or of the given names; owners without any are left out."""
        ...

    async def tracks(self, wanted: Sequence[tuple[str, str]]) -> list[Track]:
        """The series of (owner, name) pairs, in their order; empty ones for what does not exist."""
        ...

    async def delete(self, owner: str) -> None:
        """Forget everything of an owner; missing is fine."""
        ...

    async def close(self) -> None: ...

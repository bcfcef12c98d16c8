"""What memory knows of one series: its summary so far, and the points that are in the log only. Pure."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from ...stores.runs import Summary, Track
from .pack import rises

COLUMNS = (
    "id", "owner", "name", "sequence", "count", "minimum", "maximum", "mean", "squares", "last", "last_time", "last_step",
    "tip_step", "tip_time", "climbing", "timely", "levels",
)  # fmt: skip
"""Of the table ``series``, in the order of ``Head.row``."""


SUMMARY = ("name", "count", "minimum", "maximum", "mean", "squares", "last", "last_time")
"""Columns that ``summary`` takes, in its order."""


def summary(
    name: str, count: int, minimum: float, maximum: float, mean: float | None, squares: float | None, last: float, time: float
) -> Summary:
    """Of a series with at least one point. What has overflown comes as None from SQLite, which keeps no NaN."""
    deviation = math.nan if squares is None else math.sqrt(max(squares, 0.0) / count)
    return Summary(name, count, minimum, maximum, math.nan if mean is None else mean, deviation, last, time)


class Points:
    """Points of one series with the log's sequence numbers."""

    __slots__ = ("sequences", "steps", "times", "values")

    def __init__(self) -> None:
        self.sequences, self.steps = array("q"), array("q")
        self.times, self.values = array("d"), array("d")

    def after(self, sequence: int, into: Track) -> bool:
        """Append those of later records to a track; whether there were any."""
        at = bisect_right(self.sequences, sequence)
        if at == len(self.sequences):
            return False
        into.steps += self.steps[at:]
        into.times += self.times[at:]
        into.values += self.values[at:]
        return True

    def copy(self) -> Points:
        other = Points()
        other.sequences, other.steps, other.times, other.values = self.sequences[:], self.steps[:], self.times[:], self.values[:]
        return other

    def __len__(self) -> int:
        return len(self.values)


class Head:
    """One series. ``sequence`` is the last log record whose points are in chunks."""

    __slots__ = (
        "climbing", "count", "fresh", "id", "last", "last_step", "last_time", "levels", "maximum", "mean", "minimum", "name",
        "owner", "sealing", "sequence", "squares", "timely", "tip_step", "tip_time",
    )  # fmt: skip

    def __init__(self, number: int, owner: str, name: str) -> None:
        self.id, self.owner, self.name, self.sequence = number, owner, name, 0
        self.count, self.minimum, self.maximum, self.mean, self.squares = 0, math.inf, -math.inf, 0.0, 0.0
        self.last, self.last_time, self.last_step = 0.0, -math.inf, -1
        self.tip_step: int | None = None
        self.tip_time = -math.inf
        self.climbing = self.timely = True
        self.levels = b""
        """A byte a chunk: how often it was merged."""
        self.fresh = Points()
        self.sealing: Points | None = None
        """Points that are being written into a chunk."""

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Head:
        """From a row of ``COLUMNS``."""
        head = cls(row[0], row[1], row[2])
        if row[4]:
            (head.sequence, head.count, head.minimum, head.maximum, head.mean, head.squares, head.last, head.last_time,
             head.last_step, head.tip_step, head.tip_time) = row[3:14]  # fmt: skip
            if head.mean is None or head.squares is None:  # overflown: SQLite keeps no NaN
                head.mean, head.squares = head.mean or math.nan, math.nan
            head.climbing, head.timely, head.levels = bool(row[14]), bool(row[15]), bytes(row[16])
        return head

    def row(self) -> tuple[Any, ...]:
        return (
            self.id, self.owner, self.name, self.sequence, self.count, self.minimum, self.maximum, self.mean, self.squares,
            self.last, self.last_time, self.last_step, self.tip_step, self.tip_time, int(self.climbing), int(self.timely),
            self.levels,
        )  # fmt: skip

    def add(self, sequence: int, step: int, time: float, value: float) -> None:
        """Take in a point of a log record."""
        fresh = self.fresh
        fresh.sequences.append(sequence)
        fresh.steps.append(step)
        fresh.times.append(time)
        fresh.values.append(value)
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self.squares += delta * (value - self.mean)
        if value < self.minimum:
            self.minimum = value
        if value > self.maximum:
            self.maximum = value
        if time > self.last_time or (time == self.last_time and step >= self.last_step):
            self.last, self.last_time, self.last_step = value, time, step
        if self.climbing and not rises(step, self.tip_step):
            self.climbing = False
        if time < self.tip_time:
            self.timely = False
        self.tip_step, self.tip_time = step, time

    def summary(self) -> Summary:
        return summary(self.name, self.count, self.minimum, self.maximum, self.mean, self.squares, self.last, self.last_time)

    def seal(self) -> Track:
        """The points that only the log has; they are ``sealing`` until ``sealed`` or ``unseal``."""
        self.sealing, self.fresh = self.fresh, Points()
        track = Track()
        self.sealing.after(-1, track)
        return track

    def unseal(self) -> None:
        """They could not be written: take them back."""
        if self.sealing is None:
            return
        old, new = self.sealing, self.fresh
        for column in Points.__slots__:
            getattr(old, column).extend(getattr(new, column))
        self.fresh, self.sealing = old, None

    def memory(self) -> Memory:
        return Memory([p.copy() for p in (self.sealing, self.fresh) if p is not None and len(p)], self.climbing, self.timely)


@dataclass(frozen=True, slots=True)
class Memory:
    """The logged points of one series at one moment, and the flags of the whole series then."""

    points: list[Points]
    climbing: bool
    timely: bool

    def over(self, track: Track, sequence: int) -> Track:
        """The track with what was logged after ``sequence``."""
        found = [points.after(sequence, track) for points in self.points]
        if any(found):
            track.climbing, track.timely = self.climbing, self.timely
        return track

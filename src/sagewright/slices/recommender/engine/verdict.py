"""What was counted in a load test, when that is enough, and what came of it. Pure."""

from __future__ import annotations

import math
from typing import Any

STEP = math.log(1.01)
"""Latencies are counted in classes of one per cent."""
FAILURES = 0.01
"""The share of failed invocations from which on a level does not count."""
FLAT, MORE, AFTER = 0.95, 1.25, 3
"""Invocations are flat when so many windows with so many times the users of an earlier one brought no more than what that
one had almost reached."""


class Count:
    """The invocations of one window, or of several."""

    def __init__(self, users: int = 0, segment: int = 0) -> None:
        self.users, self.segment = users, segment
        self.seconds = self.total = 0.0
        self.answered = self.failed = 0
        self.classes: dict[int, int] = {}
        self.begin = self.end = 0.0
        """Epoch seconds."""
        self.lost = False
        """The server was away for a while: what was counted says nothing of the model."""

    def add(self, seconds: float) -> None:
        """One answer, after so many seconds."""
        self.answered += 1
        self.total += seconds
        index = int(math.log(max(seconds, 1e-7) * 1e6) / STEP)
        self.classes[index] = self.classes.get(index, 0) + 1

    @property
    def rate(self) -> float:
        """Answered invocations a minute."""
        return 60 * self.answered / self.seconds if self.seconds > 0 else 0.0

    @property
    def mean(self) -> float:
        """Milliseconds."""
        return 1e3 * self.total / self.answered if self.answered else 0.0

    def percentile(self, percent: float) -> float:
        """Milliseconds that so many per cent of the answers took at most, to one per cent."""
        left = self.answered * percent / 100
        for index in sorted(self.classes):
            left -= self.classes[index]
            if left <= 1e-9:
                return math.exp((index + 1) * STEP) / 1e3
        return 0.0

    @property
    def sound(self) -> bool:
        """Whether it may count: answers came, hardly any failed, the server was there."""
        return not self.lost and self.answered > 0 and self.failed <= FAILURES * (self.answered + self.failed)


class Limits:
    """When a test is over before its pattern is.

    Args:
        given: ``{"MaxInvocations", "Percent", "Milliseconds", "Flat"}``; of the first and third, 0 is no limit.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self.invocations: int = given.get("MaxInvocations", 0)
        self.percent: float = given.get("Percent", 95.0)
        self.milliseconds: float = given.get("Milliseconds", 0)
        self.flat: bool = given.get("Flat", True)

    def reached(self, counts: list[Count]) -> str:
        """Why the test ends after these windows, as a sentence; empty if it goes on."""
        last = counts[-1]
        if last.lost or not last.answered:
            return ""
        latency = last.percentile(self.percent)
        if self.milliseconds and latency > self.milliseconds:
            return f"The latency (P{self.percent:g}) of {latency:.1f} ms is above the threshold of {self.milliseconds:g} ms."
        if self.invocations and last.sound and last.rate >= self.invocations:
            return f"{last.rate:.0f} invocations a minute reach MaxInvocations, {self.invocations}."
        if self.flat and is_flat(counts):
            return "More users bring no more invocations."
        return ""

    def best(self, counts: list[Count]) -> Count | None:
        """The level with the most invocations among those that keep the limits; None if none does.

        A level is what windows of one segment and one number of users have in common.
        """
        kept = [
            level for level in levels(counts)
            if level.sound and not (self.milliseconds and level.percentile(self.percent) > self.milliseconds)
        ]
        return max(kept, key=lambda level: level.rate) if kept else None


def is_flat(counts: list[Count]) -> bool:
    """Whether the last windows, although of more users, brought hardly more than an earlier one."""
    counts = [count for count in counts if not count.lost]
    if not counts:
        return False
    top = max(count.rate for count in counts)
    first = next(n for n, count in enumerate(counts) if count.rate >= FLAT * top)
    after = [count for count in counts[first + 1 :] if count.users >= MORE * counts[first].users]
    return len(after) >= AFTER


def levels(counts: list[Count]) -> list[Count]:
    """Windows of one segment and number of users, added up; those while the server was away are left out."""
    found: list[Count] = []
    for count in counts:
        if count.lost:
            continue
        if not found or (found[-1].segment, found[-1].users) != (count.segment, count.users):
            level = Count(count.users, count.segment)
            level.begin = count.begin
            found.append(level)
        level = found[-1]
        level.seconds += count.seconds
        level.total += count.total
        level.answered += count.answered
        level.failed += count.failed
        level.end = count.end
        for index, number in count.classes.items():
            level.classes[index] = level.classes.get(index, 0) + number
    return found

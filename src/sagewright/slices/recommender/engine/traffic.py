"""How many users there are at each moment of a load test. Pure.

A pattern becomes segments, ``{"Seconds", "Users", "PerMinute"}``: so many users at the beginning, so many more a minute. Each
segment is cut into windows of equal length, over which invocations are counted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Segment = dict[str, float]

WINDOW = 5.0
"""Seconds of a window, about."""
RAMP = (1, 2, 4, 8, 16, 32, 64)
"""Users of the levels where the caller gave no pattern."""


class Window(NamedTuple):
    """A part of a segment; seconds from the beginning of the test."""

    segment: int
    start: float
    end: float


def segments(pattern: dict[str, Any]) -> list[Segment]:
    """The segments of a valid TrafficPattern."""
    if pattern["TrafficType"] == "STAIRS":
        stairs = pattern["Stairs"]
        return [
            {"Seconds": stairs["DurationInSeconds"], "Users": (n + 1) * stairs["UsersPerStep"], "PerMinute": 0}
            for n in range(stairs["NumberOfSteps"])
        ]
    return [
        {"Seconds": p["DurationInSeconds"], "Users": p["InitialNumberOfUsers"], "PerMinute": p.get("SpawnRate", 0)}
        for p in pattern["Phases"]
    ]


def ramp(seconds: float) -> list[Segment]:
    """What is done without a pattern: the users double at each level, of so many seconds."""
    return [{"Seconds": seconds, "Users": users, "PerMinute": 0} for users in RAMP]


def length(plan: list[Segment]) -> float:
    """Seconds."""
    return float(sum(segment["Seconds"] for segment in plan))


def most(plan: list[Segment]) -> int:
    """The most users at once."""
    return max(_users(segment, segment["Seconds"]) for segment in plan)


def windows(plan: list[Segment]) -> list[Window]:
    """The windows of a test, in order, without gaps."""
    found, start = [], 0.0
    for index, segment in enumerate(plan):
        count = max(2, round(segment["Seconds"] / WINDOW))
        cuts = [start + segment["Seconds"] * n / count for n in range(count + 1)]
        found += [Window(index, cuts[n], cuts[n + 1]) for n in range(count)]
        start += segment["Seconds"]
    return found


def users(plan: list[Segment], window: Window, at: float) -> int:
    """How many users there are ``at`` seconds from the beginning of the test, inside of a window."""
    begins = sum(segment["Seconds"] for segment in plan[: window.segment])
    return _users(plan[window.segment], at - begins)


def _users(segment: Segment, seconds: float) -> int:
    return int(segment["Users"] + segment["PerMinute"] * seconds / 60)

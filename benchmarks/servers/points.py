"""The points of the experiments benchmark, the same for every store; the peer's interpreter imports them too."""

from __future__ import annotations

START = 1.75e9


def value(run: int, metric: int, step: int) -> float:
    """A number that says where it belongs."""
    return ((run * 131 + metric * 17 + step * 7) % 10_007) / 8.0


def at(step: int) -> float:
    """A step a second."""
    return START + step


def minutes(steps: int) -> int:
    """How many minutes of the clock have a point."""
    return int(at(steps - 1) // 60 - at(0) // 60) + 1

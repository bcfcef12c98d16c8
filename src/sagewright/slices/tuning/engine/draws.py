"""Points that need no history: random, evenly spread, and from a grid. Each follows from the seed and its number alone."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from .space import Parameter, Point


def uniform(space: Sequence[Parameter], seed: int, number: int) -> Point:
    """Trial ``number`` of Strategy Random: independent draws on the scaled axes."""
    source = random.Random(f"{seed}/{number}")
    return [p.draw(source.random()) for p in space]


def spread(space: Sequence[Parameter], seed: int, number: int) -> Point:
    """Trial ``number`` (from 1) of a first look at a space: evenly spread from any count on.

    An additive recurrence with the generalised golden ratio and a random shift: Roberts, The unreasonable effectiveness
    of quasirandom sequences, 2018.
    """
    size = len(space)
    ratio = 2.0
    for _ in range(40):
        ratio = (1.0 + ratio) ** (1.0 / (size + 1))
    shift = random.Random(f"{seed}/shift")
    return [p.draw(math.fmod(shift.random() + number * ratio ** -(i + 1), 1.0)) for i, p in enumerate(space)]


def initial(size: int) -> int:
    """How many evenly spread trials a space of ``size`` parameters gets before a model of it is worth asking."""
    return min(max(size + 2, 5), 10)


def grid_size(space: Sequence[Parameter]) -> int:
    """How many combinations the categories have."""
    return math.prod(len(p.values) for p in space)


def grid(space: Sequence[Parameter], number: int) -> Point:
    """Combination ``number`` (from 1): the last parameter changes fastest."""
    rest, found = number - 1, []
    for parameter in reversed(space):
        rest, at = divmod(rest, len(parameter.values))
        found.append(float(at))
    return found[::-1]

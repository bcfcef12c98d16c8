"""Points that need no history: random, evenly spread, and from a grid. Each follows from the seed and its number alone."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

from .space import Parameter, Point

DESIGNS = 30
"""Latin hypercubes of which the best is taken; 5 ms of ten parameters."""


def uniform(space: Sequence[Parameter], seed: int, number: int) -> Point:
    """Trial ``number`` of Strategy Random: independent draws on the scaled axes."""
    source = random.Random(f"{seed}/{number}")
    return [p.draw(source.random()) for p in space]


def spread(space: Sequence[Parameter], seed: int) -> list[Point]:
    """The ``initial`` trials of a first look at a space: a Latin hypercube, so that each part of each axis, and each
    category, gets its share of so few points; of several such designs the one whose nearest two points are farthest apart.

    Morris and Mitchell, Exploratory designs for computational experiments, 1995.
    """
    count, source = initial(len(space)), random.Random(f"{seed}/spread")
    best, gap = [], -1.0
    for _ in range(DESIGNS):
        axes = [[(cell + source.random()) / count for cell in source.sample(range(count), count)] for _ in space]
        points = [[p.draw(u) for p, u in zip(space, row, strict=True)] for row in zip(*axes, strict=True)]
        found = min(_square(space, a, b) for a, b in itertools.combinations(points, 2))
        if found > gap:
            best, gap = points, found
    return best


def _square(space: Sequence[Parameter], a: Point, b: Point) -> float:
    """The squared distance of two points; two categories are 1 apart."""
    return sum(float(x != y) if p.kind == "Categorical" else (x - y) ** 2 for p, x, y in zip(space, a, b, strict=True))


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

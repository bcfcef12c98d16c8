"""Which copy goes on which instance. Pure.

A copy that is placed stays where it is; wanted ones are placed largest first, each where its component's strategy says: SPREAD
on the instance that has the fewest copies of the component, BINPACK on the one that it fills best. An instance is added only
for a copy that fits on none of those that are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SPREAD, BINPACK = "SPREAD", "BINPACK"


@dataclass(frozen=True, slots=True)
class Size:
    """What a copy reserves, or an instance has."""

    accelerators: int = 0
    cpus: int = 0
    """Thousandths of a core."""
    memory: int = 0
    """MiB."""

    def plus(self, other: Size) -> Size:
        return Size(self.accelerators + other.accelerators, self.cpus + other.cpus, self.memory + other.memory)

    def minus(self, other: Size) -> Size:
        return Size(self.accelerators - other.accelerators, self.cpus - other.cpus, self.memory - other.memory)

    def holds(self, other: Size) -> bool:
        return self.accelerators >= other.accelerators and self.cpus >= other.cpus and self.memory >= other.memory

    def shares(self, whole: Size) -> tuple[float, float, float]:
        """How much of ``whole`` this is, in each dimension."""
        pairs = ((self.accelerators, whole.accelerators), (self.cpus, whole.cpus), (self.memory, whole.memory))
        found = [part / of if of else float(part > 0) for part, of in pairs]
        return found[0], found[1], found[2]


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a component."""

    id: str
    component: str
    need: Size
    strategy: str = SPREAD


@dataclass(frozen=True, slots=True)
class Packing:
    """What came of it."""

    placed: dict[str, str] = field(default_factory=dict)
    """Wanted copy → instance."""
    added: list[str] = field(default_factory=list)
    """Of the instances that might be added, those that are needed."""
    left: list[str] = field(default_factory=list)
    """Wanted copies that fit nowhere."""


def free(capacity: Size, copies: Sequence[Copy]) -> Size:
    """What an instance with these copies has left."""
    rest = capacity
    for copy in copies:
        rest = rest.minus(copy.need)
    return rest


def pack(capacity: Size, instances: Mapping[str, Sequence[Copy]], wanted: Sequence[Copy], addable: Sequence[str] = ()) -> Packing:
    """Place the wanted copies.

    Args:
        capacity: of every instance.
        instances: those that take copies, with what is on them.
        wanted: copies without a place.
        addable: names of the instances that may be added, in the order in which they are.
    """
    on = {name: list(copies) for name, copies in instances.items()}
    packing, more = Packing(), list(addable)
    for copy in sorted(wanted, key=lambda c: -max(c.need.shares(capacity))):  # stable: equals in the order given
        name = _place(capacity, on, copy)
        if name is None and more and capacity.holds(copy.need):
            name = more.pop(0)
            on[name] = []
            packing.added.append(name)
        if name is None:
            packing.left.append(copy.id)
            continue
        on[name].append(copy)
        packing.placed[copy.id] = name
    return packing


def _place(capacity: Size, on: Mapping[str, Sequence[Copy]], copy: Copy) -> str | None:
    best: tuple[tuple[float, ...], str] | None = None
    for name, copies in on.items():
        rest = free(capacity, copies)
        if not rest.holds(copy.need):
            continue
        left = sum(rest.minus(copy.need).shares(capacity))
        same = sum(other.component == copy.component for other in copies)
        rank = (left,) if copy.strategy == BINPACK else (same, -left)
        if best is None or rank < best[0]:
            best = rank, name
    return best[1] if best else None

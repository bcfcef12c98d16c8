"""Who of an endpoint's instances takes a request, which are woken and which are let go. Pure: no clock, no I/O.

An endpoint has ``MaxConcurrency`` slots; an instance in one has one request at a time. The first ``ProvisionedConcurrency``
slots are kept awake. A request takes the lowest slot that is free, so that those above fall asleep first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

HELD = 1000
"""Requests that may wait for an instance; more are throttled, whatever the reason they wait for."""
SETTLE = 1.0
"""Seconds that requests above MaxConcurrency go on to be held after those of the wake-up have all been given an instance."""
FIRST_REST, LONGEST_REST = 0.5, 60.0
"""Seconds that nothing is woken after an instance could not start; doubled each time, up to the longest."""


class State(Enum):
    """What an instance is doing; a slot without one sleeps."""

    WAKING = "waking"
    FREE = "free"
    BUSY = "busy"
    ENDING = "ending"


class Verdict(Enum):
    """What becomes of a request that has just come."""

    TAKE = "take"
    """There is an instance for it."""
    WAIT = "wait"
    THROTTLE = "throttle"


@dataclass(slots=True)
class Slots:
    """The instances of one endpoint. ``now`` is any clock that only goes forward, in seconds."""

    most: int
    kept: int
    idle: float
    """Seconds until an instance that nobody asks stops."""
    together: int = 2
    """Instances that are woken at the same time: on a machine with few cores, more would only be later all."""
    states: dict[int, State] = field(default_factory=dict)
    since: dict[int, float] = field(default_factory=dict)
    """Slot → when its instance was free last."""
    failures: int = 0
    """Starts that failed, in a row."""
    rests_until: float = float("-inf")
    surge: bool = False
    """Requests came while everybody slept, and some of them still wait."""
    settles_at: float = float("-inf")

    def configure(self, config: Mapping[str, Any], idle: float) -> None:
        """Take over a ServerlessConfig."""
        self.most, self.kept, self.idle = config["MaxConcurrency"], config.get("ProvisionedConcurrency", 0), idle

    def count(self, *states: State) -> int:
        return sum(state in states for state in self.states.values())

    @property
    def running(self) -> int:
        """Requests that instances have."""
        return self.count(State.BUSY)

    def spilled(self, slot: int) -> bool:
        """Whether an instance is beyond those that are kept."""
        return slot >= self.kept

    # -- requests

    def admit(self, waiting: int, now: float) -> Verdict:
        """What becomes of a request while ``waiting`` others wait."""
        if not waiting and self._free() is not None:
            return Verdict.TAKE
        if waiting >= HELD:
            return Verdict.THROTTLE
        if not self.count(State.FREE, State.BUSY):
            self.surge = True  # whoever comes while there is no instance at all waits for the first
        if self.surge or now < self.settles_at or self.running + waiting < self.most:
            return Verdict.WAIT
        return Verdict.THROTTLE

    def take(self) -> int | None:
        """A free instance, busy from now on."""
        slot = self._free()
        if slot is not None:
            self.states[slot] = State.BUSY
        return slot

    def release(self, slot: int, waiting: int, now: float) -> None:
        """The request of an instance has ended."""
        if self.states.get(slot) is State.BUSY:
            self.states[slot], self.since[slot] = State.FREE, now
        self.settle(waiting, now)

    def settle(self, waiting: int, now: float) -> None:
        """Nobody waits any more: the wake-up is over in a moment."""
        if self.surge and not waiting:
            self.surge, self.settles_at = False, now + SETTLE

    # -- instances

    def wake(self, waiting: int, now: float) -> list[int]:
        """Slots whose instances are to be started now; they count as waking."""
        if now < self.rests_until:
            return []
        waking = self.count(State.WAKING)
        coming = waking + self.count(State.FREE)
        room = max(0, self.together - waking)
        needed = [slot for slot in range(self.kept) if slot not in self.states]
        spare = [slot for slot in range(self.kept, self.most) if slot not in self.states]
        wanted = (needed + spare[: max(0, waiting - coming - len(needed))])[:room]
        for slot in wanted:
            self.states[slot] = State.WAKING
        return wanted

    def awake(self, slot: int, now: float) -> None:
        """An instance answers."""
        if self.states.get(slot) not in (State.BUSY, State.ENDING):
            self.states[slot], self.since[slot] = State.FREE, now
        self.failures, self.rests_until = 0, float("-inf")

    def gone(self, slot: int, now: float, *, ready: bool) -> None:
        """An instance has ended; if it was never ``ready``, the next is not tried at once."""
        self.states.pop(slot, None)
        self.since.pop(slot, None)
        if not ready:
            self.rests_until = now + min(FIRST_REST * 2**self.failures, LONGEST_REST)
            self.failures += 1

    def hopeless(self, now: float) -> bool:
        """Whether nothing is there or on its way that a request could wait for."""
        return now < self.rests_until and not self.count(State.WAKING, State.FREE, State.BUSY)

    def tired(self, now: float) -> list[int]:
        """Instances that nobody has asked for so long that they stop; they count as ending."""
        found = [
            slot for slot, state in self.states.items()
            if state is State.FREE and (slot >= self.most or (self.spilled(slot) and now >= self.since[slot] + self.idle))
        ]
        for slot in found:
            self.states[slot] = State.ENDING
        return found

    def due(self, now: float) -> float | None:
        """Seconds until ``tired`` or ``wake`` may say something that they do not say now; None if only an event can bring that."""
        ends = [self.since[s] + self.idle for s, state in self.states.items() if state is State.FREE and self.spilled(s)]
        if now < self.rests_until:
            ends.append(self.rests_until)
        return max(0.0, min(ends) - now) if ends else None

    def _free(self) -> int | None:
        return min((slot for slot, state in self.states.items() if state is State.FREE and slot < self.most), default=None)

"""Which message of a queue may be received when. Pure: no I/O and no clock of its own.

A queue's bodies stay in the records; this keeps some hundred bytes a message in memory.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count


@dataclass(slots=True)
class Entry:
    """One message."""

    available: float
    """Epoch seconds from which on it may be received."""
    expires: float
    """Epoch seconds at which the queue forgets it."""
    receives: int = 0
    receipt: str = ""
    """Of the latest receipt; empty if it was never received, and again once its visibility timeout was set to 0."""


class Index:
    """One queue. Messages come out by the time they became available; ties in the order they came in."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._numbers = count()

    def put(self, key: str, entry: Entry) -> None:
        """Add a message, or say when a known one is available next."""
        self.entries[key] = entry
        heapq.heappush(self._heap, (entry.available, next(self._numbers), key))

    def hide(self, key: str, until: float) -> None:
        """Say when a known message is available next."""
        entry = self.entries[key]
        entry.available = until
        self.put(key, entry)

    def drop(self, key: str) -> bool:
        """Forget a message; False if it is not known."""
        return self.entries.pop(key, None) is not None

    def take(self, now: float, until: float, most: int) -> tuple[list[str], list[str]]:
        """Up to ``most`` messages available now, hidden until ``until``; and the messages that expired on the way.

        Expired ones are forgotten here.
        """
        taken: list[str] = []
        expired: list[str] = []
        while len(taken) < most and (top := self._top()) is not None and top <= now:
            key = heapq.heappop(self._heap)[2]
            if self.entries[key].expires <= now:
                del self.entries[key]
                expired.append(key)
            else:
                taken.append(key)
        for key in taken:
            self.hide(key, until)
        return taken, expired

    def expire(self, now: float, most: int) -> list[str]:
        """Forget messages that nobody received in time, up to ``most`` of them, the oldest first; which they were."""
        expired: list[str] = []
        while len(expired) < most and self._top() is not None and self.entries[key := self._heap[0][2]].expires <= now:
            heapq.heappop(self._heap)
            del self.entries[key]
            expired.append(key)
        return expired

    def next(self) -> float | None:
        """When the next message becomes available; None if there is none."""
        return self._top()

    def counts(self, now: float) -> tuple[int, int, int]:
        """(receivable, in flight, delayed)."""
        ready = flying = delayed = 0
        for entry in self.entries.values():
            if entry.available <= now:
                ready += entry.expires > now
            elif entry.receipt:
                flying += 1
            else:
                delayed += 1
        return ready, flying, delayed

    def _top(self) -> float | None:
        """The earliest time that still holds; what was said before and no longer holds is dropped on the way."""
        while self._heap:
            at, _, key = self._heap[0]
            entry = self.entries.get(key)
            if entry is not None and entry.available == at:
                return at
            heapq.heappop(self._heap)
        return None

"""Measurements of requests, summed up in memory and written every few seconds, never on a request's way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from ..stores.metrics import Dimensions, Metrics, Sample

log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between writes while there is traffic; without any, nothing runs."""


@dataclass(slots=True)
class _Sum:
    count: float = 0.0
    total: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)


class Meter:
    """Sums of one namespace. Not thread-safe: belongs to the event loop."""

    def __init__(self, metrics: Metrics, namespace: str, clock: Callable[[], float]) -> None:
        self._metrics, self._namespace, self._clock = metrics, namespace, clock
        self._sums: dict[tuple[str, str, Dimensions], _Sum] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def add(self, dimensions: Dimensions, name: str, value: float, unit: str = "None") -> None:
        """One observation."""
        key = name, unit, dimensions
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = _Sum()
        found.add(value)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._due)

    async def flush(self) -> None:
        """Write what has come together. A failure is logged: measurements must not break what they measure."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        sums, self._sums = self._sums, {}
        if not sums:
            return
        now = self._clock()
        samples = [
            Sample(self._namespace, name, dimensions, now, s.total, unit, s.count, s.minimum, s.maximum)
            for (name, unit, dimensions), s in sums.items()
        ]
        try:
            await asyncio.to_thread(self._metrics.put, samples)
        except Exception:
            log.exception("%d metrics of %s were lost", len(samples), self._namespace)

    async def close(self) -> None:
        """Flush, and wait for writes under way."""
        await self.flush()
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _due(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self.flush())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

"""What is measured of components while nobody asks them: zeros, which scaling in needs, and requests that take long."""

from __future__ import annotations

import asyncio
import logging

from ...gateway.meter import NAMESPACE
from ...gateway.routes import Key, Variant
from ...resources.platform import Platform
from ...stores.metrics import Sample
from .routing import Router

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds: the period of ConcurrentRequestsPerCopy."""
MINUTE = 6
"""Rounds between two zeros of what is counted by the minute."""
COUNTS = ("Invocations", "InvocationsPerCopy", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
INSTEAD = ("InvocationsPerInstance", *(name for name in COUNTS if name != "InvocationsPerCopy"))
"""The same of the variants that they are on."""
EVERYTHING = 1_000_000
"""More series than there are."""


class Gauges:
    """One per platform; runs while there is a component with copies."""

    def __init__(self, platform: Platform, router: Router) -> None:
        self.platform, self.router = platform, router
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._round = 0

    def install(self) -> None:
        self.platform.starters.append(self._later)
        self.platform.closers.append(self.close)

    def samples(self, now: float) -> list[Sample]:
        """What there is to say now of components with copies."""
        found = [variant for key in list(self.router.known) if (variant := self._variant(key)) is not None]
        said = [Sample(NAMESPACE, "ConcurrentRequestsPerCopy", v.dimensions, now, v.concurrency()) for v in found]
        if found and self._round % MINUTE == 0:
            busy = {s.dimensions for s in self.platform.metrics.series(NAMESPACE, "Invocations", limit=EVERYTHING, active_since=now - EVERY * MINUTE)}
            quiet = {v.dimensions: COUNTS for v in found} | {v.besides: INSTEAD for v in found}
            said += [Sample(NAMESPACE, name, where, now, 0.0) for where, names in quiet.items() if where not in busy for name in names]
        return said

    def _variant(self, key: Key) -> Variant | None:
        route = self.router.routes.get(key)
        return route.every[0] if route is not None and route.every[0].workers else None

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._due)

    def _due(self) -> None:
        self._later()
        self._round += 1
        if self.router.known:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            await asyncio.to_thread(self._put)
        except Exception:
            log.exception("metrics of components were lost")

    def _put(self) -> None:
        if found := self.samples(self.platform.clock()):
            self.platform.metrics.put(found)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)

"""What is measured of components while nobody asks them: zeros, which scaling in needs, and requests that take long."""

from __future__ import annotations

import asyncio
import logging

from ...gateway.meter import NAMESPACE
from ...resources.platform import Platform
from ...stores.metrics import Sample
from .routing import Router

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds: the period of ConcurrentRequestsPerCopy."""
MINUTE = 6
"""Rounds between two zeros of InvocationsPerCopy, whose period is a minute."""


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
        """What there is to say now. An idle component says zero; what it answers is measured where it is answered."""
        found = []
        for key in self.router.known:
            route = self.router.routes.get(key)
            if route is None or not (variant := route.every[0]).workers:
                continue
            found.append(Sample(NAMESPACE, "ConcurrentRequestsPerCopy", variant.dimensions, now, variant.concurrency()))
            if self._round % MINUTE == 0:
                found.append(Sample(NAMESPACE, "InvocationsPerCopy", variant.dimensions, now, 0.0))
        return found

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._due)

    def _due(self) -> None:
        self._later()
        if found := self.samples(self.platform.clock()):
            self._writing = asyncio.get_running_loop().create_task(self._write(found))
        self._round += 1

    async def _write(self, found: list[Sample]) -> None:
        try:
            await asyncio.to_thread(self.platform.metrics.put, found)
        except Exception:
            log.exception("%d metrics of components were lost", len(found))

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)

"""Zeros for variants that nobody asks: without them no alarm on too few invocations would ever go off, and nothing scale in.

Once a minute, for the minute that is over, as soon as everything that was counted in it is stored. Every ten seconds, how many
requests the instances of each variant have at the same time: those of this process, mostly zero, beside which the gateway tells
its own. Nothing is done while there is no endpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from ...gateway.meter import CONCURRENT, EVERY, NAMESPACE
from ...gateway.routes import Routes
from ...resources.platform import Platform
from ...stores.metrics import Dimensions, Sample

log = logging.getLogger(__name__)

MINUTE, LATER = 60.0, EVERY + 3.0
"""Seconds; the second after a minute at which its counts are stored, at the latest."""
COUNTS = ("Invocations", "InvocationsPerInstance", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
OFTEN = 10.0
"""Seconds: the period of the metric ``CONCURRENT``."""
EVERYTHING = 1_000_000
"""More series than there are."""


class Quiet:
    """The variants of one platform that have no requests."""

    def __init__(self, platform: Platform, routes: Routes) -> None:
        self.platform, self.routes = platform, routes
        self._before: set[Dimensions] = set()
        """Variants that there were the last time: those that came since have not been idle for a minute."""
        self._tasks: list[asyncio.Task[None]] = []

    def install(self) -> None:
        self.platform.starters.append(self.start)
        self.platform.closers.append(self.stop)

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._run(lambda: pause(self.platform.clock()), self.tell), name="quiet variants"),
            asyncio.create_task(self._run(lambda: OFTEN, self.count), name="requests at the same time"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, wait: Callable[[], float], act: Callable[[float], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(wait())
            try:
                await act(self.platform.clock())
            except Exception:  # a full disk; the next time tries again
                log.exception("metrics of variants were lost")

    async def count(self, now: float) -> None:
        """Put the requests under way at every variant that has instances; inference components are their own slice's."""
        found = [v for v in self.routes.variants() if v.workers and not v.component]
        if found:
            samples = [Sample(NAMESPACE, CONCURRENT, v.dimensions, now, v.concurrency()) for v in found]
            await asyncio.to_thread(self.platform.metrics.put, samples)

    async def tell(self, now: float) -> None:
        """Put zeros for every variant that has had no request since the last minute began."""
        known = {variant.dimensions for variant in self.routes.variants()}
        stayed, self._before = known & self._before, known
        if stayed:
            await asyncio.to_thread(self._put, stayed, now // MINUTE * MINUTE)

    def _put(self, known: set[Dimensions], end: float) -> None:
        metrics = self.platform.metrics
        busy = {s.dimensions for s in metrics.series(NAMESPACE, "Invocations", limit=EVERYTHING, active_since=end - MINUTE)}
        if quiet := sorted(known - busy):
            metrics.put(zeros(quiet, end - 1.0))


def pause(now: float) -> float:
    """Seconds until it is time again."""
    return MINUTE - (now - LATER) % MINUTE


def zeros(variants: Iterable[Dimensions], at: float) -> list[Sample]:
    """What is published of variants without requests."""
    return [Sample(NAMESPACE, name, dimensions, at, 0.0) for dimensions in variants for name in COUNTS]

"""What CloudWatch hears of serverless endpoints beside their invocations, summed up in memory and written every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ...runtime.timer import Timer
from ...stores.metrics import Dimensions, Sample

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
EVERY, QUIET = 5.0, 60.0
"""Seconds between two writes while there are requests; between two of an endpoint that keeps instances for nobody."""


@dataclass(slots=True)
class Sum:
    """Values of one metric since the last write."""

    count: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)


@dataclass(slots=True)
class Gauge:
    """One endpoint's metrics. ``moved`` is called at each change of what runs, with how much runs then."""

    endpoint: str
    variant: str
    sums: dict[tuple[str, str], Sum] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str = "None") -> None:
        self.sums.setdefault((name, unit), Sum()).add(value)

    def moved(self, running: int, most: int, on_kept: int, kept: int) -> None:
        """``running`` of ``most`` requests are with instances, ``on_kept`` of them on the ``kept`` ones."""
        self.add("ServerlessConcurrentExecutionsUtilization", running / most)
        if kept:
            self.add("ServerlessProvisionedConcurrencyExecutions", float(on_kept))
            self.add("ServerlessProvisionedConcurrencyUtilization", on_kept / kept)

    def invoked(self, spilled: bool, kept: int) -> None:
        """A request was given an instance; ``spilled`` if none of those that are kept."""
        if kept:
            self.add("ServerlessProvisionedConcurrencySpilloverInvocations" if spilled else "ServerlessProvisionedConcurrencyInvocations", 1.0)

    def samples(self, now: float) -> list[Sample]:
        """What has come together, and nothing any more afterwards."""
        where: Dimensions = (("EndpointName", self.endpoint), ("VariantName", self.variant))
        sums, self.sums = self.sums, {}
        return [Sample(NAMESPACE, name, where, now, s.total, unit, s.count, s.least, s.most) for (name, unit), s in sums.items()]


class Gauges:
    """Every endpoint's. Not thread-safe: belongs to the event loop.

    Args:
        put: stores samples; runs in a thread.
        idle: the endpoints that keep instances: (endpoint, variant, MaxConcurrency, ProvisionedConcurrency). What they do when
            nobody asks is said, too, or they would never be scaled in.
    """

    def __init__(
        self, put: Callable[[list[Sample]], None], clock: Callable[[], float], idle: Callable[[], Iterable[tuple[str, str, int, int]]]
    ) -> None:
        self._put, self._clock, self._idle = put, clock, idle
        self._gauges: dict[tuple[str, str], Gauge] = {}
        self._timer = Timer(self._due)
        self._writing: set[asyncio.Task[None]] = set()

    def of(self, endpoint: str, variant: str) -> Gauge:
        """The gauge of an endpoint; what is added is written in a while."""
        self._later(EVERY)
        return self._gauges.setdefault((endpoint, variant), Gauge(endpoint, variant))

    async def flush(self) -> None:
        """Write what has come together. A failure is logged: measurements must not break what they measure."""
        gauges, self._gauges = self._gauges, {}
        samples = [sample for gauge in gauges.values() for sample in gauge.samples(self._clock())]
        if samples:
            try:
                await asyncio.to_thread(self._put, samples)
            except Exception:
                log.exception("%d metrics of serverless endpoints were lost", len(samples))

    def quiet(self) -> None:
        """Something may have to be said though nobody asks."""
        self._later(QUIET)

    async def close(self) -> None:
        self._timer.cancel()
        await self.flush()
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _later(self, seconds: float) -> None:
        self._timer.by(asyncio.get_running_loop().time() + seconds)

    def _due(self) -> None:
        for endpoint, variant, most, kept in self._idle():
            self._later(QUIET)
            if (endpoint, variant) not in self._gauges:
                gauge = self._gauges[endpoint, variant] = Gauge(endpoint, variant)
                gauge.moved(0, most, 0, kept)
        task = asyncio.get_running_loop().create_task(self.flush())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

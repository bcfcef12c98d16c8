"""Measurements of requests, summed up in memory and written every few seconds, never on a request's way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from ..stores.metrics import Dimensions, Sample
from .answer import Step

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
PER = {"InferenceComponentName": "InvocationsPerCopy"}
"""What requests are shared out among, where it is not a variant's instances: by the name of the first dimension."""
AT_ONCE = {"InferenceComponentName": "ConcurrentRequestsPerCopy"}
"""What counts the requests that one of them has at the same time, where it is not ``CONCURRENT``: by the same."""
CONCURRENT = "ConcurrentRequestsPerModel"
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
        if value < self.minimum:
            self.minimum = value
        if value > self.maximum:
            self.maximum = value


class Tally:
    """The requests of one variant since the last write. Times in microseconds."""

    __slots__ = ("bad", "clients", "concurrent", "instances", "latency", "overhead", "requests", "servers")

    def __init__(self) -> None:
        self.requests = self.clients = self.servers = self.bad = 0
        self.instances, self.concurrent = _Sum(), _Sum()
        self.latency, self.overhead = _Sum(), _Sum()

    def samples(self, namespace: str, dimensions: Dimensions, now: float) -> list[Sample]:
        """Zeros are counted too: an error rate needs the requests that were none."""
        n, most = float(self.requests), self.concurrent
        found = []
        if most.count:
            name = AT_ONCE.get(dimensions[0][0], CONCURRENT)
            found.append(Sample(namespace, name, dimensions, now, most.total, "None", most.count, most.minimum, most.maximum))
        if not n:
            return found
        counts = (("Invocations", n), ("Invocation4XXErrors", self.clients), ("Invocation5XXErrors", self.servers), ("InvocationModelErrors", self.bad))
        found += [
            Sample(namespace, name, dimensions, now, float(total), "None", n, 1.0 if total == n else 0.0, 1.0 if total else 0.0)
            for name, total in counts
        ]
        sums = (
            (PER.get(dimensions[0][0], "InvocationsPerInstance"), "None", self.instances), ("ModelLatency", "Microseconds", self.latency),
            ("OverheadLatency", "Microseconds", self.overhead),
        )
        found += [Sample(namespace, name, dimensions, now, s.total, unit, s.count, s.minimum, s.maximum) for name, unit, s in sums]
        return found


class StepTally:
    """The requests to one of an instance's containers since the last write. Times in microseconds."""

    __slots__ = ("clients", "latency", "overhead", "requests", "servers")

    def __init__(self) -> None:
        self.requests = self.clients = self.servers = 0
        self.latency, self.overhead = _Sum(), _Sum()

    def samples(self, namespace: str, dimensions: Dimensions, now: float) -> list[Sample]:
        n = float(self.requests)
        counts = (("Invocations", n), ("Invocation4XXErrors", self.clients), ("Invocation5XXErrors", self.servers))
        found = [
            Sample(namespace, name, dimensions, now, float(total), "None", n, 1.0 if total == n else 0.0, 1.0 if total else 0.0)
            for name, total in counts
        ]
        sums = (("ContainerLatency", self.latency), ("OverheadLatency", self.overhead))
        return found + [Sample(namespace, name, dimensions, now, s.total, "Microseconds", s.count, s.minimum, s.maximum) for name, s in sums]


class Meter:
    """Sums of one namespace. Not thread-safe: belongs to the event loop.

    Args:
        put: stores samples; runs in a thread.
    """

    def __init__(self, put: Callable[[list[Sample]], None], namespace: str, clock: Callable[[], float]) -> None:
        self._put, self._namespace, self._clock = put, namespace, clock
        self._tallies: dict[Dimensions, Tally] = {}
        self._steps: dict[Dimensions, StepTally] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def request(self, dimensions: Dimensions, status: int, instances: int, began: float, sent: float, done: float) -> None:
        """One request to a model. ``status`` 0: no answer came. Times in seconds, of one clock."""
        tally = self._tally(dimensions)
        tally.requests += 1
        tally.instances.add(1.0 / max(1, instances))
        tally.latency.add((done - sent) * 1e6)
        tally.overhead.add((sent - began) * 1e6)
        if not 200 <= status < 300:
            tally.bad += 1
            tally.clients += 400 <= status < 500
            tally.servers += status >= 500 or status == 0

    def step(self, dimensions: Dimensions, step: Step) -> None:
        """What one of several containers had to do with a request."""
        tally = self._steps.get(dimensions)
        if tally is None:
            tally = self._steps[dimensions] = StepTally()
            self._write_later()
        tally.requests += 1
        tally.latency.add(step.took * 1e6)
        tally.overhead.add(step.waited * 1e6)
        tally.clients += 400 <= step.status < 500
        tally.servers += step.status >= 500 or step.status == 0

    def concurrent(self, dimensions: Dimensions, value: float) -> None:
        """Requests that a variant's instances, or an inference component's copies, have at the same time, for each."""
        self._tally(dimensions).concurrent.add(value)

    def _tally(self, dimensions: Dimensions) -> Tally:
        found = self._tallies.get(dimensions)
        if found is None:
            found = self._tallies[dimensions] = Tally()
            self._write_later()
        return found

    def _write_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._due)

    async def flush(self) -> None:
        """Write what has come together. A failure is logged: measurements must not break what they measure."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tallies: list[tuple[Dimensions, Tally | StepTally]] = [*self._tallies.items(), *self._steps.items()]
        self._tallies, self._steps = {}, {}
        if not tallies:
            return
        now = self._clock()
        samples = [s for dimensions, tally in tallies for s in tally.samples(self._namespace, dimensions, now)]
        try:
            await asyncio.to_thread(self._put, samples)
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

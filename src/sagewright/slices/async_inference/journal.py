"""What became of the requests: lines in the instances' data logs and metrics, written together, never on a request's way."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from ...stores.logs import LogEvent, Logs
from ...stores.metrics import Dimensions, Metrics, Sample

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
EVERY = 1.0
"""Seconds that lines and sums may wait; a killed server loses them."""


class Journal:
    """The data logs and metrics of one platform. Belongs to the event loop."""

    def __init__(self, logs: Logs, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._logs, self._metrics, self._clock = logs, metrics, clock
        self._lines: dict[tuple[str, str], list[LogEvent]] = defaultdict(list)
        self._sums: dict[tuple[str, Dimensions], Sample] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def say(self, endpoint: str, stream: str, inference: str, text: str) -> None:
        """One line about a request. ``stream``: the instance's own log stream."""
        now = self._clock()
        at = datetime.fromtimestamp(now, UTC)
        line = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}:[sagemaker logs] [{inference}] {text}"
        self._lines[f"/aws/sagemaker/Endpoints/{endpoint}", f"{stream}/data-log"].append(LogEvent(int(now * 1000), line))
        self._wake()

    def add(self, dimensions: Dimensions, name: str, value: float, unit: str = "None") -> None:
        """One observation."""
        key = name, dimensions
        old = self._sums.get(key)
        if old is None:
            self._sums[key] = Sample(NAMESPACE, name, dimensions, 0.0, value, unit, 1.0, value, value)
        else:
            self._sums[key] = replace(
                old, value=old.value + value, count=old.count + 1, minimum=min(old.minimum or 0.0, value), maximum=max(old.maximum or 0.0, value)
            )
        self._wake()

    async def flush(self) -> None:
        """Write what has come together. A failure is logged: what is told must not break what it tells of."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, defaultdict(list)
        sums, self._sums = self._sums, {}
        now = self._clock()
        try:
            await asyncio.to_thread(self._write, lines, [replace(sample, timestamp=now) for sample in sums.values()])
        except Exception:
            log.exception("lines and metrics of asynchronous requests were lost")

    def _write(self, lines: dict[tuple[str, str], list[LogEvent]], sums: list[Sample]) -> None:
        self._metrics.put(sums)
        for (group, stream), events in lines.items():
            self._logs.append(group, stream, events)

    async def close(self) -> None:
        """Flush, and wait for what is being written."""
        await self.flush()
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._due)

    def _due(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self.flush())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

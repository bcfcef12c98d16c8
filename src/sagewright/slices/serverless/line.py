"""The line to a task on demand (``agent.pool`` has the other end): JSON, one object a line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any

from ...gateway.dial import streams

log = logging.getLogger(__name__)

RETRY, LONGEST_RETRY = 0.05, 2.0
"""Seconds until a line that broke is tried again."""


class Line:
    """Kept open until ``close``. ``hear`` gets each message; the first of every connection is ``hello``."""

    def __init__(self, path: str, hear: Callable[[dict[str, Any]], None]) -> None:
        self.path, self._hear = path, hear
        self._writer: asyncio.StreamWriter | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="serverless line")
        self._task.add_done_callback(_ended)

    @property
    def open(self) -> bool:
        """Whether what is told now is heard."""
        return self._writer is not None

    def tell(self, **message: Any) -> None:
        """Say something, if somebody is there."""
        if self._writer is not None:
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def _run(self) -> None:
        delay = RETRY
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await streams(self.path)
                try:
                    while line := await reader.readline():
                        self._writer, delay = writer, RETRY
                        self._hear(json.loads(line))
                finally:
                    self._writer = None
                    writer.close()
            await asyncio.sleep(delay)  # it has gone: the endpoint hears so from its task, or it comes back
            delay = min(delay * 2, LONGEST_RETRY)

    def close(self) -> None:
        self._task.cancel()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the line to a serverless task broke for good", exc_info=error)

"""The gateway process's way to servers that speak HTTP only: containers of others, and instances with many models."""

from __future__ import annotations

import asyncio

from ..wire.errors import ServiceError
from . import multimodel
from .answer import Broken, Done
from .client import Worker
from .pipeline import BUSY, TARGET, worker_at

NAMES = {
    name.lower(): name
    for name in ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id", TARGET, multimodel.HEADER)
}
"""Headers as the server writes them, so that a container sees no difference."""


class Calls:
    """Takes requests as ``frames.Frames`` does; each has a connection for itself while it lasts.

    Args:
        path: the worker's address.
        seconds: that it has to answer.
    """

    usable = True
    strained = False
    """How many requests a container works on at a time is unknown, so they are only counted."""

    def __init__(self, path: str, seconds: float) -> None:
        self._worker: Worker = worker_at(path)
        self._seconds = seconds
        self._tasks: set[asyncio.Task[None]] = set()

    def room(self, seconds: float) -> bool:
        return len(self._tasks) < BUSY

    def submit(self, head: bytes, body: bytes, done: Done) -> None:
        """As Frames has it; ``done`` may also get what an instance says itself, a ServiceError."""
        first, *lines = head.decode("latin-1").split("\n")
        method, _, path = first.partition(" ")
        headers = {NAMES.get(name, name): value for name, _, value in (line.partition(":") for line in lines)}
        task = asyncio.get_running_loop().create_task(self._call(method, path, headers, body, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, method: str, path: str, headers: dict[str, str], body: bytes, done: Done) -> None:
        try:
            done(await self._worker.request(method, path, headers, body, seconds=self._seconds))
        except (Broken, TimeoutError, ServiceError) as error:
            done(error)

    def expire(self, seconds: float) -> None:
        """Each request knows its own time."""

    def close(self) -> None:
        self._worker.close()

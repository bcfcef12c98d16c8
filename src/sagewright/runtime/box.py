"""What a long instruction has not yet heard of: letters from the reconciler, and a way to wait for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from ..stores.records import Record
from .lifecycle import Event


class Box:
    """Belongs to one event loop. In memory only: whoever reads it can find everything in the records as well."""

    def __init__(self) -> None:
        self.letters: deque[tuple[Record, Event]] = deque()
        self._full = asyncio.Event()

    def put(self, record: Record, event: Event) -> None:
        self.letters.append((record, event))
        self._full.set()

    def nudge(self) -> None:
        self._full.set()

    async def wait(self, seconds: float) -> None:
        """Until there is a letter or a nudge, or the seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._full.wait()
        self._full.clear()

"""What a long instruction has not yet heard of: letters from the reconciler, and a way to wait for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator

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


class Boxes:
    """The boxes of everything that is driven here, by ARN."""

    def __init__(self) -> None:
        self._open: dict[str, Box] = {}

    @contextlib.contextmanager
    def opened(self, arn: str) -> Iterator[Box]:
        """A box that gets every letter from now on; the next one of its ARN may be opened before this one is closed."""
        box = self._open[arn] = Box()
        try:
            yield box
        finally:
            if self._open.get(arn) is box:
                del self._open[arn]

    def put(self, arn: str, record: Record, event: Event) -> None:
        """A letter for whoever drives that; nobody may."""
        if box := self._open.get(arn):
            box.put(record, event)

    def put_all(self, record: Record, event: Event) -> None:
        for box in self._open.values():
            box.put(record, event)

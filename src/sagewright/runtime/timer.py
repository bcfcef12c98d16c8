"""One call at the earliest moment that anybody has asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timer:
    """Not thread-safe: belongs to the event loop that runs when it is set."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._handle: asyncio.Handle | None = None
        self._due = 0.0
        """What the handle waits for. It cannot be asked: uvloop's handles of moments that have passed do not know."""

    def by(self, due: float) -> None:
        """Call at ``due`` on the loop's clock, or earlier where that was asked for before."""
        if self._handle is not None:
            if self._due <= due:
                return
            self._handle.cancel()
        self._due = due
        self._handle = asyncio.get_running_loop().call_at(due, self._ring)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        self._call()

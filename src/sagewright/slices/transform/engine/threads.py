"""Blocking work beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def aside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run in a thread. A cancelled caller waits for its end first: what a thread does cannot be taken back."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


async def iterate(items: Iterator[T]) -> AsyncIterator[T]:
    """A blocking iterator's items, each fetched in a thread."""
    end: Any = object()
    while (item := await aside(next, items, end)) is not end:
        yield item

"""Timers ring once, at the earliest moment asked for, on both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from sagewright.runtime.timer import Timer

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


@LOOPS
def test_the_earliest_counts(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def story() -> tuple[list[str], int]:
        rang: list[str] = []
        rung = asyncio.Event()
        timer = Timer(lambda: (rang.append("one"), rung.set()))
        now = asyncio.get_running_loop().time()
        timer.by(now + 3600.0)
        timer.by(now - 1.0)  # has passed
        timer.by(now + 7200.0)
        await rung.wait()
        rung.clear()
        timer.by(now)
        timer.by(now)
        await rung.wait()
        return rang, len(rang)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(story()) == (["one", "one"], 2)


@LOOPS
def test_cancelled_it_is_silent_until_set_again(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def story() -> list[int]:
        rang: list[int] = []
        rung = asyncio.Event()
        timer = Timer(lambda: (rang.append(1), rung.set()))
        timer.by(0.0)
        timer.cancel()
        timer.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        before = len(rang)
        timer.by(0.0)
        await rung.wait()
        return [before, len(rang)]

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(story()) == [0, 1]

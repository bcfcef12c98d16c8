"""Requests to one instance of a job: how many at once, how often, for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

from ....gateway.answer import Answer, Broken
from ....gateway.client import Stream, Worker
from .plan import Plan

FIRST_PAUSE = 0.2
"""Seconds before the first retry of a request; doubled each time."""
SHOWN = 200
"""Characters of a model's error that a reason carries."""

Open = Callable[[], Awaitable[bytes | AsyncIterable[bytes]]]
"""A request's body from its beginning; called for every try."""


class Unfit(Exception):
    """What gets no answer, or an object that gets no result; the message says why."""


class Instance:
    """One instance that serves the job's model.

    Args:
        workers: its processes.
        say: writes a line to its data log.

    ``slots`` are the requests under way; ``window`` are those begun whose answers are not yet in a result. The window is wider,
    so that an answer that waits for an earlier one keeps no worker idle; it bounds what is held in memory.
    """

    def __init__(self, workers: list[Worker], plan: Plan, say: Callable[[str], None]) -> None:
        self.workers, self.plan, self.say = workers, plan, say
        self.files = asyncio.Semaphore(plan.concurrent)
        self.window = asyncio.Semaphore(plan.concurrent * 2)
        self._slots = asyncio.Semaphore(plan.concurrent)

    async def ask(self, body: bytes) -> bytes:
        """The model's answer to one request. Raises Unfit when every try failed."""
        pause = FIRST_PAUSE
        async with self._slots:
            for left in range(self.plan.retries, -1, -1):
                try:
                    answer = await self._worker().request("POST", "/invocations", self.plan.headers, body, seconds=self.plan.seconds)
                    if 200 <= answer.status < 300:
                        return answer.body
                    reason, again = _bad(answer), _worth(answer.status)
                except (Broken, TimeoutError) as error:
                    reason, again = _gone(error, self.plan.seconds), True
                if not left or not again:
                    raise Unfit(reason)
                await asyncio.sleep(pause)
                pause *= 2
        raise AssertionError("the last try returns or raises")

    async def stream(self, body: Open, store: Callable[[AsyncIterator[bytes]], Awaitable[None]]) -> None:
        """Send one body of any size and store its answer as it comes, all anew at every try. Raises Unfit."""
        pause, seconds = FIRST_PAUSE, self.plan.seconds
        async with self._slots:
            for left in range(self.plan.retries, -1, -1):
                chunks: Stream | None = None
                try:
                    answer, chunks = await self._worker().stream(
                        "POST", "/invocations", self.plan.headers, await body(), seconds=seconds, total=seconds
                    )
                    if 200 <= answer.status < 300:
                        await store(chunks)
                        return
                    answer.body = b"".join([chunk async for chunk in chunks])
                    reason, again = _bad(answer), _worth(answer.status)
                except (Broken, TimeoutError) as error:
                    reason, again = _gone(error, seconds), True
                finally:
                    if chunks is not None:
                        await chunks.aclose()
                if not left or not again:
                    raise Unfit(reason)
                await asyncio.sleep(pause)
                pause *= 2

    def _worker(self) -> Worker:
        return min(self.workers, key=lambda worker: worker.outstanding)


def _worth(status: int) -> bool:
    """Another try may end better."""
    return status >= 500 or status in (408, 429)


def _bad(answer: Answer) -> str:
    text = answer.body.decode("utf-8", "replace").strip()[:SHOWN]
    whose = f" (container {answer.container})" if answer.container else ""
    return f"Bad HTTP status received from algorithm: {answer.status}{whose}" + (f": {text}" if text else "")


def _gone(error: Exception, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"Model server{_whose(error)} did not respond to /invocations request within {seconds:g} seconds"
    return f"Unable to evaluate{_whose(error)}: {error}"


def _whose(error: Exception) -> str:
    container: str = getattr(error, "container", "")
    return f" of container {container}" if container else ""

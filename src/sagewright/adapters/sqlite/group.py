"""Group commit: commits that arrive while the disk is busy share the next fsync."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from ...stores.records import Change
from .engine import Engine

_Job = tuple[tuple[Change, ...], asyncio.AbstractEventLoop, "asyncio.Future[None]"]
MOST = 512
"""Commits in one transaction."""


class GroupCommit:
    """One writer thread; each commit is atomic by itself, the fsync is shared."""

    def __init__(self, opener: Callable[[], Engine], wrote: Callable[[int], None]) -> None:
        self._opener, self._wrote = opener, wrote
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="records-writer", daemon=True)
        self._thread.start()

    async def commit(self, changes: tuple[Change, ...]) -> None:
        """Returns when the changes are on disk. Raises Conflict."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put((changes, loop, done))
        await done

    def close(self) -> None:
        """After what is queued."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        engine = self._opener()
        open_ = True
        while open_:
            jobs: list[_Job] = []
            job = self._queue.get()
            try:
                while job is not None:
                    jobs.append(job)
                    if len(jobs) == MOST:
                        break
                    job = self._queue.get_nowait()
            except queue.Empty:
                pass
            open_ = job is not None
            if jobs:
                self._write(engine, jobs)
        engine.connection.close()

    def _write(self, engine: Engine, jobs: list[_Job]) -> None:
        outcomes: list[BaseException | None] = []
        size = 0
        execute = engine.connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            for changes, _, _ in jobs:
                execute("SAVEPOINT one")
                try:
                    size += engine.apply(changes)
                    outcomes.append(None)
                except Exception as error:
                    execute("ROLLBACK TO one")
                    outcomes.append(error)
                execute("RELEASE one")
            execute("COMMIT")
        except Exception as error:  # nothing of the transaction holds
            if engine.connection.in_transaction:
                execute("ROLLBACK")
            outcomes = [error] * len(jobs)
        self._wrote(size)
        for (_, loop, done), outcome in zip(jobs, outcomes, strict=True):
            _tell(loop, done, outcome)


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any], outcome: BaseException | None) -> None:
    def tell() -> None:
        if not done.done():
            if outcome is None:
                done.set_result(None)
            else:
                done.set_exception(outcome)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more

"""Requests to a model's worker over its Unix socket: connections that are kept, or one that carries many requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, Protocol

from .answer import Answer, Broken, Done
from .connection import Connection, head
from .dial import dial


class Carrier(Protocol):
    """A connection that carries many requests (``frames.Frames``)."""

    @property
    def usable(self) -> bool: ...

    @property
    def strained(self) -> bool: ...

    def room(self, seconds: float) -> bool: ...

    def submit(self, head: bytes, body: bytes, done: Done) -> None: ...

    def expire(self, seconds: float) -> None: ...

    def close(self) -> None: ...


class Worker:
    """One worker process: its connections and how many requests it has at the moment."""

    def __init__(self, path: str, limit: int = 64) -> None:
        self.path = path
        self.outstanding = 0
        """Requests sent or waiting for a connection."""
        self.frames: Carrier | None = None
        """A connection that carries many requests; only the gateway process opens one."""
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(limit)
        self._quiet: set[asyncio.Future[None]] = set()

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | AsyncIterable[bytes] = b"", *, seconds: float
    ) -> Answer:
        """Send a request and take in the whole answer.

        Raises:
            TimeoutError: no whole answer within ``seconds``.
            Broken: see there.
            ValueError: a header that cannot be sent.
        """
        request = head(method, path, headers, len(body) if isinstance(body, bytes) else None)
        self.outstanding += 1
        try:
            async with asyncio.timeout(seconds), self._slots:
                stale: Broken | None = None
                while True:
                    connection, used = await self._connect(stale)
                    try:
                        await connection.send(request, body)
                        answer = await connection.whole()
                    except BaseException as error:
                        connection.close()
                        # a worker may close an idle connection just as the next request is on its way
                        if used and isinstance(error, Broken) and not connection.touched and isinstance(body, bytes):
                            stale = error
                            continue
                        raise
                    self._release(connection)
                    return answer
        finally:
            self._left()

    async def stream(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | AsyncIterable[bytes], *, seconds: float, total: float
    ) -> tuple[Answer, Stream]:
        """Status and headers within ``seconds``, then the body as it comes, ``total`` seconds at most.

        The iterator must be run to its end or closed; it raises TimeoutError or Broken.
        """
        request = head(method, path, headers, len(body) if isinstance(body, bytes) else None)
        self.outstanding += 1
        connection: Connection | None = None
        held = False
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
                held = True
                lost: Broken | None = None
                while True:
                    connection, used = await self._connect(lost)
                    try:
                        await connection.send(request, body, streamed=True)
                        answer = await connection.started()
                        break
                    except Broken as error:
                        if not used or connection.touched or not isinstance(body, bytes):
                            raise
                        connection.close()
                        lost = error
        except BaseException:
            if connection is not None:
                connection.close()
            if held:
                self._slots.release()
            self._left()
            raise
        return answer, Stream(self, connection, total)

    @property
    def parts(self) -> list[Worker]:
        """The processes themselves."""
        return [self]

    @property
    def usable(self) -> bool:
        """Whether the gateway process has its connection of many requests."""
        return self.frames is not None and self.frames.usable

    async def quiet(self, seconds: float) -> bool:
        """Wait until nothing is outstanding; False when the seconds pass first."""
        if not self.outstanding:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._quiet.add(future)
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._quiet.discard(future)
        return True

    def enter(self) -> None:
        """A request is under way that goes another way than ``request`` and ``stream``."""
        self.outstanding += 1

    def leave(self) -> None:
        """It has ended."""
        self._left()

    def close(self) -> None:
        """Drop the idle connections; those in use end by themselves."""
        if self.frames is not None:
            self.frames.close()
        while self._idle:
            self._idle.pop().close()

    async def _connect(self, before: Broken | None = None) -> tuple[Connection, bool]:
        """A connection, and whether it has carried a request before. ``before``: how an earlier try on one of those ended.

        When the worker is not there any more after that, the request may have been what ended it: it is not untouched.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection, True
        try:
            fresh = await dial(Connection, self.path)
        except OSError as error:
            if before is not None:
                raise before from None
            raise Broken(f"the container does not accept connections: {error}", untouched=True) from None
        return fresh, False

    def _release(self, connection: Connection) -> None:
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()

    def _left(self) -> None:
        self.outstanding -= 1
        if not self.outstanding:
            for future in self._quiet:
                if not future.done():
                    future.set_result(None)


class Stream(AsyncIterator[bytes]):
    """A body on its way; gives its connection back at the end, however that comes about."""

    def __init__(self, worker: Worker, connection: Connection, total: float) -> None:
        self._worker, self._connection = worker, connection
        self._chunks: Any = connection.chunks()
        self._end = asyncio.get_running_loop().time() + total
        self._open = True

    async def __anext__(self) -> bytes:
        if not self._open:
            raise StopAsyncIteration
        try:
            async with asyncio.timeout_at(self._end):
                return await self._chunks.__anext__()  # type: ignore[no-any-return]
        except BaseException:
            self._finish()
            raise

    async def aclose(self) -> None:
        self._finish()

    def __del__(self) -> None:
        self._finish()

    def _finish(self) -> None:
        if self._open:
            self._open = False
            self._worker._release(self._connection)
            self._worker._slots.release()
            self._worker._left()

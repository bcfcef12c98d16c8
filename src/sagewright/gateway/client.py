"""HTTP/1.1 to a model's worker over its Unix socket: keep-alive, one request at a time on a connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, cast

import httptools

from .dial import dial

HIGH = 2**20
"""Bytes of a streamed answer that may wait for their reader; then the worker is held back."""
LARGEST = 2**30
"""Bytes; the most that an answer taken in whole may hold."""
JOIN = 2**16
"""Bodies up to this many bytes go out in one write with their head."""


class Broken(Exception):
    """No whole answer came: the worker is gone, closed the connection, or does not speak HTTP.

    ``untouched`` is True when it cannot have seen the request, so that another worker may get it. ``container`` and ``steps``
    are as an Answer's.
    """

    container = ""
    steps: tuple[Step, ...] = ()

    def __init__(self, message: str, *, untouched: bool = False, status: int = 0) -> None:
        super().__init__(message)
        self.untouched = untouched
        self.status = status
        """Of an answer whose head came, and whose body did not come to its end; 0 otherwise."""


class Step(NamedTuple):
    """What one of an instance's containers had to do with a request."""

    container: str
    status: int
    """0: no answer came."""
    waited: float
    """Seconds since the container before it had answered, or the instance had the request."""
    took: float


@dataclass(slots=True)
class Answer:
    """A worker's response."""

    status: int
    headers: dict[str, str]
    """Lower-cased names."""
    body: bytes = b""
    cut: bool = field(default=False, kw_only=True)
    """The body broke off."""
    container: str = ""
    """Who gave it, where an instance has several containers."""
    steps: tuple[Step, ...] = ()
    """The containers that the request came to, in that order, where there are several."""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


Done = Callable[[Answer | Exception], None]


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


def head(method: str, path: str, headers: Mapping[str, str], length: int | None) -> bytes:
    """The head of a request; ``length`` None announces a chunked body.

    Raises:
        ValueError: a header would break out of its line.
    """
    lines = [f"{method} {path} HTTP/1.1", "Host: model"]
    for name, value in headers.items():
        if "\r" in value or "\n" in value or "\0" in value:
            raise ValueError(f"{name} holds a line break")
        lines.append(f"{name}: {value}")
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Connection(asyncio.Protocol):
    """One connection to a worker."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._received = False
        self._headed = self._done = self._kept = False
        self._failure: Broken | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._await_all = False
        self._reading = True

    @property
    def usable(self) -> bool:
        """Whether the connection can take another request."""
        return not self._lost and self._transport is not None and not self._transport.is_closing()

    @property
    def touched(self) -> bool:
        """Whether any byte of an answer has come."""
        return self._received

    # -- a request

    async def send(self, request: bytes, body: bytes | AsyncIterable[bytes], *, streamed: bool = False) -> None:
        """Write a request whose ``head`` is given. ``streamed``: its answer is read by ``started`` and ``chunks``."""
        self._begin()
        self._await_all = not streamed
        assert self._transport is not None
        if isinstance(body, bytes):
            if len(body) <= JOIN:
                self._transport.write(request + body)
            else:
                self._transport.write(request)
                self._transport.write(body)
            return
        self._transport.write(request)
        async for chunk in body:
            if chunk:
                self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                await self._drain()
            if self._headed or not self.usable:
                return  # it answered before it had everything: what is left would never be read
        self._transport.write(b"0\r\n\r\n")

    async def whole(self) -> Answer:
        """The whole answer. Raises Broken."""
        while not self._done:
            await self._wait()
        return Answer(self.status, self.headers, b"".join(self._chunks))

    async def started(self) -> Answer:
        """Status and headers; ``chunks`` gives the body. Raises Broken."""
        while not self._headed:
            await self._wait()
        return Answer(self.status, self.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Broken when it ends too early."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._held -= len(chunk)
                if not self._reading and self._held < HIGH // 2 and self._transport is not None:
                    self._reading = True
                    self._transport.resume_reading()
                yield chunk
            if self._done:
                return
            await self._wait()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def reusable(self) -> bool:
        """The answer is complete and the worker keeps the connection."""
        return self._done and self._kept and self.usable

    async def _wait(self) -> None:
        if self._failure:
            raise self._failure
        if self._lost:
            raise Broken("the connection to the container was closed")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _drain(self) -> None:
        if self._paused and not self._lost:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, message: str) -> None:
        if not self._done and self._failure is None:
            self._failure = Broken(message, status=self.status if self._headed else 0)
        self._wake()

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are not of asyncio's class

    def data_received(self, data: bytes) -> None:
        self._received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the container's answer is not HTTP: {error}")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self._headed and not self._done:
            framed = "content-length" in self.headers or "transfer-encoding" in self.headers
            if framed or error is not None:
                self._fail("the container closed the connection in the middle of its answer")
            else:
                self._done = True
        elif not self._done:
            self._fail("the container closed the connection without an answer")
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # -- the parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self._headed = True
        if not self._await_all:
            self._wake()

    def on_body(self, data: bytes) -> None:
        self._chunks.append(data)
        self._held += len(data)
        if self._await_all:
            if self._held > LARGEST:
                self._fail(f"the container's answer holds more than {LARGEST} bytes")
                self.close()
            return
        if self._held > HIGH and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if self.status < 200:  # 100 Continue and its like come before the answer
            self.headers = {}
            return
        self._done = True
        self._kept = self._parser.should_keep_alive()
        self._wake()


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

"""HTTP/1.1 on one connection to a worker: one request at a time, its answer whole or as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import cast

import httptools

from .answer import Answer, Broken

HIGH = 2**20
"""Bytes of a streamed answer that may wait for their reader; then the worker is held back."""
LARGEST = 2**30
"""Bytes; the most that an answer taken in whole may hold."""
JOIN = 2**16
"""Bodies up to this many bytes go out in one write with their head."""


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

"""The client's side of the gateway: plain invocations over HTTP, answered here; every other request goes back to the server.

A request is plain when it is a signed ``POST /endpoints/<name>/invocations`` with a Content-Length and none of the headers
that ask for more. Whatever is wrong with a request, the server says it: here nothing is refused but overload.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast

import httptools
import orjson

from ..wire.errors import ServiceError
from ..wire.http import Request
from .answer import Answer
from .multimodel import HEADER
from .pipeline import TARGET

MODEL = HEADER.lower()
_RANDOM = random.Random()
LONGEST_HEAD = 64 << 10
AHEAD = 1 << 20
"""Bytes that a client may send beyond the request that is being answered, before it is made to wait."""
KEEP_ALIVE = 75.0
"""Seconds that a client may keep its connection without sending anything that is waited for."""
SWEEP = 5.0
_PATH = re.compile(r"/endpoints/([a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62})/invocations")
_MORE = {
    "expect", "origin", "transfer-encoding", "upgrade", "content-encoding", "content-md5",
    "x-amzn-sagemaker-enable-explanations",
    "x-amzn-sagemaker-session-id",
}
"""Headers that make a request more than plain."""
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_UNMODELLED = {"ThrottlingException"}
"""Codes that the runtime's model does not know."""
_SIMPLE = re.compile(r"[\x20-\x7e]{0,1024}")
FORWARDED = (
    ("content-type", "content-type"), ("accept", "accept"),
    ("x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-custom-attributes"),
    ("x-amzn-sagemaker-inference-id", "x-amzn-sagemaker-inference-id"), (TARGET.lower(), TARGET.lower()),
    (MODEL, MODEL),
)


class Plain:
    """One plain invocation, on its way. ``began`` is of time.perf_counter."""

    __slots__ = ("began", "body", "client", "front", "headers", "name", "request", "tried")

    def __init__(self, front: Front, name: str, request: Request, body: bytes) -> None:
        self.front, self.name, self.request, self.body = front, name, request, body
        self.began = time.perf_counter()
        self.tried = 0


class Fronts(set["Front"]):
    """Every client's connection to a process."""

    def __init__(self) -> None:
        super().__init__()
        self._empty = asyncio.Event()

    def discard(self, front: object, /) -> None:
        super().discard(front)
        if not self:
            self._empty.set()

    def sweep(self) -> None:
        """Close those that have been idle for too long, now and from now on."""
        oldest = time.monotonic() - KEEP_ALIVE
        for front in [f for f in self if f.idle_since is not None and f.idle_since < oldest]:
            if front.transport.get_write_buffer_size():
                front.transport.abort()  # it does not take its answers
            else:
                front.transport.close()
        asyncio.get_running_loop().call_later(SWEEP, self.sweep)

    async def end(self, seconds: float) -> None:
        """Close each when what is under way on it has been answered, ``seconds`` later at the latest."""
        self._empty.clear()
        for front in list(self):
            front.shutdown()
        if self:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)


class Front(asyncio.Protocol):
    """One client's connection.

    Args:
        handle: gets each plain invocation and answers it by ``answer`` or ``give_back``.
        give_back: gets the connection and all that was read and not answered, when the rest is the server's; and whether requests
            to come could be answered here.
        largest: bytes that a request's body may have; the server refuses more, which is not read here.
    """

    transport: asyncio.Transport

    def __init__(
        self, handle: Callable[[Plain], None], give_back: Callable[[socket.socket, bytes, bool], None], everybody: Fronts, largest: int
    ) -> None:
        self._handle, self._give_back, self._everybody, self._largest = handle, give_back, everybody, largest
        self._buffer = bytearray()
        """What has come and is no part of a whole request yet."""
        self._length = 0
        """Bytes of the request that is coming in or being answered; 0 while its head is not complete."""
        self._head = 0
        """Of these, the head's."""
        self._raw = self._body = b""
        """Of the request that is being answered."""
        self._busy = self._stuffed = self.gone = False
        self._keep = True
        self._headers: dict[str, str] = {}
        self._url = b""
        self.idle_since: float | None = time.monotonic()

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer: str = peer[0] if isinstance(peer, tuple) else ""
        self._everybody.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        self._everybody.discard(self)

    def data_received(self, data: bytes) -> None:
        if not (self._busy or self._stuffed or self._buffer):
            self._next(data)
            return
        self._buffer += data
        if self._busy or self._stuffed:
            if len(self._buffer) > AHEAD:
                self.transport.pause_reading()
            return
        self._next(self._buffer)

    def pause_writing(self) -> None:
        self._stuffed = True

    def resume_writing(self) -> None:
        self._stuffed = False
        self._go_on()

    # -- the parser's side

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]},{text}" if key in self._headers else text

    # -- a request

    def _next(self, data: bytes | bytearray) -> None:
        """Go on with what has come, the buffer or what is put there if need be: a head, then its body, then the request."""
        if not self._length:
            end = data.find(b"\r\n\r\n")
            if end < 0 and len(data) <= LONGEST_HEAD:
                self._keep_from(data, 0)
                return
            if end < 0 or not self._read_head(bytes(data[: end + 4])):
                self._keep_from(data, 0)
                self.give_back()
                return
        if len(data) < self._length:
            self._keep_from(data, 0)
            self.idle_since = time.monotonic()  # a large body takes its time
            return
        with memoryview(data) as view:  # a body is copied once
            self._raw, self._body = bytes(view[: self._head]), bytes(view[self._head : self._length])
        self._keep_from(data, self._length)
        self._busy, self.idle_since = True, None
        self._handle(Plain(self, self._name, self._request, self._body))

    def _keep_from(self, data: bytes | bytearray, at: int) -> None:
        if data is self._buffer:
            del self._buffer[:at]
        elif at < len(data):
            self._buffer += data[at:]

    def _read_head(self, head: bytes) -> bool:
        """Parse the head; whether it is that of a plain invocation."""
        self._headers, self._url = {}, b""
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        headers = self._headers
        length = headers.get("content-length", "")
        found = _PATH.fullmatch(self._url.decode("latin-1"))
        if (
            found is None or parser.get_method() != b"POST" or not length.isascii() or not length.isdigit()
            or len(length) > 18 or int(length) > self._largest
            or not headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ") or not _MORE.isdisjoint(headers)
        ):
            return False
        for name, _ in FORWARDED:
            if name in headers and not _SIMPLE.fullmatch(headers[name]):
                return False
        if len(headers.get("x-amzn-sagemaker-inference-id", "x")) not in range(1, 65) or not headers.get(MODEL, "x"):
            return False
        self._keep = parser.should_keep_alive()
        self._name = found[1]
        self._request = Request("POST", self._url.decode("latin-1"), "", headers, "http", self.peer)
        self._head = len(head)
        self._length = self._head + int(length)
        return True

    def give_back(self, *, later: bool = False) -> None:
        """The server takes the connection over, from the request that was coming in on. ``later``: for this request only."""
        if self.gone:
            return
        if self.transport.get_write_buffer_size():  # a client that asks on and takes no answers: it is to get those that are owed
            self.idle_since = time.monotonic()
            self.transport.close()
            return
        connection = cast(socket.socket, self.transport.get_extra_info("socket")).dup()
        self.transport.pause_reading()
        read, self._buffer = b"".join((self._raw, self._body, self._buffer)), bytearray()
        self._everybody.discard(self)
        self.gone = True
        self._give_back(connection, read, later)
        self.transport.abort()

    def answer(self, payload: bytes) -> None:
        """Send a whole response, and go on with what has come meanwhile."""
        if self.gone:
            return
        self.transport.write(payload)
        self._raw = self._body = b""
        self._length, self._busy, self.idle_since = 0, False, time.monotonic()
        if not self._keep:
            self.transport.close()
        elif self._buffer:
            asyncio.get_running_loop().call_soon(self._go_on)  # who sends ahead has any number of requests here

    def _go_on(self) -> None:
        """With what has come meanwhile, unless the client has to take its answers first."""
        if self._buffer and not (self._busy or self._stuffed or self.gone or self.transport.is_closing()):
            self.transport.resume_reading()
            self._next(self._buffer)

    def shutdown(self) -> None:
        """Close when what is under way has been answered."""
        self._keep = False
        if not self._busy:
            self.transport.close()

    @property
    def closes(self) -> bool:
        return not self._keep


def request_head(headers: Mapping[str, str]) -> bytes:
    """The head of a frame that carries the request to a model server."""
    lines = ["POST /invocations"]
    for name, sent in FORWARDED:
        if name in headers:
            lines.append(f"{sent}:{headers[name]}")
    return "\n".join(lines).encode("latin-1")


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def new_id() -> str:
    """A request id: 128 bits, a UUID to look at."""
    text = f"{_RANDOM.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def success(answer: Answer, variant: str) -> bytes:
    """The response for an answer of 200 to 299."""
    request_id = new_id()
    lines = [
        f"HTTP/1.1 200 OK\r\ncontent-length: {len(answer.body)}\r\ndate: {_date(int(time.time()))}"
        f"\r\nx-amzn-invoked-production-variant: {variant}"
        f"\r\nx-amzn-requestid: {request_id}\r\nx-amz-request-id: {request_id}\r\nx-amz-id-2: {request_id}"
    ]
    returned = ("content-type", "x-amzn-sagemaker-custom-attributes")
    lines += [f"\r\n{name}: {answer.headers[name]}" for name in returned if name in answer.headers]
    return f"{''.join(lines)}\r\n\r\n".encode("latin-1") + answer.body


def failure(error: ServiceError) -> bytes:
    """The response for an error, as the rest-json protocol has it: the same bytes as the server's."""
    request_id = new_id()
    body = orjson.dumps({**error.members, "message" if error.code in _UNMODELLED else "Message": error.message})
    return (
        f"HTTP/1.1 {error.status} {_PHRASES.get(error.status, '')}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\ndate: {_date(int(time.time()))}\r\nx-amzn-errortype: {error.code}\r\nx-amzn-requestid: {request_id}\r\n"
        f"x-amz-request-id: {request_id}\r\nx-amz-id-2: {request_id}\r\n\r\n"
    ).encode("latin-1") + body

"""One request and its answer, as the ASGI app meets them."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from .direct import LARGE, Direct

if TYPE_CHECKING:
    from .connection import Connection
    from .tunnel import Tunnel

log = logging.getLogger("sagewright.http")

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

JOINED = 64 << 10
"""Bytes of a body up to which it is copied behind its head, so that both leave at once."""
ZEROCOPY = "http.response.zerocopysend"
PEER = "sagewright.peer"
"""ASGI extension: the exchange itself, whose ``ready``, ``whole`` and ``answer`` spare short requests the messages."""
STATUS = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in http.HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = {204, 304}


def settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Exchange:
    """One request and its answer."""

    def __init__(self, connection: Connection, scope: dict[str, Any], expects: bool, keep_alive: bool, length: int = 0) -> None:
        self._connection, self._scope, self._expects, self._length = connection, scope, expects, length
        self.keep_alive = keep_alive
        self._pieces: list[bytes] = []
        self._parsed, self._taken = 0, False
        self.unread = 0
        self.complete = False
        """The whole request has come."""
        self._arrived: asyncio.Future[None] | None = None
        self._gone = False
        self.started = self.finished = False
        self._head: bytes | None = None
        self._chunked = False
        self._left: int | None = None
        self.task: asyncio.Task[None] | None = None
        self.tunnel: Tunnel | None = None
        """What follows the request, when it asks for another protocol."""

    # -- the protocol's side

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._parsed += len(data)
        self.unread += len(data)
        self._wake()

    def end(self) -> None:
        self.complete = True
        self._wake()

    def disconnect(self) -> None:
        self._gone = True
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None:
            settle(self._arrived)

    async def run(self, app: Asgi) -> None:
        self._scope["extensions"][PEER] = self
        try:
            await app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._connection.transport.abort()
            raise
        except Exception:
            log.exception("the application failed")
            self._give_up()
        else:
            if not self.finished and not self._gone:
                log.error("the application returned without a whole answer")
                self._give_up()
        finally:
            self._connection.ran(self)

    def _give_up(self) -> None:
        """Half an answer ends with its connection; none becomes a 500."""
        if self._gone or self.finished:
            return
        if self.started and self._head is None:
            self._connection.transport.abort()
            return
        self.keep_alive = False
        self._connection.transport.write(STATUS[500] + self._connection.date() + b"connection: close\r\ncontent-length: 0\r\n\r\n")
        self._finish()

    # -- the application's side

    def ready(self) -> bool:
        """Whether ``receive`` has something to hand out without waiting for the peer."""
        return bool(self._pieces) or (self.complete and self.unread >= 0) or self._gone or self.finished

    def whole(self) -> bytes | None:
        """The request's body, if all of it is here and none was handed out; then it counts as handed out."""
        if not self.complete or self.started or self._gone or self.finished or self.unread < 0 or self._taken:
            return None
        pieces, self._pieces = self._pieces, []
        self.unread = -1
        self._connection.resume_reading(self)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def answer(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bool:
        """Send a whole answer at once: headers in lower case without content-length, then the body.

        Returns False, and nothing is sent, where that has to go by ``send``: after a start, for an answer that may have no
        body or has a long one, to a peer that takes nothing at the moment, with a header that does not fit into its line.
        """
        connection = self._connection
        if self.started or connection.write_paused or status in _BODILESS or self._scope["method"] == "HEAD" or len(body) > JOINED:
            return False
        if self._gone:
            return True
        lines = [f"{name}: {value}\r\n" for name, value in headers]
        text = "".join(lines)
        if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
            return False
        try:
            head = text.encode("latin-1")
        except UnicodeEncodeError:
            return False
        close = b"" if self.keep_alive else b"connection: close\r\n"
        self.started = True
        connection.transport.write(b"".join((
            STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status, connection.date(), head, close,
            b"content-length: %d\r\n\r\n" % len(body), body,
        )))
        self._finish()
        return True

    def switch(self, headers: Iterable[tuple[str, str]]) -> Tunnel | None:
        """Answer 101 with these headers and go on in another protocol, until ``Tunnel.close``.

        None, and nothing is sent, where the request asks for none or its peer has gone. Raises ValueError for a header that
        would end its line.
        """
        tunnel = self.tunnel
        if tunnel is None or self.started or self._gone:
            return None
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        if head.count("\n") != head.count("\r\n") or head.count("\r") != head.count("\n") or "\0" in head:
            raise ValueError("a header of the answer would end its line")
        self.started = True
        self._connection.transport.write(STATUS[101] + self._connection.date() + head.encode("latin-1") + b"\r\n")
        return tunnel

    def left(self) -> None:
        """The other protocol is over, and so is the connection."""
        if not self.finished:
            self._finish()

    def _invite(self) -> None:
        if self._expects and not self.started:
            self._expects = False
            if not self._pieces and not self.complete and not self._gone:
                self._connection.transport.write(_CONTINUE)

    def direct(self) -> Direct | None:
        """The rest of a large body, to be read past the parser; None where that is not possible or nothing is left to come."""
        if self._length < LARGE or self._connection.secure or self.complete or self._gone or self.finished or self._connection.transport.is_closing():
            return None
        self._invite()
        pieces, self._pieces, self.unread = self._pieces, [], 0
        left = self._length - self._parsed + sum(map(len, pieces))
        return Direct(self, self._connection.stop_parsing(), pieces, left)

    def read_past(self) -> None:
        """The whole body has been read past the parser."""
        if self._parsed < self._length:
            self._connection.parse_anew(self)
        self.end()

    async def receive(self) -> dict[str, Any]:
        self._invite()
        while not self._pieces and not self.complete and not self._gone and not self.finished:
            self._connection.resume_reading(self)
            self._arrived = self._connection.loop.create_future()
            try:
                await self._arrived
            finally:
                self._arrived = None
        if self._gone or self.finished:
            return {"type": "http.disconnect"}
        if self.complete and not self._pieces and self.unread < 0:
            return await self._until_gone()
        pieces, self._pieces = self._pieces, []
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._taken = True
        self.unread = -1 if self.complete else 0
        self._connection.resume_reading(self)
        return {"type": "http.request", "body": body, "more_body": not self.complete}

    async def _until_gone(self) -> dict[str, Any]:
        """The whole body has been handed out: the next thing that can happen is the end."""
        while not self._gone and not self.finished:
            self._arrived = self._connection.loop.create_future()
            try:
                await self._arrived
            finally:
                self._arrived = None
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._connection.write_paused:
            await self._connection.drain()
        if self._gone:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.started:
            self._head = self._write_head(message["status"], message.get("headers", ()))
            self.started = True
        elif kind == "http.response.body" and self.started and not self.finished:
            self._write_body(message.get("body", b""), message.get("more_body", False))
        elif kind == ZEROCOPY and self.started and not self.finished:
            await self._send_file(message)
        else:
            raise RuntimeError(f"{kind} does not belong here")

    def _write_head(self, status: int, headers: Any) -> bytes:
        lines = [STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status, self._connection.date()]
        closing = False
        for name, value in headers:
            low = name.lower()
            if low == b"content-length":
                self._left = int(value)
            elif low == b"connection" and b"close" in value.lower():
                self.keep_alive, closing = False, True
            elif low == b"transfer-encoding":
                continue  # framing is decided here
            lines.append(b"%b: %b\r\n" % (low, value))
        bodiless = self._scope["method"] == "HEAD" or status in _BODILESS
        if self._left is None and not bodiless:
            if self._scope["http_version"] == "1.1":
                self._chunked = True
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keep_alive = False
        if not self.keep_alive and not closing:
            lines.append(b"connection: close\r\n")
        if bodiless:
            self._left = 0
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            self._left, self._chunked = None, False
            raise ValueError("a header of the answer would end its line")
        return head + b"\r\n"

    def _write_body(self, body: bytes, more: bool) -> None:
        head, self._head = self._head or b"", None
        if self._scope["method"] == "HEAD":
            body = b""
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                self._connection.transport.abort()
                raise RuntimeError("the body is not as long as content-length says")
        transport = self._connection.transport
        if self._chunked:
            ends = b"" if more else b"0\r\n\r\n"
            pieces = [head, b"%x\r\n" % len(body), body, b"\r\n", ends] if body else [head, ends]
        else:
            pieces = [head, body]
        if len(body) <= JOINED:
            data = b"".join(pieces)
            if data:
                transport.write(data)
        else:
            transport.writelines([piece for piece in pieces if piece])
        if not more:
            self._finish()

    async def _send_file(self, message: MutableMapping[str, Any]) -> None:
        file, offset, count = message["file"], message["offset"], message["count"]
        more = message.get("more_body", False)
        if self._chunked or self._left is None or count > self._left or (count < self._left and not more):
            raise RuntimeError("a file is sent only within its content-length")
        head, self._head = self._head, None
        if head:
            self._connection.transport.write(head)
        try:
            await self._connection.send_file(file if isinstance(file, int) else file.fileno(), offset, count)
        except BaseException:
            self._connection.transport.abort()
            raise
        self._left -= count
        if not more and not self._gone:
            self._finish()

    def _finish(self) -> None:
        self.finished = True
        self._pieces, self.unread = [], 0
        self._wake()
        self._connection.answered(self)


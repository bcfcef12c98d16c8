"""One connection: requests in, answers out, and a limit to every wait."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections import deque
from email.utils import formatdate
from typing import Protocol, cast
from urllib.parse import unquote

import httptools

from .direct import LARGE
from .exchange import STATUS, ZEROCOPY, Asgi, Exchange
from .tunnel import Tunnel

LONGEST_HEAD = 64 << 10
"""Bytes that may come in without completing a head or being part of a body."""
READ_AHEAD = 1 << 20
"""Bytes of a body that wait unread, before the peer is made to wait."""
WRITE_BUFFER = 1 << 20
FILE_PIECE = 4 << 20
STALLED = 300.0
"""Seconds that a peer may take to read what is buffered for it, or to make room for more of a file."""
LINGER = 2.0
"""Seconds that a peer still sending may take to read a final answer."""

_PLAIN = re.compile(rb'/[!"$-~]*')
"""A path and a query, without a fragment."""
_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Beside(Protocol):
    """Another process that serves some of the connections."""

    @property
    def ready(self) -> bool: ...

    def give(self, connection: socket.socket) -> bool: ...


class Shared:
    """What the connections of one listener have in common."""

    def __init__(self, app: Asgi, keep_alive: float, beside: Beside | None = None) -> None:
        self.app, self.keep_alive, self.beside = app, keep_alive, beside
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._date, self._second = b"", 0

    def date(self) -> bytes:
        """The Date header's line."""
        now = int(time.time())
        if now != self._second:
            self._second, self._date = now, b"date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        return self._date

    def sweep(self) -> None:
        """Close connections on which no request has come for too long."""
        oldest = time.monotonic() - self.keep_alive
        for connection in [c for c in self.connections if c.idle_since is not None and c.idle_since < oldest]:
            connection.transport.close()


class Connection(asyncio.Protocol):
    """Carries one exchange at a time; pipelined requests wait while reading is paused.

    Args:
        read: what somebody else has read of it; nothing happens then before ``go_on``.
        lent: it is for the process beside, which could not serve it when it came: it gets it between two requests.
    """

    transport: asyncio.Transport

    def __init__(self, shared: Shared, read: bytes | None = None, *, lent: bool = False) -> None:
        self._shared, self._held, self._lent = shared, read, lent
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)  # None breaks the circle at the end
        self._url, self._expects, self._length = b"", False, 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._receiving: Exchange | None = None
        self._current: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._progress, self._stray = False, 0
        self._deaf = False
        self._tunnel: Tunnel | None = None
        self._read_paused = False
        self._drained: asyncio.Future[None] | None = None
        self.write_paused = False
        self.gone = False
        self.idle_since: float | None = time.monotonic()
        """When the wait for a request began; None while one is being answered."""

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's inherits from nothing
        transport.set_write_buffer_limits(WRITE_BUFFER)
        self._shared.connections.add(self)
        self.loop = asyncio.get_running_loop()
        self.secure = transport.get_extra_info("sslcontext") is not None
        self._server = transport.get_extra_info("sockname")
        self._client = transport.get_extra_info("peername")

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        self._shared.connections.discard(self)
        for exchange in (self._current, self._receiving, *self._waiting):
            if exchange is not None:
                exchange.disconnect()
        if self._tunnel is not None:
            self._tunnel.end()
        self._waiting.clear()
        self.resume_writing()
        self._parser = self._tunnel = None

    def eof_received(self) -> None:
        """The peer sends no more: what it asked for is not wanted any longer. The transport closes itself."""

    def shutdown(self) -> None:
        """Close when what runs has been answered."""
        if self._current is None:
            self.transport.close()
        else:
            self._current.keep_alive = False
            if self._tunnel is not None and self._current.started:
                self._tunnel.end()  # it would go on for as long as both ends like it

    # -- reading

    def go_on(self) -> None:
        """Take what was read of the connection, then what has come since: the transport may read before its maker knows of it."""
        read, self._held = self._held, None
        if read:
            self.data_received(read)

    def data_received(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
            return
        if self._tunnel is not None:
            self._tunnel.feed(data)
            return
        if self._deaf or self._parser is None:
            return
        self._progress = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._hear_no_more()  # an upgrade may be ignored; what follows the request is in no protocol of ours
            if self._receiving is not None and not self._receiving.finished:
                self._tunnel = self._receiving.tunnel = Tunnel(self, self._receiving, data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._malformed(400)
        else:
            self._stray = 0 if self._progress else self._stray + len(data)
            if self._stray > LONGEST_HEAD:
                self._malformed(431)

    def _hear_no_more(self) -> None:
        self._deaf = True
        last = self._receiving or (self._waiting[-1] if self._waiting else self._current)
        if last is not None:
            last.keep_alive = False

    def _malformed(self, status: int) -> None:
        """Refuse what cannot be read, after the answers that are still owed."""
        receiving, owed = self._receiving, self._current
        self._hear_no_more()
        if receiving is not None and not receiving.complete:
            receiving.disconnect()
            if receiving.started or receiving is not owed:
                self.transport.close()
                return
        elif owed is not None:
            return
        reason = STATUS[status].split(b" ", 2)[2].strip()
        self.transport.write(
            STATUS[status] + self._shared.date() + b"content-type: text/plain\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(reason), reason)
        )
        self._linger()

    def on_message_begin(self) -> None:
        self._url, self._headers, self._expects, self._length = b"", [], False, 0
        self._receiving = None

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._receiving is not None:
            return  # trailers of a chunked body: nothing here believes them
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects = True
        elif name == b"content-length" and value.isdigit():
            self._length = int(value)
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._progress = True
        parser = self._parser
        assert parser is not None
        if _PLAIN.fullmatch(self._url):  # as nearly all are
            raw, _, query = self._url.partition(b"?")
        else:
            url = httptools.parse_url(self._url)
            raw, query = url.path or b"/", url.query or b""
        version = parser.get_http_version()
        path = raw.decode("latin-1")
        scope = {
            "type": "http", "asgi": _ASGI, "http_version": version, "method": parser.get_method().decode("latin-1"),
            "scheme": "https" if self.secure else "http", "path": unquote(path) if "%" in path else path,
            "raw_path": raw, "query_string": query, "root_path": "", "headers": self._headers,
            "client": self._client, "server": self._server, "state": {},
            "extensions": {} if self.secure else {ZEROCOPY: {}},
        }
        keep = version == "1.1" and parser.should_keep_alive()
        exchange = self._receiving = Exchange(self, scope, self._expects and version == "1.1", keep, self._length)
        if self._length >= LARGE:
            self._pause_reading()  # until somebody wants the body, and says how
        if self._current is None:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self._pause_reading()

    def on_body(self, data: bytes) -> None:
        self._progress = True
        exchange = self._receiving
        if exchange is None or exchange.finished:
            return
        exchange.feed(data)
        if exchange.unread > READ_AHEAD:
            self._pause_reading()

    def on_message_complete(self) -> None:
        self._progress = True
        if self._receiving is not None:
            self._receiving.end()

    def _pause_reading(self) -> None:
        if not self._read_paused and not self.transport.is_closing():
            self._read_paused = True
            self.transport.pause_reading()

    def resume_reading(self, exchange: Exchange) -> None:
        """``exchange`` wants more of its body."""
        if self._read_paused and not self._waiting and exchange is self._receiving:
            self._let_in()

    def pause_reading(self) -> None:
        self._pause_reading()

    def go_on_reading(self) -> None:
        """The tunnel has room again."""
        self._let_in()

    def stop_parsing(self) -> int:
        """The socket's descriptor, from which the parser gets nothing until ``parse_anew``."""
        self._pause_reading()
        return int(self.transport.get_extra_info("socket").fileno())

    def parse_anew(self, exchange: Exchange) -> None:
        """The body of ``exchange`` has been read past the parser: what comes next is another request."""
        if self._parser is not None and exchange is self._receiving and not self._deaf:
            self._parser = httptools.HttpRequestParser(self)
            self._let_in()

    def _let_in(self) -> None:
        if self._read_paused and not self.transport.is_closing():
            self._read_paused = False
            self.transport.resume_reading()

    # -- exchanges

    def _begin(self, exchange: Exchange) -> None:
        self._current, self.idle_since = exchange, None
        exchange.task = self.loop.create_task(exchange.run(self._shared.app))
        self._shared.tasks.add(exchange.task)

    def ran(self, exchange: Exchange) -> None:
        """The application is done with an exchange. Told by the task itself: a callback would be one more turn of the loop."""
        if exchange.task is not None:
            self._shared.tasks.discard(exchange.task)
            exchange.task = None

    def answered(self, exchange: Exchange) -> None:
        """The answer of the current exchange is out."""
        if self.gone or exchange is not self._current:
            return
        self._current = None
        if not exchange.keep_alive:
            self._deaf, self._tunnel = True, None
            if exchange.complete and not self._waiting:
                self.transport.close()
            else:
                self._linger()
        elif self._waiting:
            self._begin(self._waiting.popleft())
            if not self._waiting:
                self._let_in()
        else:
            self.idle_since = time.monotonic()
            if not (self._lent and self._passed_on(exchange)):
                self._let_in()

    def _passed_on(self, last: Exchange) -> bool:
        """Whether the process beside has the connection now: it is there, and nothing of a next request has been read."""
        beside = self._shared.beside
        if beside is None or not beside.ready or self._receiving is not last or not last.complete or self._deaf:
            return False
        if self.transport.get_write_buffer_size():
            return False
        self._pause_reading()
        connection = cast(socket.socket, self.transport.get_extra_info("socket")).dup()
        if not beside.give(connection):
            connection.close()
            return False
        self._deaf = True
        self.transport.abort()
        return True

    def _linger(self) -> None:
        """End the connection so that a peer still sending can read the answer: closing at once would reset it."""
        self._waiting.clear()
        self._let_in()
        self._current, self.idle_since = None, None
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(LINGER, self.transport.close)
        else:
            self.transport.close()

    # -- writing

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def drain(self) -> None:
        """Wait until the peer has taken enough."""
        while self.write_paused and not self.gone:
            await self._room()

    async def _room(self) -> None:
        """Wait until the peer has taken something; one that takes nothing for too long has gone."""
        self._drained = self.loop.create_future()
        try:
            async with asyncio.timeout(STALLED):
                await self._drained
        except TimeoutError:
            self.transport.abort()
            await asyncio.sleep(0)  # the transport says so in the next turn of the loop

    def date(self) -> bytes:
        return self._shared.date()

    async def send_file(self, file: int, offset: int, count: int) -> None:
        """Bytes of a file, from the page cache to the socket. Raises EOFError when the file is shorter."""
        self.transport.set_write_buffer_limits(0)
        try:
            await self._flushed()
            await self._pass(file, offset, count)
        finally:
            if not self.gone:
                self.transport.set_write_buffer_limits(WRITE_BUFFER)

    async def _flushed(self) -> None:
        while not self.gone and self.transport.get_write_buffer_size():
            await self._room()

    async def _pass(self, file: int, offset: int, count: int) -> None:
        socket = os.dup(self.transport.get_extra_info("socket").fileno())  # the transport watches its own number
        sending: asyncio.Future[int] | None = None
        try:
            while count and not self.gone:
                sending = self.loop.run_in_executor(None, os.sendfile, socket, file, offset, min(count, FILE_PIECE))
                try:
                    sent = await asyncio.shield(sending)  # to cancel it would not stop the thread, only make it look done
                except BlockingIOError:
                    await self._writable(socket)
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    self.transport.abort()
                    return
                if not sent:
                    raise EOFError("the file is shorter than it was")
                offset, count = offset + sent, count - sent
        finally:
            if sending is not None and not sending.done():
                await asyncio.wait([sending])  # the thread still holds both
            os.close(socket)

    async def _writable(self, socket: int) -> None:
        self.loop.add_writer(socket, self.resume_writing)
        try:
            await self._room()
        finally:
            self.loop.remove_writer(socket)

"""The one port: HTTP and HTTPS side by side, told apart by the first byte of a connection.

``http1`` does the HTTP; this accepts connections, looks at the first byte without taking it, and hands plain
connections over as they are and TLS ones (a handshake begins with 0x16) through the TLS context.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .http1 import Connection, Shared

SILENCE = 30.0
"""Seconds a new connection may stay without a first byte."""
KEEP_ALIVE = 75.0
"""Seconds a connection may stay without a whole head of a request."""
SWEEP = 5.0
BACKLOG = 1024
_HANDSHAKE = b"\x16"


class Beside(Protocol):
    """Another process that serves some connections."""

    prefix: bytes
    """How those connections begin."""

    @property
    def ready(self) -> bool:
        """Whether it is there."""
        ...

    def give(self, connection: socket.socket) -> bool:
        """Pass on a connection of which nothing has been read; False: it has to be served here."""
        ...


class Listener:
    """Serves an ASGI app on one socket.

    Args:
        app: the ASGI application.
        tls: makes the TLS context at the first TLS connection; None answers plain HTTP only.
        beside: another process that serves connections which begin with its ``prefix``.
    """

    def __init__(
        self, app: Any, host: str, port: int, tls: Callable[[], ssl.SSLContext] | None = None, beside: Beside | None = None
    ) -> None:
        self._beside, self._peek = beside, 1 if beside is None else len(beside.prefix)
        self._shared = Shared(app, KEEP_ALIVE, beside)
        self._context = None if tls is None else _Once(tls)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open the port; connections that come from now on are answered."""
        self._sweep()
        self._socket.listen(BACKLOG)
        self._accepting = asyncio.create_task(self._accept(), name="accept")

    async def stop(self, grace: float = 5.0) -> None:
        """Accept no more, let running requests end within ``grace`` seconds, then cut them."""
        if self._accepting:
            self._accepting.cancel()
        if self._sweeping:
            self._sweeping.cancel()
        self._socket.close()
        for connection in list(self._shared.connections):
            connection.shutdown()
        tasks = [*self._shared.tasks]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
        for pending in self._tasks:
            pending.cancel()

    def adopt(self, connection: socket.socket, read: bytes, lent: bool = False) -> None:
        """Serve a connection that another process accepted and of which it has ``read`` the beginning. ``lent``: as Connection's."""
        self._spawn(self._adopt(connection, read, lent))

    async def _adopt(self, connection: socket.socket, read: bytes, lent: bool) -> None:
        begun = Connection(self._shared, read, lent=lent)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: begun, connection)
        except OSError:
            connection.close()
        else:
            begun.go_on()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _sweep(self) -> None:
        self._shared.sweep()
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._socket)
            except OSError:
                # out of file descriptors: the backlog holds the caller until some are free
                await asyncio.sleep(0.05)
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._hand_over(connection))

    async def _hand_over(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        context, lent = None, False
        try:
            if self._context is not None or self._beside is not None:
                first = await self._first(connection)
                if self._context is not None and first[:1] == _HANDSHAKE:
                    context = await self._context.get()
                elif self._beside is not None and first == self._beside.prefix:
                    if self._beside.give(connection):
                        return
                    lent = True  # until it is there
            await loop.connect_accepted_socket(lambda: Connection(self._shared, lent=lent), connection, ssl=context)
        except (OSError, TimeoutError, ssl.SSLError):
            connection.close()

    async def _first(self, connection: socket.socket) -> bytes:
        """The first bytes of a connection, as many as have come; they can be read again."""
        try:
            return connection.recv(self._peek, socket.MSG_PEEK)
        except BlockingIOError:
            pass
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(connection.fileno(), _settle, readable)
        try:
            await asyncio.wait_for(readable, SILENCE)
        finally:
            loop.remove_reader(connection.fileno())
        return connection.recv(self._peek, socket.MSG_PEEK)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Once:
    """Makes a TLS context in a thread, at the first need."""

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        self._make, self._lock = make, asyncio.Lock()
        self._made: ssl.SSLContext | None = None

    async def get(self) -> ssl.SSLContext:
        async with self._lock:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
        return self._made

"""A connection after ``101 Switching Protocols``: bytes in both directions, in a protocol that is not ours to know."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection
    from .exchange import Exchange

HELD = 1 << 18
"""Bytes that wait unread before the peer is made to wait."""


class Tunnel:
    """What follows a request that asks for another protocol. One reader and one writer at a time."""

    def __init__(self, connection: Connection, exchange: Exchange, read: bytes) -> None:
        self._connection, self._exchange = connection, exchange
        self._pieces = [read] if read else []
        self._held = len(read)
        self._gone = False
        self._arrived: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HELD:
            self._connection.pause_reading()
        self._wake()

    def end(self) -> None:
        """The peer has gone, or the server is about to."""
        self._gone = True
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    async def read(self) -> bytes:
        """What has come, as soon as something has; empty at the end."""
        while not self._pieces and not self._gone:
            self._arrived = self._connection.loop.create_future()
            try:
                await self._arrived
            finally:
                self._arrived = None
        pieces, self._pieces, self._held = self._pieces, [], 0
        self._connection.go_on_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def write(self, data: bytes) -> None:
        """Send, and wait while the peer takes no more. Raises ConnectionError when it has gone."""
        # a turn for others: a peer that takes all at once is no reason to wait, and it may have gone without our having heard of it
        await asyncio.sleep(0)
        if self._connection.write_paused:
            await self._connection.drain()
        if self._gone or self._connection.gone or self._connection.transport.is_closing():
            raise ConnectionError("the peer has gone")
        self._connection.transport.write(data)

    def close(self) -> None:
        """End the connection when what was written is out."""
        self._gone = True
        self._exchange.left()

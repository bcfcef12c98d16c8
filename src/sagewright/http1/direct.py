"""A large request body, read from the socket into the reader's own memory: past the parser, without a copy on the way."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Exchange

LARGE = 1 << 20
"""Bytes of a body from which on it may be read so: below, the hand-over would cost more than the copies."""
_WAKE = 1 << 19
"""Bytes that a waiting reader is woken for, or what is left if that is less."""


class Direct:
    """The rest of one request's body. The socket's own buffer takes what comes while nobody reads."""

    def __init__(self, exchange: Exchange, descriptor: int, held: list[bytes], left: int) -> None:
        self._exchange, self._held, self.left = exchange, held, left
        """Bytes that have not been read yet."""
        self._socket = socket.socket(fileno=os.dup(descriptor))  # the transport watches its own number
        self._socket.setblocking(False)

    def read_into(self, memory: memoryview) -> int:
        """Read what is there, in any thread, without waiting: how many bytes, 0 if there are none yet.

        Raises:
            EOFError: the peer has gone in the middle of its body.
        """
        done = 0
        while self.left and done < len(memory):
            if self._held:
                count = self._from_held(memory[done:])
            else:
                try:
                    count = self._socket.recv_into(memory[done : done + self.left])
                except BlockingIOError:
                    break
                except ConnectionError as error:
                    raise EOFError("the peer has gone") from error
                if not count:
                    raise EOFError("the peer has gone")
            done += count
            self.left -= count
        return done

    def _from_held(self, memory: memoryview) -> int:
        piece = self._held[0]
        count = min(len(piece), len(memory))
        memory[:count] = piece[:count]
        if count < len(piece):
            self._held[0] = piece[count:]
        else:
            del self._held[0]
        return count

    async def wait(self) -> None:
        """Until a fair amount has come, or all, or the peer has gone."""
        loop = asyncio.get_running_loop()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(self.left, _WAKE))
        ready = loop.create_future()
        loop.add_reader(self._socket.fileno(), _settle, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._socket.fileno())

    def close(self) -> None:
        """End the reading: the connection goes on with the next request if everything has been read. No thread may be in it."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._socket.close()
        if not self.left:
            self._exchange.read_past()


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

"""The two lines between the server and its gateway process: one for messages, one for connections.

Messages are JSON objects, each behind its length. A connection travels as a file descriptor, with what has been read of it
so far: the server passes new ones on, the gateway gives back those whose requests are not plain invocations. A giver may keep
hold of what it gives until the other end has said that it has it, so that nothing is lost with a process that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import orjson

LENGTH = struct.Struct("!I")
INLINE = 32 << 10
"""Bytes that travel with a descriptor; more go into a memory file of their own."""
_RECEIVE = 64 << 10
_KEPT, _STORED, _LENT, _TAKEN = 1, 2, 4, 8
"""Flags, with which a packet begins. The giver waits for a word; what was read is in a file, not behind the flags; the giver
would have the connection again, later; this is that word, with the number of connections that it is about, and no connection."""


class Messages(asyncio.Protocol):
    """One end of the line for messages. ``hear`` gets each message; ``ended`` is called when the other end is gone."""

    def __init__(self, hear: Callable[[dict[str, Any]], None], ended: Callable[[], None]) -> None:
        self._hear, self._ended = hear, ended
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message; nothing happens when the other end is gone."""
        if self._transport is not None and not self._transport.is_closing():
            data = orjson.dumps(message)
            self._transport.write(LENGTH.pack(len(data)) + data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer, at)
            end = at + LENGTH.size + length
            if len(self._buffer) < end:
                break
            self._hear(orjson.loads(self._buffer[at + LENGTH.size : end]))
            at = end
        del self._buffer[:at]

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._ended()


class Connections:
    """One end of the line for connections.

    Args:
        take: gets each: a connected socket, what was read of it, and whether it is lent: the giver would have it again, later.
    """

    def __init__(self, line: socket.socket, take: Callable[[socket.socket, bytes, bool], None]) -> None:
        self._line, self._take = line, take
        self._kept: deque[socket.socket] = deque()
        self._unsaid = 0
        """Connections taken whose giver has not been told."""
        line.setblocking(False)

    def listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._readable)

    def close(self) -> None:
        if self._line.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._line.fileno())
            self._line.close()

    def give(self, connection: socket.socket, read: bytes = b"", *, keep: bool = False, lent: bool = False) -> bool:
        """Pass a connection on; it is closed here then. False: the other end cannot take it, nothing has happened.

        Args:
            keep: of one of which nothing has been read; ``left`` has it until the other end has taken it.
            lent: what ``take`` is told there.
        """
        descriptors, flags, packet = [connection.fileno()], keep * _KEPT | lent * _LENT, read
        stored = -1
        try:
            if len(read) > INLINE:
                stored = os.memfd_create("request")
                with open(stored, "wb", closefd=False) as file:
                    file.write(read)
                descriptors, flags, packet = [*descriptors, stored], flags | _STORED, b""
            socket.send_fds(self._line, [bytes((flags,)) + packet], descriptors)
        except OSError:  # full, or nobody there
            return False
        finally:
            if stored >= 0:
                os.close(stored)
        if keep:
            self._kept.append(connection.dup())
        connection.close()
        return True

    def left(self) -> list[socket.socket]:
        """The other end is gone: what it was given and has not taken. What it had given itself is taken before."""
        self._readable()
        kept, self._kept = list(self._kept), deque()
        return kept

    def _readable(self) -> None:
        self._receive()
        if self._unsaid:
            with contextlib.suppress(OSError):  # full: with the next ones; or nobody there who would want to know
                self._line.send(bytes((_TAKEN,)) + LENGTH.pack(self._unsaid))
                self._unsaid = 0

    def _receive(self) -> None:
        while True:
            try:
                payload, descriptors, _, _ = socket.recv_fds(self._line, _RECEIVE, 2)
            except BlockingIOError:
                return
            except OSError:
                payload, descriptors = b"", []
            flags = payload[0] if payload else 0
            if flags & _TAKEN:
                for _ in range(LENGTH.unpack_from(payload, 1)[0]):
                    self._kept.popleft().close()
                continue
            if not descriptors:
                asyncio.get_running_loop().remove_reader(self._line.fileno())  # the other end is gone
                return
            connection = socket.socket(fileno=descriptors[0])
            connection.setblocking(False)
            read = payload[1:]
            self._unsaid += flags & _KEPT
            if flags & _STORED:
                with open(descriptors[1], "rb") as file:  # noqa: PTH123
                    file.seek(0)
                    read = file.read()
            self._take(connection, read, bool(flags & _LENT))


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a line that keeps the boundaries of what is sent."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

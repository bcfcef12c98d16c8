"""The two lines between the server and its gateway process: one for messages, one for connections.

Messages are JSON objects, each behind its length. A connection travels as a file descriptor, with what has been read of it
so far: the server passes new ones on, the gateway gives back those whose requests are not plain invocations.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

import orjson

LENGTH = struct.Struct("!I")
INLINE = 32 << 10
"""Bytes that travel with a descriptor; more go into a memory file of their own."""
_RECEIVE = 64 << 10


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
    """One end of the line for connections. ``take`` gets each: a connected socket and what was read of it."""

    def __init__(self, line: socket.socket, take: Callable[[socket.socket, bytes], None]) -> None:
        self._line, self._take = line, take
        line.setblocking(False)

    def listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._readable)

    def close(self) -> None:
        if self._line.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._line.fileno())
            self._line.close()

    def give(self, connection: socket.socket, read: bytes = b"") -> bool:
        """Pass a connection on; it is closed here then. False: the other end cannot take it, nothing has happened."""
        descriptors, payload = [connection.fileno()], b"i" + read
        stored = -1
        try:
            if len(read) > INLINE:
                stored = os.memfd_create("request")
                with open(stored, "wb", closefd=False) as file:
                    file.write(read)
                descriptors, payload = [*descriptors, stored], b"m"
            socket.send_fds(self._line, [payload], descriptors)
        except OSError:  # full, or nobody there
            return False
        finally:
            if stored >= 0:
                os.close(stored)
        connection.close()
        return True

    def _readable(self) -> None:
        while True:
            try:
                payload, descriptors, _, _ = socket.recv_fds(self._line, _RECEIVE, 2)
            except BlockingIOError:
                return
            except OSError:
                payload, descriptors = b"", []
            if not descriptors:
                asyncio.get_running_loop().remove_reader(self._line.fileno())  # the other end is gone
                return
            connection = socket.socket(fileno=descriptors[0])
            connection.setblocking(False)
            read = payload[1:]
            if payload[:1] == b"m":
                with open(descriptors[1], "rb") as file:  # noqa: PTH123
                    file.seek(0)
                    read = file.read()
            self._take(connection, read)


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a line that keeps the boundaries of what is sent."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

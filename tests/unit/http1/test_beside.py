"""Connections that are for another process: given to it as they come, or between two requests when it was not there then."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from sagewright.listener import Listener

ASK = b"POST /mine HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"


class Other:
    """The process beside."""

    prefix = b"POST /mine"

    def __init__(self) -> None:
        self.ready = False
        self.given: list[socket.socket] = []

    def give(self, connection: socket.socket) -> bool:
        if self.ready:
            self.given.append(connection)
        return self.ready


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def answer(reader: asyncio.StreamReader) -> None:
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(2) == b"ok"


@pytest.fixture
def other() -> Other:
    return Other()


async def serving(other: Other) -> tuple[Listener, asyncio.StreamReader, asyncio.StreamWriter]:
    listener = Listener(app, "127.0.0.1", 0, beside=other)
    await listener.start()
    return listener, *await asyncio.open_connection("127.0.0.1", listener.port)


async def test_it_gets_its_connection_as_soon_as_it_is_there(other: Other) -> None:
    listener, reader, writer = await serving(other)
    writer.write(ASK)
    await answer(reader)
    other.ready = True
    writer.write(ASK)
    await answer(reader)
    [mine] = other.given
    writer.write(ASK)
    with mine:
        mine.setblocking(False)
        loop = asyncio.get_running_loop()
        got = b""
        while len(got) < len(ASK):
            got += await loop.sock_recv(mine, 1 << 16)
        assert got == ASK
        await loop.sock_sendall(mine, b"HTTP/1.1 200 OK\r\n\r\nok")
        await answer(reader)
    writer.close()
    await listener.stop(0.2)


async def test_not_while_a_next_request_has_begun(other: Other) -> None:
    """Of which it would not see the beginning."""
    listener, reader, writer = await serving(other)
    writer.write(ASK)
    await answer(reader)
    other.ready = True
    writer.write(ASK + ASK[:20])
    await answer(reader)
    assert not other.given
    writer.write(ASK[20:])
    await answer(reader)
    assert len(other.given) == 1
    other.given[0].close()
    writer.close()
    await listener.stop(0.2)


async def test_other_connections_stay(other: Other) -> None:
    listener, reader, writer = await serving(other)
    other.ready = True
    for _ in range(2):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await answer(reader)
    assert not other.given
    writer.close()
    await listener.stop(0.2)

"""The line for connections: what arrives with them, and what becomes of those that were on their way when a process ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from sagewright.gateway.control import INLINE, Connections, pair


class End:
    """One end of a line, with what it has taken."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.taken: list[tuple[socket.socket, bytes]] = []
        self.lent = False
        self.came = asyncio.Event()
        self.connections = Connections(line, self._take)
        self.connections.listen()

    def _take(self, connection: socket.socket, read: bytes, lent: bool) -> None:
        self.taken.append((connection, read))
        self.lent = lent
        self.came.set()


@pytest.fixture
def client() -> Iterator[tuple[socket.socket, socket.socket]]:
    mine, its = socket.socketpair()
    with mine, its:
        yield mine, its


async def both() -> tuple[End, End]:
    ours, theirs = pair()
    return End(ours), End(theirs)


@pytest.mark.parametrize("read", [b"", b"POST /", b"x" * (INLINE + 1)])
async def test_a_connection_comes_with_what_was_read(client: tuple[socket.socket, socket.socket], read: bytes) -> None:
    ours, theirs = await both()
    lent = len(read) > 1
    assert ours.connections.give(client[0], read, lent=lent)
    await theirs.came.wait()
    assert theirs.lent is lent
    [(taken, found)] = theirs.taken
    assert found == read
    with taken:
        client[1].send(b"hello")
        assert taken.recv(5) == b"hello"
    ours.connections.close()
    theirs.connections.close()


async def test_what_was_not_taken_is_left(client: tuple[socket.socket, socket.socket]) -> None:
    ours, line = pair()
    connections = Connections(ours, lambda *_: None)
    assert connections.give(client[0], keep=True)
    line.close()  # the other process has ended with the connection on its way
    [left] = connections.left()
    with left:
        client[1].send(b"hello")
        assert left.recv(5) == b"hello"
    assert connections.left() == []
    connections.close()


async def test_what_was_taken_is_not(client: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = await both()
    assert ours.connections.give(client[0], keep=True)
    await theirs.came.wait()
    theirs.connections.close()
    assert ours.connections.left() == []
    # nobody holds it but who took it
    theirs.taken[0][0].close()
    assert client[1].recv(1) == b""
    ours.connections.close()


async def test_what_it_gave_back_is_taken_before(client: tuple[socket.socket, socket.socket]) -> None:
    ours, line = pair()
    taken: list[bytes] = []

    def take(connection: socket.socket, read: bytes, lent: bool) -> None:
        connection.close()
        taken.append(read)

    connections = Connections(ours, take)
    other = Connections(line, lambda *_: None)
    assert other.give(client[0], b"POST /")
    other.close()
    assert connections.left() == []
    assert taken == [b"POST /"]
    connections.close()

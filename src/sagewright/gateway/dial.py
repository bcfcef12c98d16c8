"""Opens connections to workers: over their Unix sockets, or through the relay of the machine that they run on.

A worker elsewhere has an address ``tcp://HOST:PORT/PATH?KEYFILE``: its relay, its Unix socket there, and the file here that
holds the relay's key. The relay begins with NONCE bytes; the caller answers with ``proof`` of them and the path, and with the
path; the relay says OK once the worker's socket has accepted. What follows is between caller and worker. The key never
travels; what follows is neither encrypted nor sealed, like everything else between the nodes of a Ray cluster.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

NONCE, PROOF = 32, 32
OK = b"+"
PATIENCE = 5.0
"""Seconds that a relay may take to answer."""
REMOTE = "tcp://"

Made = TypeVar("Made", bound=asyncio.BaseProtocol)


def proof(key: bytes, nonce: bytes, path: bytes) -> bytes:
    """PROOF bytes that only a holder of the key can make, for this connection and this socket."""
    return hmac.digest(key, nonce + path, "sha256")


def remote(host: str, port: int, path: str, key: Path) -> str:
    """The address of a worker behind a relay; ``key``: a file with the relay's key in hexadecimal digits."""
    return f"{REMOTE}{host}:{port}{path}?{key}"


def beside(address: str, path: str) -> str:
    """The address of the socket ``path`` on the machine that ``address`` leads to."""
    if not address.startswith(REMOTE):
        return path
    place, _, key = address.removeprefix(REMOTE).partition("?")
    return f"{REMOTE}{place.partition('/')[0]}{path}?{key}"


async def dial(make: Callable[[], Made], address: str) -> Made:
    """A connected protocol. Raises OSError."""
    return (await _dial(make, address))[1]


async def streams(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As ``asyncio.open_connection``. Raises OSError."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, protocol = await _dial(lambda: asyncio.StreamReaderProtocol(reader), address)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _dial(make: Callable[[], Made], address: str) -> tuple[asyncio.WriteTransport, Made]:
    loop = asyncio.get_running_loop()
    if not address.startswith(REMOTE):
        return await loop.create_unix_connection(make, address)
    place, _, key = address.removeprefix(REMOTE).partition("?")
    where, slash, path = place.partition("/")
    host, _, port = where.rpartition(":")
    try:
        async with asyncio.timeout(PATIENCE):
            sock = await _relayed(loop, host, int(port), f"{slash}{path}".encode(), bytes.fromhex(Path(key).read_text()))
            return await loop.create_connection(make, sock=sock)
    except TimeoutError:
        raise ConnectionError(f"the relay at {where} does not answer") from None


async def _relayed(loop: asyncio.AbstractEventLoop, host: str, port: int, path: bytes, key: bytes) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, (host, port))
        nonce = await _exactly(loop, sock, NONCE)
        await loop.sock_sendall(sock, proof(key, nonce, path) + len(path).to_bytes(2, "big") + path)
        await _exactly(loop, sock, len(OK))
    except BaseException:
        sock.close()
        raise
    return sock


async def _exactly(loop: asyncio.AbstractEventLoop, sock: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        data = await loop.sock_recv(sock, count - len(found))
        if not data:
            raise ConnectionRefusedError("the relay closed the connection: the worker does not accept, or the key is wrong")
        found += data
    return found

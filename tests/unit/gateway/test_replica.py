"""Where a further gateway passes on what it does not answer itself."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

from sagewright.bootstrap.replica import Replica
from sagewright.bootstrap.server import STATE
from sagewright.settings import Settings


async def answered(data: Path, request: bytes) -> bytes:
    """What a client hears whose connection is passed on."""
    client, other = socket.socketpair()
    client.setblocking(False)
    passing = asyncio.create_task(Replica(Settings(data=data))._pass_on(other, request))
    reader, writer = await asyncio.open_connection(sock=client)
    async with asyncio.timeout(10):
        heard = await reader.read()
        writer.close()
        await passing
    return heard


async def test_to_the_server_itself_whatever_its_clients_call_it(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"heard " + await reader.read(100))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = list(server.sockets[0].getsockname())
    (tmp_path / STATE).write_text(json.dumps({"url": "https://sage.example.com", "address": address}))
    assert await answered(tmp_path, b"GET /") == b"heard GET /"
    server.close()


async def test_to_nobody_while_there_is_no_server(tmp_path: Path) -> None:
    assert (await answered(tmp_path, b"GET /")).startswith(b"HTTP/1.1 503 ")
    (tmp_path / STATE).write_text("{")
    assert (await answered(tmp_path, b"GET /")).startswith(b"HTTP/1.1 503 ")

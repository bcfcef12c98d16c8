"""A WebSocket between a browser and a workspace: the handshake is passed on, then bytes, each side held back by the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Protocol

from ...wire.errors import ServiceError
from ...wire.http import Answer

HELD = 1 << 18
"""Bytes that wait for their reader, in each direction."""
HANDSHAKE = 10.0
"""Seconds that a workspace may take to answer an upgrade."""
SILENCE = 600.0
"""Seconds without a byte from the browser after which it is given up. Jupyter pings every 30 seconds, and browsers answer."""
LARGEST_REFUSAL = 1 << 16
ASKED = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions")
GRANTED = ("sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions")


class Tunnel(Protocol):
    """The browser's side, after the switch (``http1.tunnel``)."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Switch(Protocol):
    """What our listener lets an application do with an upgrade (``http1.exchange``)."""

    def switch(self, headers: Iterable[tuple[str, str]]) -> Tunnel | None: ...


def wanted(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request asks for a WebSocket."""
    connection = {part.strip().lower() for part in headers.get("connection", "").split(",")}
    return method == "GET" and "upgrade" in connection and headers.get("upgrade", "").strip().lower() == "websocket"


async def relay(peer: Switch, path: str, target: str, headers: Mapping[str, str], more: Mapping[str, str]) -> Answer | None:
    """Carry a WebSocket until either side ends it; None then, or the answer of a workspace that wants none.

    Args:
        path: of the workspace's Unix socket.
        target: path and query, as the workspace gets them.
        headers: of the browser's request.
        more: headers that the workspace gets besides those of the handshake.

    Raises:
        ServiceError: the workspace does not answer.
    """
    try:
        async with asyncio.timeout(HANDSHAKE):
            reader, writer = await asyncio.open_unix_connection(path, limit=HELD)
    except (OSError, TimeoutError) as error:
        raise ServiceError("ServiceUnavailable", f"The workspace does not answer: {error}", 503) from None
    try:
        sent = {name: headers[name] for name in ASKED if name in headers} | dict(more)
        writer.write(_head(target, sent))
        status, said = await _answered(reader)
        if status != 101:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANDSHAKE):
                    body = await reader.read(LARGEST_REFUSAL)
                    return Answer(status if status >= 400 else 502, {"content-type": "text/plain"}, body)
            return Answer(502, {"content-type": "text/plain"}, b"The workspace refused the WebSocket.")
        granted = [("upgrade", "websocket"), ("connection", "Upgrade"), *((name, said[name]) for name in GRANTED if name in said)]
        tunnel = peer.switch(granted)
        if tunnel is None:
            return Answer(426, {"upgrade": "websocket"}, b"")
        try:
            await _both(tunnel, reader, writer)
        finally:
            tunnel.close()
        return None
    finally:
        writer.close()


def _head(target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: model", "Connection: Upgrade", "Upgrade: websocket"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any(mark in line for line in lines for mark in "\r\n\0"):
        raise ServiceError("BadRequest", "A header of the request holds a line break.", 400)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of the workspace's answer. Raises ServiceError."""
    try:
        async with asyncio.timeout(HANDSHAKE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        return int(first.split(" ")[1]), headers
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        raise ServiceError("ServiceUnavailable", f"The workspace does not answer: {error}", 503) from None


async def _both(tunnel: Tunnel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side has ended."""
    ways = {asyncio.create_task(_up(tunnel, writer)), asyncio.create_task(_down(reader, tunnel))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)  # a side that has gone is the end, not a fault


async def _up(tunnel: Tunnel, writer: asyncio.StreamWriter) -> None:
    while data := await asyncio.wait_for(tunnel.read(), SILENCE):
        writer.write(data)
        await writer.drain()


async def _down(reader: asyncio.StreamReader, tunnel: Tunnel) -> None:
    while data := await reader.read(HELD):
        await tunnel.write(data)

"""JSON messages over a stream socket: four bytes of length, then the text."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

_HEAD = struct.Struct("!I")


async def read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None once the other side is gone."""
    try:
        (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        message: dict[str, Any] = json.loads(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message


def write(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    writer.write(_HEAD.pack(len(body)) + body)

"""AWS event-stream framing: a length-prefixed message with headers, payload and two CRC32s.

::

    total length (4) | headers length (4) | CRC of those eight (4) | headers | payload | CRC of all before (4)

https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from typing import Any

from .models import Shape

_STRING = 7


class CorruptMessage(Exception):
    """Lengths or checksums of a message do not hold."""


def frame(headers: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """One message. Header values: str, bytes, bool or int."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack(">I", zlib.crc32(body))


def _header(name: str, value: Any) -> bytes:
    encoded = name.encode()
    head = bytes((len(encoded),)) + encoded
    if isinstance(value, bool):
        return head + bytes((0 if value else 1,))
    if isinstance(value, int):
        return head + b"\x05" + struct.pack(">q", value)
    if isinstance(value, bytes):
        return head + b"\x06" + struct.pack(">H", len(value)) + value
    text = str(value).encode()
    return head + bytes((_STRING,)) + struct.pack(">H", len(text)) + text


def frames(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Whole messages as (headers, payload). Raises CorruptMessage."""
    out = []
    at = 0
    while at < len(data):
        if len(data) - at < 16:
            raise CorruptMessage("a message is cut off")
        total, head_length, prelude_crc = struct.unpack_from(">III", data, at)
        if zlib.crc32(data[at : at + 8]) != prelude_crc or total < 16 + head_length or at + total > len(data):
            raise CorruptMessage("the prelude does not hold")
        if struct.unpack_from(">I", data, at + total - 4)[0] != zlib.crc32(data[at : at + total - 4]):
            raise CorruptMessage("the message checksum does not hold")
        out.append((_headers(data[at + 12 : at + 12 + head_length]), data[at + 12 + head_length : at + total - 4]))
        at += total
    return out


_FIXED = {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}


def _headers(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    while at < len(data):
        length = data[at]
        name = data[at + 1 : at + 1 + length].decode()
        kind = data[at + 1 + length]
        at += 2 + length
        if kind in {0, 1}:
            found[name] = kind == 0
        elif kind in _FIXED:
            found[name] = struct.unpack_from(_FIXED[kind], data, at)[0]
            at += struct.calcsize(_FIXED[kind])
        elif kind in {6, 7}:
            size = struct.unpack_from(">H", data, at)[0]
            raw = data[at + 2 : at + 2 + size]
            found[name] = raw.decode() if kind == _STRING else raw
            at += 2 + size
        elif kind == 9:
            found[name] = data[at : at + 16]
            at += 16
        else:
            raise CorruptMessage(f"unknown header type {kind}")
    return found


def initial_frame(content_type: str, payload: bytes) -> bytes:
    """The message that carries an operation's other members where the protocol has no headers for them."""
    return frame({":message-type": "event", ":event-type": "initial-response", ":content-type": content_type}, payload)


async def event_frames(
    stream: Shape, events: AsyncIterable[Mapping[str, Any]], write: Callable[[Shape, Any], bytes], content_type: str
) -> AsyncIterator[bytes]:
    """Messages of one-member dicts, each sent as it comes. A member that is an exception ends the stream."""
    async for event in events:
        for name, value in event.items():
            member = stream.members[name]
            if member.shape.traits.get("exception"):
                head = {":message-type": "exception", ":exception-type": name, ":content-type": content_type}
                yield frame(head, write(member.shape, value))
                return
            yield _event(name, member.shape, value, write, content_type)


def _event(
    name: str, shape: Shape, value: Mapping[str, Any], write: Callable[[Shape, Any], bytes], content_type: str
) -> bytes:
    headers: dict[str, Any] = {":message-type": "event", ":event-type": name}
    for field, member in shape.members.items():
        if member.trait("eventheader") and value.get(field) is not None:
            headers[field] = value[field]
    for field, member in shape.members.items():
        if member.trait("eventpayload"):
            item = value.get(field)
            if member.type == "blob":
                headers[":content-type"] = "application/octet-stream"
                return frame(headers, bytes(item or b""))
            if member.type == "string":
                headers[":content-type"] = "text/plain"
                return frame(headers, str(item or "").encode())
            headers[":content-type"] = content_type
            return frame(headers, write(member.shape, item or {}))
    if shape.members:
        headers[":content-type"] = content_type
        return frame(headers, write(shape, {k: v for k, v in value.items() if k not in headers}))
    return frame(headers)

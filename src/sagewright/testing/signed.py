"""Requests of the runtime API as bytes, signed as an SDK does, and answers as bytes, for tests of what is on the wire."""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .server import TestServer


@dataclass
class Reply:
    """An answer: its status line, its headers (lower-case names, in their order) and its body, chunks put together."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    chunks: int = 0
    """How many chunks it came in; 0 with a Content-Length."""

    def header(self, name: str) -> str:
        return dict(self.headers).get(name, "")


def request(
    server: TestServer, path: str, body: bytes, headers: dict[str, str] | None = None, keys: tuple[str, str] | None = None
) -> bytes:
    """A signed POST. ``keys``: access key and secret; the operator's unless given."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    mine = server.credentials()
    host = urlsplit(server.url).netloc
    made = AWSRequest("POST", f"http://{host}{path}", {"Host": host, **(headers or {})}, body)
    SigV4Auth(Credentials(*(keys or (mine["access_key"], mine["secret_key"]))), "sagemaker", "us-east-1").add_auth(made)
    head = "".join(f"{name}: {value}\r\n" for name, value in made.headers.items())
    return f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """One connection. ``foreign``: it begins with another request, so that the server serves it and not the gateway."""

    def __init__(self, server: TestServer, *, foreign: bool = False) -> None:
        where = urlsplit(server.url)
        assert where.hostname
        assert where.port
        self.socket = socket.create_connection((where.hostname, where.port), timeout=30)
        self._stream = self.socket.makefile("rb")
        if foreign:
            self.exchange(f"GET / HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())

    def exchange(self, raw: bytes) -> Reply:
        """Send and read the whole answer."""
        self.send(raw)
        return self.read()

    def send(self, raw: bytes) -> None:
        """Send a request; its answer is there to ``read``."""
        self.socket.sendall(raw)

    def read(self) -> Reply:
        status = self._stream.readline().decode("latin-1").strip()
        headers = []
        while line := self._stream.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        given = dict(headers)
        if given.get("transfer-encoding") == "chunked":
            chunks = list(self._chunks())
            return Reply(status, headers, b"".join(chunks), len(chunks))
        return Reply(status, headers, self._stream.read(int(given.get("content-length", 0))))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._stream.readline().split(b";")[0], 16):
            yield self._stream.read(size)
            assert self._stream.read(2) == b"\r\n"
        self._stream.readline()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()


@dataclass
class Frame:
    """One message of an event stream; header values are text."""

    headers: dict[str, str]
    payload: bytes

    def encode(self) -> bytes:
        """As the event stream format has it, in the order of the headers."""
        head = b"".join(
            struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value.encode())) + value.encode()
            for name, value in self.headers.items()
        )
        prelude = struct.pack("!II", 16 + len(head) + len(self.payload), len(head))
        message = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + self.payload
        return message + struct.pack("!I", zlib.crc32(message))


def frames(body: bytes) -> list[Frame]:
    """The messages of an event stream; every length and both checksums are verified."""
    found: list[Frame] = []
    at = 0
    while at < len(body):
        total, length, prelude = struct.unpack_from("!III", body, at)
        message = body[at : at + total]
        assert len(message) == total
        assert prelude == zlib.crc32(message[:8])
        assert struct.unpack("!I", message[-4:])[0] == zlib.crc32(message[:-4])
        headers, place = {}, 12
        while place < 12 + length:
            size = message[place]
            name = message[place + 1 : place + 1 + size].decode()
            kind, room = struct.unpack_from("!BH", message, place + 1 + size)
            assert kind == 7, f"{name} is no text"
            place += 4 + size + room
            headers[name] = message[place - room : place].decode()
        assert place == 12 + length
        found.append(Frame(headers, message[12 + length : -4]))
        at += total
    return found


def shown(frame: Frame) -> dict[str, Any]:
    """A message for a golden file."""
    return {"headers": dict(sorted(frame.headers.items())), "payload": frame.payload.decode()}

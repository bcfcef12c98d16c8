"""A browser's part, as far as tests of workspaces need it: cookies, redirects and WebSockets, over one address of this machine.

Names below ``localhost`` are this machine to browsers, and nothing to most resolvers: so the address is given apart from the name.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import socket
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Page:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Browser:
    """One visitor of one workspace."""

    url: str
    """Of the workspace: scheme and host."""
    cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, url: str) -> Browser:
        """A visitor who has followed a URL that is good once."""
        split = urlsplit(url)
        made = cls(f"{split.scheme}://{split.netloc}")
        page = made.ask("GET", f"{split.path}?{split.query}")
        assert page.status == 303, page
        return made

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def connection(self, timeout: float = 60.0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", urlsplit(self.url).port or 80, timeout=timeout)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Page:
        """One request as a script of the workspace's own pages makes it. Keeps the cookies that come."""
        sent = {"Host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method not in ("GET", "HEAD"):
            sent.setdefault("Origin", self.url)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection = self.connection()
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            page = Page(answer.status, said, answer.read())
        finally:
            connection.close()
        if cookie := page.headers.get("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return page

    def socket(self, path: str, origin: str | None = None, timeout: float = 60.0) -> WebSocket:
        """A WebSocket. Raises Refused."""
        return WebSocket(self, path, self.url if origin is None else origin, timeout)


class Refused(Exception):
    """An upgrade was answered with something else; the status is the first argument."""


class WebSocket:
    """Text messages over a WebSocket (RFC 6455), no more than that."""

    def __init__(self, browser: Browser, path: str, origin: str, timeout: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", urlsplit(browser.url).port or 80), timeout)
        lines = [
            f"GET {path} HTTP/1.1", f"Host: {browser.host}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(secrets.token_bytes(16)).decode()}",
            "Cookie: " + "; ".join(f"{name}={value}" for name, value in browser.cookies.items()),
        ]
        if origin:
            lines.append(f"Origin: {origin}")
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._read = self._socket.makefile("rb")
        status = int(self._read.readline().split()[1])
        while self._read.readline().strip():
            continue
        if status != 101:
            self.close()
            raise Refused(status)

    def send(self, text: str) -> None:
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        length = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else (
            struct.pack("!BBH", 0x81, 0xFE, size) if size < 1 << 16 else struct.pack("!BBQ", 0x81, 0xFF, size)
        )
        self._socket.sendall(length + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(data)))

    def messages(self) -> Iterator[str]:
        """Text messages until the other side ends."""
        text = b""
        while head := self._read.read(2):
            size = head[1] & 0x7F
            if size >= 126:
                size = int.from_bytes(self._read.read(2 if size == 126 else 8), "big")
            data = self._read.read(size)
            kind = head[0] & 0x0F
            if kind == 8:
                return
            if kind in (0, 1):
                text += data
                if head[0] & 0x80:
                    yield text.decode()
                    text = b""

    def close(self) -> None:
        self._socket.close()


def execute(browser: Browser, base: str, kernel: str, code: str, timeout: float = 60.0) -> str:
    """Run a cell in a kernel over its WebSocket; what it printed. Raises AssertionError with the traceback of a cell that failed."""
    channel = browser.socket(f"{base}api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}", timeout=timeout)
    wanted = uuid.uuid4().hex
    header = {"msg_id": wanted, "msg_type": "execute_request", "username": "", "session": wanted, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    channel.send(json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}))
    printed = ""
    try:
        for text in channel.messages():
            message = json.loads(text)
            if message["parent_header"].get("msg_id") != wanted:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed += content["text"]
            assert kind != "error", "\n".join([printed, *content.get("traceback", [])])
            if kind == "status" and content["execution_state"] == "idle":
                return printed
    finally:
        channel.close()
    raise AssertionError(f"the kernel's WebSocket ended before the cell: {printed}")

"""A browser's part, as far as tests of workspaces need it: cookies, redirects and WebSockets, over one address of this machine.

Names below ``localhost`` are this machine to browsers, and nothing to most resolvers: so the address is given apart from the name.
"""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin


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

    @contextmanager
    def socket(self, path: str, origin: str | None = None, timeout: float = 60.0) -> Iterator[ClientConnection]:
        """A WebSocket. Raises ``InvalidStatus`` where it is refused."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        where = Origin(self.url if origin is None else origin) or None
        with socket.create_connection(("127.0.0.1", urlsplit(self.url).port or 80), timeout) as place, connect(
            f"ws://{self.host}{path}", sock=place, origin=where, additional_headers={"Cookie": cookies}, open_timeout=timeout, max_size=None,
            compression=None, proxy=None,
        ) as channel:
            yield channel


def execute(browser: Browser, base: str, kernel: str, code: str, timeout: float = 60.0) -> str:
    """Run a cell in a kernel over its WebSocket; what it printed. Raises AssertionError with the traceback of a cell that failed."""
    wanted = uuid.uuid4().hex
    header = {"msg_id": wanted, "msg_type": "execute_request", "username": "", "session": wanted, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    request = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}
    printed = ""
    with browser.socket(f"{base}api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}", timeout=timeout) as channel:
        channel.send(json.dumps(request))
        while True:
            message = json.loads(channel.recv(timeout))
            if message["parent_header"].get("msg_id") != wanted:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed += content["text"]
            assert kind != "error", "\n".join([printed, *content.get("traceback", [])])
            if kind == "status" and content["execution_state"] == "idle":
                return printed

"""A few connections that never stop asking, as services do: one that breaks is opened again, and every request is remembered."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType

from .server import TestServer
from .signed import Connection, request

RETRY = 0.005
"""Seconds before a connection that was refused or broken is tried again."""


@dataclass(frozen=True)
class Asked:
    """One request. Times are of time.monotonic."""

    began: float
    ended: float
    status: int
    """0: the connection broke, or was refused."""
    fresh: bool
    """It was the first of its connection."""
    gateway: bool
    """The gateway process answered, not the server: the two write their headers in another order."""


class Steady:
    """``with Steady(server, endpoint) as load: ...; load.asked``.

    Args:
        pause: seconds that each connection waits between two requests.
    """

    def __init__(self, server: TestServer, endpoint: str, body: bytes = b"x", *, connections: int = 4, pause: float = 0.005) -> None:
        self._server, self._pause = server, pause
        self._raw = request(server, f"/endpoints/{endpoint}/invocations", body, {"Content-Type": "text/plain"})
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(connections)]
        self.asked: list[Asked] = []

    def __enter__(self) -> Steady:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def after(self, moment: float) -> list[Asked]:
        """The requests that began then or later, and have ended, in the order of their answers."""
        return sorted((one for one in list(self.asked) if one.began >= moment), key=lambda one: one.ended)

    def under_way(self, moment: float) -> list[Asked]:
        """The requests that had begun then and ended later."""
        return [one for one in list(self.asked) if one.began < moment <= one.ended]

    def _run(self) -> None:
        connection: Connection | None = None
        while not self._ended.is_set():
            began, fresh, status, gateway = time.monotonic(), connection is None, 0, False
            try:
                connection = connection or Connection(self._server)
                reply = connection.exchange(self._raw)
                if reply.status:
                    status, gateway = int(reply.status.split(" ")[1]), reply.headers[0][0] == "content-length"
            except OSError:
                status = 0
            self.asked.append(Asked(began, time.monotonic(), status, fresh, gateway))
            if not status and connection is not None:
                connection.close()
                connection = None
            self._ended.wait(self._pause if status else RETRY)
        if connection is not None:
            connection.close()

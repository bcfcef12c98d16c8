"""The server's side of its gateway process: starts it, keeps its routes in step, answers its questions, starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..stores.metrics import Metrics, Sample
from ..wire.types import Authority
from .control import Connections, Messages, pair
from .grants import Tags, judged, untagged
from .routes import Key, VariantSpec

log = logging.getLogger(__name__)

PREFIX = b"POST /endpoints/"
"""How a connection begins that the gateway may be able to serve."""
USEFUL, FIRST_DELAY, LONGEST_DELAY = 1.0, 0.05, 10.0
"""Seconds: a process that has served for a while is started again at once, one that ends before ever later."""


class Gateway:
    """The gateway process of one server; started when there is the first endpoint, so that nobody pays for it before.

    While it is not there (before, or in the moment between its end and its next start) the server does its work.

    Args:
        authority: of the keys and permissions that requests need.
        adopt: takes back a client's connection with what was read of it, and whether the gateway would have it again, later.
        about: skew, largest body and capture, as ``Process`` takes them.
    """

    def __init__(
        self, authority: Callable[[], Authority | None], metrics: Metrics, adopt: Callable[[socket.socket, bytes, bool], None],
        **about: Any,
    ) -> None:
        self._authority, self._metrics, self._adopt, self._about = authority, metrics, adopt, about
        self.url = ""
        self.prefix = PREFIX
        self._routes: dict[Key, dict[str, Any]] = {}
        self._control: Messages | None = None
        self._connections: Connections | None = None
        self._running: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._retiring: dict[int, asyncio.Future[None]] = {}
        self._ready = False
        self._served = 0.0
        """Since when the process has been ready; 0 before."""
        self.pid = 0
        self.tags: Tags = untagged
        """Set by who knows the records."""
        self._asked: set[asyncio.Task[None]] = set()
        self.captured: Callable[[], None] = lambda: None
        """Called when there may be captured data to upload."""

    # -- the server's wishes

    @property
    def ready(self) -> bool:
        """Whether it takes connections."""
        return self._ready

    def give(self, connection: socket.socket) -> bool:
        """Pass on a connection of which nothing has been read; False: the server has to serve it."""
        return self._ready and self._connections is not None and self._connections.give(connection, keep=True)

    def put(self, key: Key, name: str, variants: list[VariantSpec]) -> None:
        self._routes[key] = {"do": "put", "key": key, "name": name, "variants": [asdict(v) for v in variants]}
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run(), name="gateway")
        elif self._control is not None:
            self._control.tell(self._routes[key])

    def drop(self, key: Key) -> None:
        if self._routes.pop(key, None) is not None and self._control is not None:
            self._control.tell({"do": "drop", "key": key})

    async def retire(self, sockets: list[str], seconds: float) -> None:
        """Wait until no request is under way there, ``seconds`` at most for each."""
        if self._control is None:
            return
        number = next(self._numbers)
        done = self._retiring[number] = asyncio.get_running_loop().create_future()
        self._control.tell({"do": "retire", "number": number, "sockets": sockets, "seconds": seconds})
        await done

    def forget(self) -> None:
        """Keys or permissions have changed."""
        if self._control is not None:
            self._control.tell({"do": "forget"})

    async def close(self) -> None:
        """Let it say its last measurements, then end it."""
        if self._running is None:
            return
        running, self._running = self._running, None
        if self._control is not None:
            self._control.tell({"do": "stop"})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(running), 5.0)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    # -- the process

    async def _run(self) -> None:
        delay = 0.0
        while True:
            self._served = 0.0
            try:
                await self._once()
            except OSError as error:  # no more processes or descriptors: the server does its work
                log.error("the gateway process could not be started: %s", error)
            if self._running is None:
                return
            useful = self._served and time.monotonic() - self._served > USEFUL
            delay = 0.0 if useful else min(max(delay * 2, FIRST_DELAY), LONGEST_DELAY)
            log.warning("the gateway process has ended; starting it again in %.2f s", delay)
            await asyncio.sleep(delay)

    async def _once(self) -> None:
        """One process, from its start to its end."""
        (mine, its), (line, its_line) = socket.socketpair(), pair()
        ended = asyncio.Event()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __package__ + ".process", str(its.fileno()), str(its_line.fileno()),
                pass_fds=(its.fileno(), its_line.fileno()), stdin=asyncio.subprocess.DEVNULL,
            )
        except BaseException:
            mine.close()
            line.close()
            raise
        finally:
            its.close()
            its_line.close()
        self.pid = process.pid
        try:
            _, control = await asyncio.get_running_loop().create_unix_connection(lambda: Messages(self._hear, ended.set), sock=mine)
            self._connections = Connections(line, self._adopt)
            self._connections.listen()
            control.tell({"do": "begin", "url": self.url, **self._about})
            for route in self._routes.values():
                control.tell(route)
            self._control = control
            await ended.wait()
        finally:
            self._ready, self._control = False, None
            for future in self._retiring.values():
                if not future.done():
                    future.set_result(None)
            self._retiring.clear()
            if self._connections is not None:
                for connection in self._connections.left():
                    self._adopt(connection, b"", True)
                self._connections.close()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            await process.wait()
            self.captured()  # what it left behind

    def _hear(self, message: dict[str, Any]) -> None:
        match message["do"]:
            case "ask":
                task = asyncio.get_running_loop().create_task(self._judge(message["number"], message["grant"]))
                task.add_done_callback(self._asked.discard)
                self._asked.add(task)
            case "ready":
                self._ready, self._served = True, time.monotonic()
            case "captured":
                self.captured()
            case "retired":
                future = self._retiring.pop(message["number"], None)
                if future is not None and not future.done():
                    future.set_result(None)
            case "metrics":
                samples = [_sample(row) for row in message["samples"]]
                task = asyncio.get_running_loop().create_task(asyncio.to_thread(self._metrics.put, samples))
                task.add_done_callback(_logged)

    async def _judge(self, number: int, grant: list[str]) -> None:
        said: dict[str, Any] = {}
        try:
            said = await judged(self._authority(), grant, self.tags)
        except Exception:
            log.exception("cannot say what a key may do; the server is asked by the request itself")
        if self._control is not None:
            self._control.tell({"do": "told", "number": number, **said})


def _sample(row: list[Any]) -> Sample:
    namespace, name, dimensions, *rest = row
    return Sample(namespace, name, tuple((n, v) for n, v in dimensions), *rest)


def _logged(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("metrics of the gateway were lost", exc_info=task.exception())

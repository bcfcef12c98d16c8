"""A further gateway beside a server: another process with a port of its own, which answers plain invocations.

It reads endpoints and identities from the same records as the server, follows their changes, and asks the same workers. It needs
the server for everything else, which it passes on, connection and all; what it answers itself it also answers while the server
is away. Any load balancer may stand before several of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ..adapters.sqlite.metrics import SqliteMetrics
from ..gateway.capture import Recorder, spool
from ..gateway.front import Front, Fronts
from ..gateway.gate import Gate, Grant
from ..gateway.grants import judged
from ..gateway.meter import NAMESPACE, Meter
from ..gateway.routes import Key, Routes, VariantSpec
from ..gateway.taps import Taps
from ..resources.arn import parse
from ..resources.tags import resource_tags
from ..settings import Settings
from ..slices.hosting.routing import route
from ..slices.identity.authority import LocalAuthority
from ..slices.identity.directory import Directory
from ..slices.identity.vault import Vault, root_keys
from ..stores.records import Query
from ..wire.types import ConditionKeys
from .server import STATE, open_records, serve

log = logging.getLogger(__name__)

FOLLOW, COMPLETE = 0.25, 5.0
"""Seconds between two looks at endpoints that have changed, and at which of them are still there."""
PATIENCE = 1.0
"""Seconds that a request waits for what the records say of its key. When they do not, nobody waits until they can be read again."""
GRACE = 5.0
"""Seconds that requests under way have at the end."""
PIECE = 1 << 16
_AWAY = b'{"message":"The server behind this gateway does not answer."}'


class Replica:
    """One gateway process. Belongs to its event loop."""

    captured: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fronts = Fronts()
        self._tasks: set[asyncio.Task[None]] = set()
        self._versions: dict[Key, int] = {}
        self._changed = 0.0
        """When the last change was that has been seen."""
        self._readable = True
        self.url = ""

    async def start(self) -> None:
        """Read everything, then answer. Raises OSError: the port."""
        s = self._settings
        self._records = await open_records(s)
        self._directory = Directory(self._records, Vault(s.data), s.account, time.time, shared=True)
        self._authority = LocalAuthority(self._directory, root_keys(s.data), s.account)
        await self._authority.start()
        self._meter = Meter(SqliteMetrics(s.data / "metrics.sqlite").put, NAMESPACE, time.time)
        self._taps = Taps(Recorder(**spool(s), told=lambda: None), self._meter)
        self._gate = Gate(
            self._ask, self._meter, self._taps, skew=s.clock_skew, largest=s.max_payload, seconds=s.invocation_timeout,
            queue=s.queue_seconds, url=self._server().get("url", ""),
        )
        self._authority.changed.append(self._gate.forget)
        self._routes = Routes(self)
        await self._look(complete=True)
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Front(self._gate.handle, self._give_back, self._fronts, s.max_payload), s.host, s.port, backlog=1024
        )
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._spawn(self._follow())
        self._fronts.sweep()

    async def stop(self) -> None:
        """Accept no more, let requests under way end, let go of everything."""
        self._listener.close()
        await self._fronts.end(GRACE)
        for task in [*self._tasks]:
            task.cancel()
        await self._taps.close()
        await self._meter.close()
        await self._directory.close()
        await self._records.close()

    # -- what the records say

    async def _follow(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(FOLLOW)  # records announce nothing to other processes
            complete = time.monotonic() - last > COMPLETE
            last = time.monotonic() if complete else last
            try:
                await self._look(complete=complete)
                self._readable = True
            except Exception:
                self._readable = False
                log.exception("cannot read the endpoints; those that are known are served")

    async def _look(self, *, complete: bool) -> None:
        since = None if complete else self._changed
        found = await self._records.find("Endpoint", None, Query(modified_after=since, limit=1_000_000))
        for record in found:
            key = (record.scope, record.key)
            if self._versions.get(key) != record.version:
                self._versions[key] = record.version
                self._changed = max(self._changed, record.modified)
                route(self._routes, record)
        if complete:
            for key in self._versions.keys() - {(record.scope, record.key) for record in found}:
                del self._versions[key]
                self._routes.drop(key)

    def put(self, key: Key, name: str, variants: list[VariantSpec]) -> None:
        """A route has changed. Those whose requests leave something behind are the server's."""
        if any(spec.capture is not None or spec.shadows for spec in variants):
            self._gate.routes.drop(key)
            return
        self._gate.routes.put(key, name, variants)
        made = self._gate.routes.get(key)
        for variant in made.every if made else ():
            for worker in variant.workers:
                self._gate.put(worker)

    def drop(self, key: Key) -> None:
        self._gate.routes.drop(key)

    async def retire(self, sockets: list[str], seconds: float) -> None:
        """The server's workers are not this process's to retire."""

    def _ask(self, number: int, grant: Grant) -> None:
        self._spawn(self._judge(number, grant))

    async def _judge(self, number: int, grant: Grant) -> None:
        try:
            if self._readable:
                async with asyncio.timeout(PATIENCE):
                    await self._directory.lookup(grant[0])  # also for what has ended meanwhile
        except Exception:
            self._readable = False
            log.exception("cannot read the key; what is known of it counts")
        self._gate.told(number, await judged(self._authority, grant, self._tags))

    async def _tags(self, where: str) -> ConditionKeys:
        name = parse(where)
        record = await self._records.get("Endpoint", f"{name.account}/{name.region}", name.name)
        return resource_tags(record.doc) if record else {}

    # -- clients

    def _server(self) -> dict[str, Any]:
        """What the server announced of itself last; nothing if it never did, or was stopped."""
        try:
            said: dict[str, Any] = json.loads((self._settings.data / STATE).read_text())
        except (OSError, ValueError):
            return {}
        return said

    def _give_back(self, connection: socket.socket, read: bytes, later: bool) -> None:
        self._spawn(self._pass_on(connection, read))

    async def _pass_on(self, connection: socket.socket, read: bytes) -> None:
        """Be a wire between the client and the server."""
        reader, writer = await asyncio.open_connection(sock=connection)
        address = self._server().get("address")
        try:
            if address is None:
                raise ConnectionRefusedError
            there, out = await asyncio.open_connection(*address)
        except OSError:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
                         b"x-amzn-errortype: ServiceUnavailable\r\ncontent-length: %d\r\n\r\n" % len(_AWAY) + _AWAY)
            writer.close()
            return
        out.write(read)
        both = [asyncio.ensure_future(_pump(reader, out)), asyncio.ensure_future(_pump(there, writer))]
        try:
            await asyncio.wait(both)
        finally:
            for one in both:
                one.cancel()
            writer.close()
            out.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):  # the other direction ends then, too
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def run(settings: Settings, started: Callable[[Replica], None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    serve(lambda: Replica(settings), started)

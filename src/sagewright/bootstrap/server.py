"""Builds and runs a server: ports, platform, slices, wire, in this order; lets go of them in reverse."""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import ipaddress
import json
import logging
import os
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import psutil

from .. import __version__
from ..adapters.files import FileLogs
from ..adapters.runs import SqliteRuns
from ..adapters.sqlite.metrics import SqliteMetrics
from ..adapters.sqlite.records import SqliteRecords
from ..gateway.capture import spool
from ..gateway.supervisor import Gateway
from ..listener import Listener
from ..resources.api import InProcess
from ..resources.auditor import Auditor
from ..resources.metered import MeteredDispatcher
from ..resources.platform import Platform
from ..resources.policy_keys import PolicyKeys
from ..resources.shape import Shapes
from ..resources.tasks import Tasks
from ..resources.telemetry import Telemetry
from ..runtime.reconciler import Reconciler
from ..settings import Settings
from ..slices import SLICES
from ..stores.records import Records
from ..stores.runs import Runs
from ..wire.app import App
from ..wire.models import Models
from ..wire.operations import Operations
from ..wire.types import Authority
from .agent import image_store, images, objects
from .compute import compute

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
STATE = "server.json"
"""File in the data directory that says where a running server is."""


class UnsafeSettings(ValueError):
    """Settings that would expose the machine; the message says what to change."""


class Server:
    """One server. Everything it decides lives in its data directory or its database."""

    def __init__(self, settings: Settings) -> None:
        check(settings)
        self.settings = settings
        self.telemetry = Telemetry()
        self._shapes: dict[str, Shapes] = {}
        self.gateway: Gateway | None = None
        self.workspaces: Listener | None = None

    async def start(self) -> None:
        """Open everything, adopt what an earlier server left behind, and answer."""
        s = self.settings
        s.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        s.data.chmod(0o700)  # also where somebody made the folder before: it holds keys and everybody's data
        self.models = Models()
        self.records = await open_records(s)
        self.runs = await asyncio.to_thread(open_runs, s)
        logs, metrics = FileLogs(s.data / "logs"), SqliteMetrics(s.data / "metrics.sqlite")
        self.compute = compute(s, logs, metrics, lambda: self.platform)
        reconciler = Reconciler(self.records, clock)
        operations = Operations()
        self.auditor = Auditor(self.records, clock)
        dispatcher = MeteredDispatcher(self.models, operations, s, self._authority, self.auditor)
        dispatcher.telemetry = self.telemetry
        self.platform = Platform(
            settings=s, records=self.records, objects=objects(s), logs=logs,
            metrics=metrics, runs=self.runs, compute=self.compute, images=images(s),
            operations=operations, reconciler=reconciler, tasks=Tasks(self.records, self.compute, reconciler),
            api=InProcess(dispatcher, s.region), shapes=self.shapes, clock=clock, audit=self.auditor.change,
            image_registry=image_store(s),
        )
        if s.auth == "strict" and not s.trust_forwarded:
            self.gateway = Gateway(self._authority, metrics, self._adopt, skew=s.clock_skew, largest=s.max_payload, seconds=s.invocation_timeout, queue=s.queue_seconds, capture=spool(s))
            self.platform.gateway = self.gateway
        install(self.platform, SLICES)
        if self.platform.identity is not None:
            self.platform.tasks.revoke = self.platform.identity.revoke
        dispatcher.conditions = PolicyKeys(self.models, self.platform.nouns, self.records)
        if self.gateway is not None:
            self.gateway.tags = dispatcher.conditions.tags
            self._authority().changed.append(self.gateway.forget)
            self.platform.closers.append(self.gateway.close)
        app = App(self.models, dispatcher, s, self._authority, internal=self.internal(), doors=self.platform.doors, paths=self.platform.paths, home=self.platform.home)
        self.listener = Listener(app, s.host, s.port, self.tls if s.tls else None, self.gateway)
        self.url = s.public_url or f"http://{s.host if ':' not in s.host else f'[{s.host}]'}:{self.listener.port}"
        self.platform.endpoint = self.url
        if self.gateway is not None:
            self.gateway.url = self.url
        self._open_workspaces()
        for start in self.platform.starters:
            await settle(start())
        await self.compute.open()
        local = getattr(self.compute, "endpoints", self.compute)
        self.platform.gpus = int(getattr(local, "gpus", 0))
        await reconciler.start()
        await self.platform.tasks.adopt()
        await self.listener.start()
        if self.workspaces is not None:
            await self.workspaces.start()
        self._gauges()
        self._announce()

    def _open_workspaces(self) -> None:
        """Take the port of the workspaces, which have origins of their own: what runs in them is not ours."""
        s, app = self.settings, self.platform.workspaces
        if app is None:
            return
        tls = self.tls if s.tls else None
        try:
            # next to a port that was asked for; next to one that was picked may be another server's
            self.workspaces = Listener(app, s.host, s.workspace_port or (s.port and s.port + 1), tls)
        except (OSError, OverflowError):
            if s.workspace_port:
                raise
            self.workspaces = Listener(app, s.host, 0, tls)
        self.platform.workspace_url = s.workspace_url.rstrip("/") or f"http://*.localhost:{self.workspaces.port}"

    def _gauges(self) -> None:
        process = psutil.Process()
        memory = "sagewright_resident_bytes", "Memory of the server process."
        self.telemetry.gauge(*memory, lambda: float(process.memory_info().rss))
        working = "sagewright_work_running", "Instructions being carried out."
        self.telemetry.gauge(*working, lambda: float(self.platform.reconciler.busy))

    async def stop(self) -> None:
        """Stop answering, let go of running work. Jobs and endpoints go on."""
        (self.settings.data / STATE).unlink(missing_ok=True)
        self.platform.reconciler.changes.close()
        await asyncio.gather(*(one.stop() for one in (self.listener, self.workspaces) if one is not None))
        await self.platform.reconciler.stop()
        for close in reversed(self.platform.closers):
            await settle(close())
        await self.compute.close()
        await self.platform.tasks.close()
        self.platform.objects.close()
        await self.runs.close()
        await self.records.close()

    def _adopt(self, connection: socket.socket, read: bytes, lent: bool) -> None:
        self.listener.adopt(connection, read, lent)

    def _authority(self) -> Authority:
        if self.platform.authority is None:
            raise RuntimeError("no slice provides an Authority")
        return self.platform.authority

    def shapes(self, service: str) -> Shapes:
        if service not in self._shapes:
            self._shapes[service] = Shapes(self.models, service)
        return self._shapes[service]

    def tls(self) -> ssl.SSLContext:
        """The given certificate, or one of the generated local CA."""
        from ..cli.certificates import ensure, server_context

        s = self.settings
        if s.certificate:
            return server_context(Path(s.certificate), Path(s.private_key))
        made = ensure(s.data, [s.host])
        return server_context(made.certificate, made.key)

    def internal(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Our own endpoints below /_sagewright/."""
        return {**self.platform.pages, "health": self._health, "metrics": self._metrics}

    async def _health(self, scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps({"status": "ok", "version": __version__}).encode()
        await answer(send, body, b"application/json")

    async def _metrics(self, scope: Any, receive: Any, send: Any) -> None:
        """Counts, to whoever asks from this machine."""
        if not local(scope):
            body = b'{"__type":"AccessDeniedException","message":"Metrics are for this machine; scrape them from 127.0.0.1."}'
            await answer(send, body, b"application/json", 403)
            return
        await answer(send, self.telemetry.render().encode(), b"text/plain; version=0.0.4")

    def _announce(self) -> None:
        """Say where we are; a whole file or none."""
        state = self.settings.data / STATE
        draft = state.with_suffix(".tmp")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.settings.host, self.settings.host)
        draft.write_text(json.dumps({
            # the address is for gateways of this machine: the URL may be that of a load balancer in front of them
            "address": [host, self.listener.port], "pid": os.getpid(), "url": self.url, "started": clock(), "version": __version__,
            "region": self.settings.region, "account": self.settings.account, "workspaces": self.platform.workspace_url,
        }))
        draft.replace(state)


clock = time.time


def check(settings: Settings) -> None:
    """Raises UnsafeSettings for what only a machine of one's own may do, and for modes that do not exist."""
    modes = ("strict", "lenient", "off")
    if settings.auth not in modes:
        raise UnsafeSettings(f"auth must be one of {', '.join(modes)}, not {settings.auth!r}.")
    if settings.host not in LOOPBACK and settings.auth != "strict":
        raise UnsafeSettings(
            f"auth={settings.auth} is refused unless the server listens on loopback: it lets anybody in. "
            "Use strict, or host 127.0.0.1."
        )
    where = urlsplit(settings.workspace_url)
    if settings.workspace_url and not (where.scheme in ("http", "https") and where.netloc.startswith("*.") and where.netloc.count("*") == 1):
        raise UnsafeSettings(
            f"workspace_url must be http(s)://*.some.name, not {settings.workspace_url!r}: each workspace has a host name of its own, "
            "so that none can read the cookies or the storage of another, or of Studio."
        )


async def open_records(settings: Settings) -> Records:
    """SQLite in the data directory, or the PostgreSQL that the settings name."""
    durable = settings.durability == "power"
    if settings.records:
        from ..adapters.postgres import PostgresRecords

        return await PostgresRecords.open(settings.records, durable=durable)
    return SqliteRecords(settings.data / "records.sqlite", durable=durable)


def open_runs(settings: Settings) -> Runs:
    """Where the records are. Reads what the last server left in the log, which may take a second."""
    durable = settings.durability == "power"
    if settings.records:
        from ..adapters.runs.postgres import PostgresRuns

        return PostgresRuns(settings.records, durable=durable)
    return SqliteRuns(settings.data / "runs", durable=durable)


def install(platform: Platform, slices: Iterable[str]) -> None:
    """Install each slice; what a slice binds is all that the rest knows of it."""
    for name in slices:
        importlib.import_module(f"sagewright.slices.{name}").install(platform)


async def settle(result: Any) -> None:
    if inspect.isawaitable(result):
        await result


def local(scope: Any) -> bool:
    """Whether a request comes from this machine. What a proxy says of its clients is not asked."""
    client = scope.get("client")
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


async def answer(send: Any, body: bytes, content_type: bytes, status: int = 200) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Serving(Protocol):
    """What answers from its start until its stop."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


Made = TypeVar("Made", bound=Serving)


def serve(make: Callable[[], Made], started: Callable[[Made], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``make`` is called on the event loop."""
    import uvloop

    async def main() -> None:
        made = make()
        await made.start()
        gc.collect()
        gc.freeze()  # the models and the bindings stay for good: no collection need walk them again
        started(made)
        done = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, done.set)
        await done.wait()
        await made.stop()

    uvloop.run(main())


def run(settings: Settings, started: Callable[[Server], None] = lambda server: None) -> None:
    """Serve until SIGTERM or SIGINT."""
    serve(lambda: Server(settings), started)

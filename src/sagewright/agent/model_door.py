"""The way in to the model manager of an instance: a thread with an HTTP server on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httptools
import uvloop

from ..gateway.answer import Answer
from ..stores.compute import Task
from .model_files import SEEN, ModelFiles
from .model_meter import ModelMeter
from .model_parts import OUTCOME, TARGET, About
from .multimodel import ModelManager
from .view import Mount

if TYPE_CHECKING:
    from .run import Run

PAGE = os.sysconf("SC_PAGE_SIZE")
STOPPING = 5.0
"""Seconds for the thread to end."""
LOOK = 5.0
"""Seconds between two looks for processes that workers have started."""


class ModelDoor(threading.Thread):
    """Listens from its start, for requests that wait until a worker is there.

    Args:
        path: of the Unix socket.
        inits: worker → process id of its sandbox's init, as this machine counts.
        kill: ends a worker; called on this thread.
    """

    def __init__(self, run: Run, path: Path, inits: Callable[[], dict[int, int]], kill: Callable[[int], None]) -> None:
        super().__init__(name="models", daemon=True)
        self.path, self._inits = path, inits
        task = run.task
        files = ModelFiles(run.ports.objects, run.layout.folder / "models", plain=run.user.uid is not None and not run.idmap)
        run.make(run.layout.inside(SEEN))
        run.inputs.mounts.append(Mount(files.folder, SEEN, owned=run.idmap))
        where = {name: value for name, value in task.usage_dimensions.items() if name != "ContainerName"}
        self._meter = ModelMeter(run.ports.metrics, where)
        self._loop = uvloop.new_event_loop()
        self._stopped = asyncio.Event()
        self._manager = ModelManager(
            about(task), files, self._meter, self._resident, lambda line: run.sink.write([line]), kill
        )
        self._processes: dict[int, list[int]] = {}
        path.unlink(missing_ok=True)
        self._listening = threading.Event()
        self._meter.start()
        self.start()
        self._listening.wait()

    def put(self, index: int, path: Path) -> None:
        """A worker answers at the socket."""
        self._look()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._manager.put, index, str(path))

    def lost(self, index: int) -> None:
        """A worker has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._manager.lost, index)

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopped.set)
        self.join(STOPPING)
        self._meter.stop()
        self._meter.join(STOPPING)

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await self._loop.create_unix_server(lambda: Guest(self._manager), str(self.path), backlog=1024)
        self._listening.set()
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), LOOK)
            await asyncio.to_thread(self._look)
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def _resident(self, index: int) -> int:
        """Bytes that a worker's processes have for themselves: what a warm interpreter shares is not counted."""
        return sum(own(pid) for pid in self._processes.get(index, ()))

    def _look(self) -> None:
        """Find every worker's processes: a search through all of the machine's, so not for each model."""
        below = children()
        self._processes = {index: family(init, below) for index, init in self._inits().items()}


class Guest(asyncio.Protocol):
    """One connection of the gateway's: a request at a time."""

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager
        self._transport: asyncio.Transport | None = None
        self._asking: asyncio.Task[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._answer(Answer(404, {}))
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.abort()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        url, headers, body = self._url, self._headers, b"".join(self._body)
        if "upgrade" in headers:
            return
        asyncio.get_running_loop().call_soon(self._begin_next)
        if url == b"/ping":
            self._answer(Answer(200, {}))
        elif url == b"/models":
            self._answer(Answer(200, {"content-type": "application/json"}, self._manager.listing()))
        elif url == b"/invocations" and TARGET in headers:
            self._asking = asyncio.get_running_loop().create_task(self._invoke(headers, body))
        else:
            self._answer(Answer(404, {OUTCOME: "unreached"}))

    def _begin_next(self) -> None:
        self._begin()

    async def _invoke(self, headers: dict[str, str], body: bytes) -> None:
        passed = {name: value for name, value in headers.items() if name not in ("host", "content-length", "transfer-encoding")}
        try:
            self._answer(await self._manager.invoke(headers[TARGET], passed, body))
        except Exception as error:
            self._answer(Answer(500, {OUTCOME: "broken"}, f"{type(error).__name__}: {error}".encode()))
            raise

    def _answer(self, answer: Answer) -> None:
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {answer.status} Answer", f"content-length: {len(answer.body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + answer.body)


def about(task: Task) -> About:
    """What a task's ``models`` say (see ``gateway.multimodel``)."""
    said: dict[str, Any] = dict(task.models)
    return About(**said)


def children() -> dict[int, list[int]]:
    """Every process of this machine → those that it has started."""
    found: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # the name, in parentheses, may hold anything
                parent = Path(entry.path, "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
                found.setdefault(int(parent), []).append(int(entry.name))
    return found


def family(pid: int, below: dict[int, list[int]]) -> list[int]:
    """A process and everything that came of it."""
    found = [pid]
    for one in found:
        found += below.get(one, ())
    return found


def own(pid: int) -> int:
    """Resident bytes of a process that it shares with nobody; 0 when it is gone."""
    try:
        with Path(f"/proc/{pid}/statm").open(encoding="ascii") as file:
            _, resident, shared, *_ = file.read().split()
    except OSError:
        return 0
    return max(int(resident) - int(shared), 0) * PAGE

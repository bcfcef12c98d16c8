"""Compute beside the server: a launcher that forks agents, reports read from their journals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ...agent.cgroups import remove_leftovers
from ...agent.journal import LAST, Journal, Reader, read_reports
from ...agent.launcher import start_time
from ...agent.layout import Layout, dump_task, nudge, socket_folder, volume_folder, write_atomic
from ...agent.ports import AgentConfig
from ...stores.compute import Report, Task

VANISHED = "InternalServerError: The agent of this task ended without a report; see the task's log, and start it again."


class ProcessCompute:
    """Compute of one data directory. Used from one event loop; ``open`` before anything else."""

    def __init__(self, config: AgentConfig) -> None:
        self.config = config
        self.can: dict[str, Any] = {}
        """What the sandbox can do on this machine, as the launcher found."""
        self.gpus = 0
        """Of this machine; known once open."""
        self._folder = config.data / "jobs"
        self._heard: list[Callable[[str], Awaitable[None]]] = []
        self._launcher: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._starting = asyncio.Lock()
        self._inbox: socket.socket | None = None
        self._watched: dict[str, int] = {}
        """Task id → pidfd of its agent."""
        self._journals: dict[str, Reader] = {}
        """Of the tasks whose reports have been asked for."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        """Start the launcher, listen for reports, and adopt the tasks of an earlier server."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = socket_folder(self.config.data) / "server.sock"
        path.unlink(missing_ok=True)
        self._inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        self._inbox.bind(str(path))
        asyncio.get_running_loop().add_reader(self._inbox.fileno(), self._receive)
        self._keep(asyncio.to_thread(_sweep, self._folder, path.parent, volume_folder(self.config.data, "any").parent))
        await self._ensure_launcher()
        for spec in self._folder.glob("[!.]*/spec.json"):
            self._adopt(Layout(self.config.data, spec.parent.name))

    async def submit(self, task: Task) -> None:
        layout = Layout(self.config.data, task.id)
        if not layout.spec.exists():
            layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(layout.spec, dump_task(task))
        if task.id not in self._watched and not read_reports(layout.events):
            await self._start(task.id)

    async def stop(self, task_id: str, grace: float | None = None, *, discard: bool = False) -> None:
        layout = Layout(self.config.data, task_id)
        if layout.folder.exists() and not self._ended(layout):
            write_atomic(layout.stop, json.dumps({"grace": grace, "discard": discard}))
            nudge(layout.control, "stop")

    async def reports(self, task_id: str, after: int = 0) -> list[Report]:
        layout = Layout(self.config.data, task_id)
        if task_id not in self._watched and layout.pid.exists() and not layout.alive():
            self._bury(layout)
        if not layout.events.exists():
            return []
        return self._journals.setdefault(task_id, Reader(layout.events)).read(after)

    def subscribe(self, heard: Callable[[str], Awaitable[None]]) -> None:
        self._heard.append(heard)

    async def forget(self, task_id: str) -> None:
        layout = Layout(self.config.data, task_id)
        fd = self._watched.pop(task_id, None)
        if fd is not None:
            asyncio.get_running_loop().remove_reader(fd)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            await asyncio.to_thread(select.select, [fd], [], [], 10.0)
            os.close(fd)
        layout.control.unlink(missing_ok=True)
        layout.meeting.unlink(missing_ok=True)
        layout.pool.unlink(missing_ok=True)
        await asyncio.to_thread(remove_leftovers, layout.cgroups)
        await asyncio.to_thread(_remove, layout.folder)
        self._journals.pop(task_id, None)  # somebody may have asked meanwhile
        await asyncio.to_thread(_remove, layout.sockets)

    async def erase(self, volume: str) -> None:
        await asyncio.to_thread(_remove, volume_folder(self.config.data, volume))

    async def close(self) -> None:
        self._closed = True
        loop = asyncio.get_running_loop()
        for task_id in list(self._watched):
            self._unwatch(task_id)
        if self._inbox is not None:
            loop.remove_reader(self._inbox.fileno())
            self._inbox.close()
        if self._writer is not None:
            self._writer.close()
        if self._launcher is not None:
            await self._launcher.wait()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # the launcher

    async def _ensure_launcher(self) -> None:
        async with self._starting:
            if self._writer is not None and not self._writer.is_closing():
                return
            run = socket_folder(self.config.data)
            write_atomic(run / "agent.json", self.config.dump())
            (run / "agent.json").chmod(0o600)
            ours, theirs = socket.socketpair()
            with theirs, (run / "launcher.log").open("ab") as log:
                self._launcher = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "sagewright.agent.launcher", str(run / "agent.json"), str(theirs.fileno()),
                    pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**os.environ, "PYTHONPATH": ":".join(entry for entry in sys.path if entry)},
                )
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            line = await reader.readline()
            if not line:
                raise RuntimeError(f"the job launcher did not start; see {run / 'launcher.log'}")
            self.can = json.loads(line)["can"]
            self.gpus = int(self.can.get("gpus", 0))
            self._writer = writer
            self._keep(self._listen(reader, writer))

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                message = json.loads(line)
                self._watch(message["task"], message["pid"])
        writer.close()
        if not self._closed:  # it died: a new one, and the tasks it had not begun are begun again
            await self._ensure_launcher()
            for spec in self._folder.glob("[!.]*/spec.json"):
                self._adopt(Layout(self.config.data, spec.parent.name))

    async def _start(self, task_id: str) -> None:
        await self._ensure_launcher()
        assert self._writer is not None
        self._writer.write(json.dumps({"start": task_id}).encode() + b"\n")

    # agents

    def _adopt(self, layout: Layout) -> None:
        if layout.id in self._watched or self._ended(layout):
            return
        if layout.alive():
            if not layout.pid.exists():  # it has only just begun
                asyncio.get_running_loop().call_later(0.05, self._adopt, layout)
                return
            raw = json.loads(layout.pid.read_text())
            self._watch(layout.id, raw["pid"], raw["started"])
        elif layout.pid.exists() or read_reports(layout.events):
            self._bury(layout)
        else:
            self._keep(self._start(layout.id))

    def _watch(self, task_id: str, pid: int, started: int | None = None) -> None:
        if task_id in self._watched:
            return
        layout = Layout(self.config.data, task_id)
        try:
            fd = os.pidfd_open(pid)
            if started is not None and start_time(pid) != started:
                os.close(fd)
                raise ProcessLookupError
        except (ProcessLookupError, FileNotFoundError):
            self._bury(layout)
            return
        self._watched[task_id] = fd
        asyncio.get_running_loop().add_reader(fd, self._gone, task_id)

    def _unwatch(self, task_id: str) -> None:
        fd = self._watched.pop(task_id, None)
        if fd is None:
            return
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)

    def _gone(self, task_id: str) -> None:
        self._unwatch(task_id)
        layout = Layout(self.config.data, task_id)
        if layout.pid.exists():  # else it never began: the task is still to be started
            self._adopt(layout)
            # its datagrams get lost while the server's queue of them is full; that it is gone is always seen
            self._keep(self._tell(task_id))

    def _ended(self, layout: Layout) -> bool:
        reports = read_reports(layout.events)
        return bool(reports) and reports[-1].name in LAST

    def _bury(self, layout: Layout) -> None:
        """Write the last report of a task whose agent is gone, unless it wrote it itself."""
        if layout.folder.exists() and not self._ended(layout) and not layout.alive():
            journal = Journal(layout)
            journal.report("Failed", Reason=VANISHED)
            journal.close()

    def _receive(self) -> None:
        assert self._inbox is not None
        names: dict[str, None] = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                names[self._inbox.recv(512).decode()] = None
        for name in names:
            self._keep(self._tell(name))

    async def _tell(self, task_id: str) -> None:
        for heard in self._heard:
            await heard(task_id)

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


GONE = ".gone-"
"""What the name of a folder that is being deleted begins with."""


def _remove(folder: Path) -> None:
    """Delete a folder at once for every reader, then its content."""
    trash = folder.with_name(f"{GONE}{secrets.token_hex(8)}")
    try:
        folder.rename(trash)
    except FileNotFoundError:
        return
    _empty(trash)


def _sweep(*places: Path) -> None:
    """Delete what a killed server was deleting."""
    for place in places:
        for trash in place.glob(f"{GONE}*"):
            _empty(trash)


def _empty(trash: Path) -> None:
    """Delete a folder and its content. A sandbox that is still ending may write meanwhile."""
    for _ in range(100):
        for place, folders, _files in os.walk(trash):
            for name in folders:  # a job, and the overlay's own work folder, may close them to us
                path = Path(place, name)
                if not path.is_symlink() and path.lstat().st_mode & 0o700 != 0o700:
                    path.chmod(0o700)
        shutil.rmtree(trash, ignore_errors=True)
        if not trash.exists():
            return
        time.sleep(0.05)

"""The node launcher: a small process that forks one agent a task and keeps the warm interpreters.

The server starts it with one end of a socket pair and writes it one JSON line a request; it ends when the server does.
Agents go on without it. One agent is forked ahead of its task. It stays single-threaded, so that its forks are safe, and opens no store, so that each agent
opens its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..stores.images import Images
from . import crew, probe, run, serving, staging, usage  # noqa: F401  (imported before the forks)
from .journal import Journal, read_reports
from .layout import Layout, load_task, write_atomic
from .ports import AgentConfig, AgentPorts, Factory
from .view import User, choose_user
from .warmth import Warmth

IDLE = 0.03
"""Seconds without a request after which the next agent is made ready: not while a task is just starting."""


@dataclass(slots=True)
class Spare:
    """An agent made ahead of its task: its stores are open and its user is chosen. It ends when ``conn`` closes."""

    pid: int
    conn: socket.socket

    def take(self, task_id: str) -> bool:
        """Give it its task; False if it is gone."""
        with self.conn, contextlib.suppress(OSError):
            return self.conn.send(task_id.encode()) > 0
        return False


class Launcher:
    def __init__(self, config: AgentConfig, server: socket.socket) -> None:
        self.config, self.server = config, server
        self.factory: Factory = config.build()
        self.can: dict[str, Any] = probe.probe(config.data / "jobs")
        self.layout = Layout(config.data, "launcher")
        with contextlib.suppress(FileNotFoundError):
            self.layout.launcher.unlink()
        self.inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.inbox.bind(str(self.layout.launcher))
        self.warmth = Warmth(self.layout.launcher.parent, config.warm_memory)
        self.spare: Spare | None = None
        self._wants_spare = bool(self.can.get("namespaces"))

    @cached_property
    def images(self) -> Images:
        """Read before the first agent is forked, once the server has been told that all is ready."""
        return self.factory.images(self.config.settings)

    def serve(self) -> None:
        """Answer until the server is gone."""
        import select

        signal.signal(signal.SIGCHLD, lambda *_: None)
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._answer({"ready": True, "can": self.can})
        poll = select.poll()
        for fd in (self.server.fileno(), self.inbox.fileno(), reader):
            poll.register(fd, select.POLLIN)
        pending = b""
        while True:
            ready = poll.poll(1000 * IDLE if self._wants_spare else None)
            if not ready:
                self.spare, self._wants_spare = self._fork(), False
            for fd, _ in ready:
                if fd == reader:
                    with contextlib.suppress(BlockingIOError):
                        os.read(reader, 512)
                    self._reap()
                elif fd == self.inbox.fileno():
                    with contextlib.suppress(BlockingIOError, ValueError):
                        self.warmth.want(json.loads(self.inbox.recv(65536))["warm"], self.images)
                else:
                    data = self.server.recv(65536)
                    if not data:
                        return
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        self._start(json.loads(line)["start"])

    def _answer(self, message: dict[str, Any]) -> None:
        self.server.sendall(json.dumps(message).encode() + b"\n")

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if self.spare is not None and self.spare.pid == pid:
                    self.spare.conn.close()
                    self.spare = None
                self.warmth.ended(pid, status)

    def _start(self, task_id: str) -> None:
        spare, self.spare = self.spare, None
        self._wants_spare = bool(self.can.get("namespaces"))
        if spare is None or not spare.take(task_id):
            spare = self._fork()
            spare.take(task_id)
        self._answer({"task": task_id, "pid": spare.pid})

    def _fork(self) -> Spare:
        images = self.images
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid:
            theirs.close()
            return Spare(pid, ours)
        code = 1
        try:
            ours.close()
            self._become_agent()
            code = agent(self.config, partial(self.factory, self.config.settings, images), theirs, self.can)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(code)

    def _become_agent(self) -> None:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        self.server.close()
        self.inbox.close()
        self.warmth.let_go()


def agent(config: AgentConfig, connect: Callable[[], AgentPorts], launcher: socket.socket, can: dict[str, Any]) -> int:
    """Get ready, wait for a task, and run it in this process, unless another agent has it or it has ended."""
    user, ports = _ready(connect, can)
    with launcher:
        task_id = launcher.recv(4096).decode()
    if not task_id:
        return 0  # the launcher is gone and never had one for us
    layout = Layout(config.data, task_id)
    lock = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _take(lock):
        return 0
    if read_reports(layout.events):
        return 0
    write_atomic(layout.pid, json.dumps({"pid": os.getpid(), "started": start_time(os.getpid())}))
    task = load_task(layout.spec.read_text(encoding="utf-8"))
    if not can.get("namespaces"):
        Journal(layout).report(
            "Failed", Reason=f"InternalServerError: No sandbox on this machine: {can.get('reason', '')}; see `sagewright doctor`"
        )
        return 0
    ports = ports or connect()
    runner = crew.Crew if task.containers else run.Run
    runner(layout, task, ports.bind(layout, task) if ports.bind else ports, user or choose_user(str(os.getpid())), can).execute()
    return 0


def _ready(connect: Callable[[], AgentPorts], can: dict[str, Any]) -> tuple[User | None, AgentPorts | None]:
    """What a task needs whatever it is; nothing where that fails now: the task tries again, and tells."""
    if not can.get("namespaces"):
        return None, None
    try:
        return choose_user(str(os.getpid())), connect()
    except Exception:
        traceback.print_exc()
        return None, None


def _take(lock: int) -> bool:
    """Hold the task's lock for as long as this process lives. A look at it by the server passes within a moment."""
    for _ in range(50):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot: with the pid it names a process for ever."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[19])


def main() -> None:
    """``python -m sagewright.agent.launcher CONFIG SOCKET_FD``"""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setsid()
    config = AgentConfig.load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    server = socket.socket(fileno=int(sys.argv[2]))
    server.set_inheritable(False)
    Launcher(config, server).serve()


if __name__ == "__main__":
    main()

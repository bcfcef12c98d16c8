"""A ``serve`` task of several containers: one instance, on which each has its image, its folders, its network and its log.

Each container runs as a task of its own would, in a thread of the one agent. They share the instance's control groups, its
GPUs and its user. Nobody outside sees more than one task: it is ready when all containers are, and it ends with the first
of them that ends. Within a container that was ready once, processes that die are started again as always.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
from typing import Any

from ..stores.compute import ReportName, Task
from ..stores.images import Image, unlabelled
from .cgroups import Group
from .gpus import Allotment, take
from .journal import LAST, Journal
from .layout import Layout, nudge, write_atomic
from .ports import AgentPorts
from .run import Run, TaskFailed
from .serving import STOP_GRACE
from .stopping import Control
from .usage import Usage
from .view import Command, User

PATIENCE = 10.0
"""Seconds beyond the grace for a container to end; then its sandbox ends with this process."""


class _Voice:
    """What one container reports, as the crew hears it."""

    def __init__(self, crew: Crew, index: int) -> None:
        self._crew, self._index = crew, index

    def report(self, name: ReportName, **data: Any) -> None:
        self._crew.heard(self._index, name, data)


class Member(Run):
    """One container."""

    def __init__(self, crew: Crew, index: int, task: Task) -> None:
        layout = Layout(crew.layout.data, f"{crew.task.id}.{index}", crew.layout)
        layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(layout, task, crew.ports, crew.user, crew.can, journal=_Voice(crew, index), group=crew.group)
        self._gpus = crew.gpus
        self.thread = threading.Thread(target=self.execute, name=f"container {task.hostname}", daemon=True)

    def _take_gpus(self) -> Allotment:
        return self._gpus

    def _command(self, image: Image) -> Command:
        if reason := unlabelled(self.task.image, image):
            raise TaskFailed(f"ClientError: {reason}")
        return super()._command(image)

    def stop(self, grace: float) -> None:
        """Ask it to end, at once where ``grace`` is 0."""
        write_atomic(self.layout.stop, json.dumps({"grace": grace}))
        nudge(self.layout.control, "stop")


class Crew:
    """The containers of one running task."""

    def __init__(self, layout: Layout, task: Task, ports: AgentPorts, user: User, can: dict[str, bool]) -> None:
        self.layout, self.task, self.ports, self.user, self.can = layout, task, ports, user, can
        self.journal = Journal(layout)
        self.control = Control(layout)
        self.group = Group(task.id, task.limits)
        write_atomic(layout.cgroups, "\n".join(self.group.folders))
        self.gpus = Allotment(0)
        self.members: list[Member] = []
        self._lock = threading.Lock()
        self._reports: list[set[ReportName]] = [set() for _ in task.containers]
        self._sockets: list[set[str]] = [set() for _ in task.containers]
        self._exits: dict[int, dict[str, Any]] = {}
        self._ended: list[tuple[int, ReportName, dict[str, Any]]] = []
        """In the order in which they ended."""
        self._news, self._tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._full = False

    def execute(self) -> None:
        """Run to the end, reports included."""
        try:
            self._execute()
        except Exception as error:
            self.journal.report("Failed", Reason=f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            self._end(0.0)
            self.control.close()
            self.group.remove()

    def _execute(self) -> None:
        self.layout.sockets.mkdir(mode=0o700, exist_ok=True)
        self.gpus = take(self.task.limits.gpus)
        self.members = [Member(self, index, task) for index, task in enumerate(self.task.containers)]
        usage = Usage(
            self.task, self.ports.metrics, self.layout.folder, self._inits, self._over_memory,
            self.group.out_of_memory if self.group.memory else None, self.gpus.usage,
        )
        usage.start()
        for member in self.members:
            member.thread.start()
        grace = self._watch()
        self._end(0.0 if grace is None else STOP_GRACE if grace < 0 else grace)
        usage.stop()
        self._report_end(stopped=grace is not None)

    def _watch(self) -> float | None:
        """Wait for the first container that ends, or a wish to stop, whose grace is returned."""
        poll = select.poll()
        for fd in (self.control.socket.fileno(), self._news):
            poll.register(fd, select.POLLIN)
        while True:
            if (grace := self.control.grace()) is not None:
                return grace
            with self._lock:
                if self._ended:
                    return None
            poll.poll()
            with contextlib.suppress(BlockingIOError):
                os.read(self._news, 512)

    def _end(self, grace: float) -> None:
        """Stop those that still run, all at once, and wait for them."""
        running = [member for member in self.members if member.thread.is_alive()]
        for member in running:
            member.stop(grace)
        for member in running:
            member.thread.join(grace + PATIENCE)

    def _report_end(self, *, stopped: bool) -> None:
        with self._lock:
            index, name, data = self._ended[0] if self._ended else (0, "Finished", {})
            exited = self._exits.get(index, {"ExitCode": 143, "Failure": None, "Message": None, "TimedOut": False, "LastLog": ""})
        which = {"Container": self.task.containers[index].hostname}
        if name == "Failed" and not stopped:
            self.journal.report("Failed", **data, **which)
            return
        memory = {"OutOfMemory": self._full or exited.get("OutOfMemory", False)}
        self.journal.report("Exited", **{**exited, **memory, "Stopped": stopped}, **({} if stopped else which))
        self.journal.report("Finished")

    # -- what the containers say, each in its thread

    def heard(self, index: int, name: ReportName, data: dict[str, Any]) -> None:
        with self._lock:
            new = name not in self._reports[index]
            self._reports[index].add(name)
            if name in LAST:
                self._ended.append((index, name, data))
                os.write(self._tell, b"!")
            elif name == "Exited":
                self._exits[index] = data
            elif name == "Ready":
                self._sockets[index] |= set(data["Sockets"])  # one that is being started again comes back in the same place
                if self._all(name):
                    self._announce()
            elif name in ("Preparing", "Metric") or (new and self._all(name)):
                self.journal.report(name, **data)

    def _all(self, name: ReportName) -> bool:
        return all(name in said for said in self._reports)

    def _announce(self) -> None:
        """Report the sockets of all, and whose they are."""
        sockets = [path for paths in self._sockets for path in sorted(paths)]
        counts = [[task.hostname, len(paths)] for task, paths in zip(self.task.containers, self._sockets, strict=True)]
        self.journal.report("Ready", Sockets=sockets, Containers=counts)

    # -- what they use together

    def _inits(self) -> list[int]:
        return [pid for member in self.members for pid in member.inits()]

    def _over_memory(self) -> None:
        """The instance's memory is the containers' together."""
        self._full = True
        for member in self.members:
            member._over_memory()

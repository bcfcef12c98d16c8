"""One task from beginning to end: prepare, stage, run, upload, report."""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import math
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..stores.compute import Task
from ..stores.images import Image, UnknownImage
from . import rootfs
from .archive import read_text
from .cgroups import Group
from .gpus import Allotment, take
from .inputs import Inputs
from .journal import Journal, Reports
from .layout import Layout, nudge, short, write_atomic
from .network import Network
from .output import Mirror, store
from .ports import AgentPorts
from .pump import Pump, Sink
from .selection import StagingError
from .staging import Cancelled
from .stopping import Control, StopClock
from .usage import Usage
from .view import Command, NoEntry, User, command, request
from .workload import SandboxError, Workload, reserve, start_cold, start_warm

TEXT_LIMIT = 1024
CONTINUOUS_EVERY = 1.0


class TaskFailed(Exception):
    """The platform or the input failed; the message is the reason, with its prefix."""


class Run:
    """The state of one running task.

    Args:
        journal: who hears the reports; the task's own journal unless given.
        group: the control groups; made for the task, and removed with it, unless given.
    """

    def __init__(
        self, layout: Layout, task: Task, ports: AgentPorts, user: User, can: dict[str, bool], *,
        journal: Reports | None = None, group: Group | None = None,
    ) -> None:
        self.layout, self.task, self.ports, self.user, self.can = layout, task, ports, user, can
        self.journal: Reports = journal or Journal(layout)
        self.control = Control(layout)
        self.group, self._given_group = group or Group(task.id, task.limits), group is not None
        if group is None:
            write_atomic(layout.cgroups, "\n".join(self.group.folders))
        self.sink = Sink(task, ports.logs, ports.metrics, self.journal.report)
        self.inputs = Inputs(self, self._check, self._kill)
        self.workloads: list[Workload] = []
        self.pumps: list[Pump] = []
        self.out_of_memory = False
        self.mirrors: list[Mirror] = []
        self.idmap = can.get("idmap", False) and user.userns is not None
        self.overlaid = can.get("overlay", False) and (self.idmap or user.uid is None)
        self.environment: Path | None = None
        """Takes what the task installs into its image's environment."""
        self._reserved: socket.socket | None = None
        self.gpus = Allotment(0)
        self.network: Network | None = None
        """Of a task with peers, once it is staged."""

    # the sequence

    def execute(self) -> None:
        try:
            self._execute()
        except Cancelled:
            self.journal.report("Exited", **self._exit(143, stopped=True), Unstarted=True)
            self.journal.report("Finished")
        except (TaskFailed, StagingError) as error:
            self.journal.report("Failed", Reason=str(error))
        except SandboxError as error:
            self.journal.report("Failed", Reason=f"InternalServerError: The sandbox could not be set up: {error}")
        except Exception as error:
            self.journal.report("Failed", Reason=f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            self._kill()
            self.inputs.close()
            if self._reserved is not None:
                self._reserved.close()
            if self.network is not None:
                self.network.close()
            self.control.close()
            if not self._given_group:
                self.group.remove()

    def _execute(self) -> None:
        image = self._prepare()
        what = self._command(image)
        self.journal.report("Staging")
        self.gpus = self._take_gpus()
        self._reserved = self._reserve(image, what)
        self._folders()
        self.inputs.put()
        if self.task.kind == "serve":
            from . import pool, serving

            (pool.serve if self.task.on_demand else serving.serve)(self, image, what)
            return
        self._start_log()
        self.inputs.start()
        if self.task.peers:
            self.network = Network(self.layout, self.task)
        self.mirrors = self._mirrors()
        workload = self.start(image, what)
        self.inputs.serve(workload)
        self.journal.report("Started", Pid=workload.pid)
        code, stopped, timed_out = self._watch(workload)
        if (reason := self.inputs.close()) and not stopped:
            raise TaskFailed(reason)
        self._finish(code, stopped, timed_out)

    def _take_gpus(self) -> Allotment:
        return take(self.task.limits.gpus)

    def _prepare(self) -> Image:
        if self.task.peers and not self.can.get("network", True):
            raise TaskFailed(f"InternalServerError: No network of a job's own on this machine: {self.can.get('network_reason')}; see `sagewright doctor`")
        images = self.ports.images
        try:
            image = images.resolve(self.task.image)
        except UnknownImage as error:
            raise TaskFailed(f"ClientError: Cannot pull {self.task.image}: {error}") from None
        if not images.ready(image):
            how = "Building the environment of" if image.root is None and not image.remote else "Preparing the image"
            self.journal.report("Preparing", Message=f"{how} {image.repository}:{image.tag}")
            try:
                images.ensure(image, lambda line: self.journal.report("Preparing", Message=line))
            except RuntimeError as error:
                raise TaskFailed(f"ClientError: Cannot pull {self.task.image}: {error}") from None
            image = images.resolve(self.task.image)
        if image.root is not None and not rootfs.hold(image.root):
            return self._prepare()  # it was removed in this moment
        return image

    def _command(self, image: Image) -> Command:
        try:
            return command(self.task, image) if image.root is None else rootfs.command(self.task, image)
        except NoEntry as error:
            raise TaskFailed(f"ClientError: {error}") from None

    # folders and inputs

    def make(self, folder: Path) -> None:
        """Make a folder under the task's /opt/ml, and those above it, all belonging to the task's user."""
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for one in reversed(missing):
            one.mkdir()
            self.user.give(one)

    def _folders(self) -> None:
        layout = self.layout
        for folder in (layout.ml, layout.folder / "tmp", layout.folder / "home"):
            folder.mkdir(parents=True, exist_ok=True)
            self.user.give(folder)
        (layout.folder / "root").mkdir(exist_ok=True)
        self.environment = self.upper("environment")
        (layout.folder / "tmp").chmod(0o1777)
        for path in ("/opt/ml/model", "/opt/ml/output", "/opt/ml/input", *self.task.directories):
            self.make(layout.inside(path))
        for output in self.task.outputs:
            self.make(layout.inside(output.path))
        for path, text in self.task.files.items():
            target = layout.inside(path)
            self.make(target.parent)
            target.write_text(text, encoding="utf-8")
            self.user.give(target)

    def upper(self, name: str) -> Path | None:
        """A folder that takes what the task writes over something shared; None where it must be read-only instead."""
        if not self.overlaid:
            return None
        folder = self.layout.folder / "over" / name
        (folder / "work").mkdir(parents=True, exist_ok=True)
        (folder / "upper").mkdir(exist_ok=True)
        self.user.give(folder / "upper")
        return folder

    def _check(self) -> None:
        if self.control.grace() is not None:
            raise Cancelled

    # the process

    def _start_log(self) -> None:
        if self.task.log_group:
            self.ports.logs.create_stream(self.task.log_group, self.task.log_stream)
        if notes := [*self.task.notes, *self.inputs.notes, *self.gpus.notes]:
            self.sink.write(notes)

    def start(self, image: Image, what: Command, env: dict[str, str] | None = None) -> Workload:
        """Start a process in a sandbox of its own and pump its output. Raises SandboxError."""
        if image.root is not None:
            return rootfs.launch(self, image, what, env or {})
        spec = request(
            self.layout, self.task, image, self.user, what, self.inputs.mounts, idmap=self.idmap, over=self.environment,
            sockets=self.task.kind == "serve", cgroups=self.group.folders, cpus=self._cpus(),
            network=self.network,
        )
        spec["env"].update(env or {})
        self.gpus.show(spec, self.task.env)
        reader, writer = os.pipe()
        fds = [writer] + ([self.user.userns] if self.user.userns is not None else [])
        try:
            workload = self._start_warm(image, what, spec, fds) or start_cold(spec, fds)
        finally:
            os.close(writer)
        pump = Pump(reader, self.sink)
        pump.start()
        self.pumps.append(pump)
        self.workloads.append(workload)
        if self.network is not None:
            self.network.start(workload, self.control)
        workload.wait_started()
        return workload

    def reserve(self, image: Image, what: Command) -> None:
        """Have a sandbox wait for what is started next, if a warm interpreter has one."""
        if self._reserved is None and image.root is None:
            self._reserved = self._reserve(image, what)

    def unreserve(self) -> None:
        """Let go of the sandbox that waits for the task."""
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    @contextlib.contextmanager
    def within(self, group: Group) -> Iterator[None]:
        """Processes that start meanwhile belong to this group instead of the task's."""
        before, self.group = self.group, group
        try:
            yield
        finally:
            self.group = before

    def _reserve(self, image: Image, what: Command) -> socket.socket | None:
        """A warm sandbox, if the program is one for it and its interpreter is up."""
        if what.python is None:
            return None
        nudge(self.layout.launcher, json.dumps({"warm": self.task.image}))
        return reserve(self.layout.launcher.with_name(f"warm-{image.lock_hash[:16]}.sock"), self.group.folders)

    def _start_warm(self, image: Image, what: Command, spec: dict[str, object], fds: list[int]) -> Workload | None:
        conn, self._reserved = self._reserved or self._reserve(image, what), None
        return None if conn is None else start_warm(conn, {**spec, "argv": what.python_argv, "python": what.python}, fds)

    def inits(self) -> list[int]:
        return [workload.pid for workload in self.workloads if workload.pid and workload.code is None]

    def _kill(self) -> None:
        for workload in self.workloads:
            workload.kill()
        self.inputs.release()

    def _signal(self, workload: Workload, number: int) -> None:
        workload.signal(number)
        if number == signal.SIGKILL:
            self.inputs.release()

    def _over_memory(self) -> None:
        self.out_of_memory = True
        self._kill()

    def _cpus(self) -> list[int] | None:
        """The processors a task is confined to where no control group limits it: some, chosen by its name."""
        here = sorted(os.sched_getaffinity(0))
        count = math.ceil(self.task.limits.cpus)
        if self.group.cpu or not 0 < count < len(here):
            return None
        start = int(short(self.task.id), 16) % len(here)
        return [here[(start + step) % len(here)] for step in range(count)]

    def usage(self) -> Usage:
        usage = Usage(
            self.task, self.ports.metrics, self.layout.folder, self.inits, self._over_memory,
            self.group.out_of_memory if self.group.memory else None, self.gpus.usage,
        )
        usage.start()
        return usage

    def _watch(self, workload: Workload) -> tuple[int, bool, bool]:
        """(exit code, stopped, timed out) once the process has ended."""
        usage = self.usage()
        syncing = threading.Event()
        syncer = threading.Thread(target=self._sync, args=(syncing,), name="sync", daemon=True)
        if self.mirrors:
            syncer.start()
        clock = StopClock(self.task, self.control, partial(self._signal, workload))
        poll = select.poll()
        workload.watch(poll)
        poll.register(self.control.socket, select.POLLIN)
        while workload.code is None:
            ready = {fd for fd, _ in poll.poll(clock.wait() * 1000)}
            if workload.conn.fileno() in ready:
                workload.read()
            clock.tick()
        usage.stop()
        syncing.set()
        if self.mirrors:
            syncer.join()
        for pump in self.pumps:
            pump.join(timeout=30)
        return workload.code, clock.stopped, clock.timed_out

    def _mirrors(self) -> list[Mirror]:
        """Of folders that are stored while the task runs. What inputs have put there from the same place is stored already."""
        found = []
        given = {(item.path.rstrip("/"), item.uri.rstrip("/")) for item in self.task.inputs}
        for output in self.task.outputs:
            if output.mode == "Continuous":
                found.append(Mirror(self.ports.objects, self.layout.ml, self.layout.inside(output.path), output))
                if (output.path.rstrip("/"), output.uri.rstrip("/")) in given:
                    found[-1].adopt(output.erase)
        return found

    def _sync(self, done: threading.Event) -> None:
        while not done.wait(CONTINUOUS_EVERY):
            for mirror in self.mirrors:
                with contextlib.suppress(Exception):  # tried again, and at the end its failure counts
                    mirror.sync()

    def _exit(self, code: int, *, stopped: bool = False, timed_out: bool = False) -> dict[str, object]:
        def read(path: str) -> bytes | None:
            return read_text(self.layout.ml, self.layout.inside(path), TEXT_LIMIT * 4) if path else None

        failure, message = read(self.task.failure_file), read(self.task.message_file)
        garbled = message is not None and not _is_text(message)
        return {
            "ExitCode": code, "Failure": None if failure is None else failure.decode("utf-8", "replace")[:TEXT_LIMIT],
            "Message": None if message is None or garbled else message.decode("utf-8", "replace")[:TEXT_LIMIT], "Garbled": garbled,
            "TimedOut": timed_out, "Stopped": stopped, "OutOfMemory": self.out_of_memory or (code != 0 and self.group.out_of_memory()), "LastLog": "\n".join(self.sink.last),
        }

    def _finish(self, code: int, stopped: bool, timed_out: bool) -> None:
        self.journal.report("Exited", **self._exit(code, stopped=stopped, timed_out=timed_out))
        root = self.layout.ml
        mirrors = iter(self.mirrors)
        discarded = stopped and self.control.discards()
        for output in self.task.outputs:
            if discarded and output.mode != "Continuous":
                continue
            try:
                if output.mode == "Continuous":
                    next(mirrors).sync(final=True)
                elif output.on_failure or code == 0 or stopped or timed_out:
                    store(self.ports.objects, root, self.layout.inside(output.path), output)
            except Exception as error:
                raise TaskFailed(f"{blamed(error)}: Data upload failed:Unable to store {output.uri} ({error})") from None
        self.gpus.release()  # first: whoever hears of the end may start the next job at once
        self.journal.report("Finished")


def blamed(error: Exception) -> str:
    """Whose fault it is that an output could not be stored: the platform's where its disk is full or broken, so that the job is
    tried again as its RetryStrategy says; else the caller's, who names the place and its rights."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
    return "InternalServerError" if full else "ClientError"


def _is_text(raw: bytes) -> bool:
    """Whether bytes are UTF-8, whose last character may be cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return False
    return True

"""A ``serve`` task that scales to zero: its instances start and stop as the server says, its files stay where they are.

Each instance is a sandbox of its own with all of the task's limits, and answers on a Unix socket of its own. The server
connects to ``Layout.pool`` and speaks JSON, one object a line:

- to us: ``{"wake": slot}``, ``{"stop": slot}``
- from us: ``{"hello": {slot: socket}}`` first, with the instances that answer; ``{"ready": slot, "socket": path, "seconds": s}``
  once one answers its first ping; ``{"ended": slot, "ready": it had answered, "slow": it did not in time, ...}`` with what an
  Exited report has.

Instances outlive the server; without one for ``Task.idle_seconds`` all of them end. The first instance starts with the task:
a model that cannot serve is found out before anybody asks it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..stores.images import Image
from .cgroups import Group
from .layout import nudge, write_atomic
from .pump import Pump
from .serving import FAILED_PROBES, FIRST_RETRY, LONGEST_RETRY, PING_SECONDS, PROBE_EVERY, STOP_GRACE
from .usage import Usage, processes, resident
from .view import Command
from .workload import SandboxError, Workload

if TYPE_CHECKING:
    from .run import Run

PING = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
IN_CREATE, IN_MOVED_TO = 0x100, 0x80


class Ping:
    """``GET /ping`` on a Unix socket without waiting for it: ``sock`` becomes readable when the answer comes."""

    def __init__(self, path: Path) -> None:
        self.until = time.monotonic() + PING_SECONDS
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.healthy: bool | None = None
        """None while there is no answer yet."""
        self._head = b""
        try:
            self.sock.connect(str(path))
            self.sock.send(PING)
        except OSError:
            self._end(False)

    def look(self) -> None:
        """Take in what has come, or give up when the time is over."""
        if self.healthy is not None:
            return
        try:
            data = self.sock.recv(4096)
        except BlockingIOError:
            if time.monotonic() > self.until:
                self._end(False)
            return
        except OSError:
            data = b""
        self._head += data
        if not data or b"\r\n" in self._head:
            self._end(self._head.split(b" ")[1:2] == [b"200"])

    def _end(self, healthy: bool) -> None:
        self.healthy = healthy
        self.sock.close()


class Arrivals:
    """Tells when a file appears in a folder (inotify)."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd >= 0:
            libc.inotify_add_watch(self.fd, str(folder).encode(), IN_CREATE | IN_MOVED_TO)

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(self.fd, 4096):
                pass


@dataclass(slots=True)
class Instance:
    """One sandbox, from its start to its end."""

    slot: int
    path: Path
    group: Group
    workload: Workload
    pump: Pump
    began: float
    ready: bool = False
    slow: bool = False
    over: bool = False
    """It held more memory than it may, and no control group to say so."""
    ping: Ping | None = None
    next_ping: float = 0.0
    delay: float = FIRST_RETRY
    failed: int = 0
    kill_at: float = float("inf")


@dataclass(slots=True)
class Client:
    conn: socket.socket
    pending: bytes = b""

    def tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it is gone, or will be told by its next hello
            self.conn.send(json.dumps(message).encode() + b"\n")


class Pool:
    """The instances of one task."""

    def __init__(self, run: Run, image: Image, what: Command) -> None:
        self.run, self.image, self.what = run, image, what
        self.instances: dict[int, Instance] = {}
        self.clients: dict[int, Client] = {}
        self.groups: dict[int, Group] = {}
        self.usage: Usage | None = None
        self.announced = False
        self.reserved: int | None = None
        """The slot whose next instance has a sandbox waiting."""
        self.alone_since = time.monotonic()
        path = run.layout.pool
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.arrivals = Arrivals(run.layout.sockets)

    # -- instances

    def start(self, slot: int) -> None:
        """Start an instance unless it runs. Raises SandboxError."""
        if slot in self.instances:
            return
        began = time.monotonic()
        path = self.run.layout.sockets / f"instance-{slot}.sock"
        path.unlink(missing_ok=True)
        env = {"SAGEWRIGHT_SOCKET": f"/opt/ml/run/{path.name}", "SAGEWRIGHT_WORKER": str(slot)}
        env |= {"SAGEMAKER_BIND_TO_PORT": self.run.task.env.get("SAGEMAKER_BIND_TO_PORT", "8080")}
        group = self._group(slot)
        if self.reserved not in (None, slot):
            self.run.unreserve()
        self.reserved = None
        with self.run.within(group):
            self.run.reserve(self.image, self.what)
            workload = self.run.start(self.image, self.what, env)
        self.instances[slot] = Instance(slot, path, group, workload, self.run.pumps[-1], began)

    def _reserve(self) -> None:
        """Keep a sandbox ready in the first instance's groups while everybody sleeps: the kernel takes long to let it in."""
        if not self.instances and self.reserved is None:
            with self.run.within(self._group(0)):
                self.run.reserve(self.image, self.what)
            self.reserved = 0

    def _group(self, slot: int) -> Group:
        if slot not in self.groups:
            self.groups[slot] = Group(f"{self.run.task.id}/{slot}", self.run.task.limits)
            folders = [folder for group in (self.run.group, *self.groups.values()) for folder in group.folders]
            write_atomic(self.run.layout.cgroups, "\n".join(folders))
        return self.groups[slot]

    def stop(self, slot: int) -> None:
        """SIGTERM, and SIGKILL when that has not ended it in time."""
        if (instance := self.instances.get(slot)) is not None and instance.kill_at == float("inf"):
            instance.workload.signal(signal.SIGTERM)
            instance.kill_at = time.monotonic() + STOP_GRACE

    def _ended(self, instance: Instance) -> dict[str, Any]:
        """Forget an instance; what an Exited report says of it."""
        del self.instances[instance.slot]
        self.run.workloads.remove(instance.workload)
        instance.pump.join(timeout=2)  # its last words
        self.run.pumps.remove(instance.pump)
        if instance.ping is not None:
            instance.ping.sock.close()
        with self.run.within(instance.group):
            said = self.run._exit(instance.workload.code or 0)
        said["OutOfMemory"] = bool(said["OutOfMemory"] or instance.over)
        if said["OutOfMemory"]:  # the group remembers it for good
            self.groups.pop(instance.slot).remove()
        if not self.instances and self.usage is not None:
            self.usage.stop()
            self.usage = None
        return said

    # -- the loop

    def loop(self) -> dict[str, Any] | None:
        """Serve until stopped (None), or until the first instance ends or stays silent: then what there is to say of it."""
        control = self.run.control
        while True:
            poll = select.poll()
            for fd in (control.socket.fileno(), self.listener.fileno(), self.arrivals.fd, *self.clients):
                poll.register(fd, select.POLLIN)
            watched = [one.workload.watch(poll) for one in self.instances.values()]
            for one in self.instances.values():
                if one.ping is not None and one.ping.healthy is None:
                    poll.register(one.ping.sock, select.POLLIN)
            ready = {fd for fd, _ in poll.poll(self._wait() * 1000 if all(watched) else 0)}
            if control.socket.fileno() in ready and control.grace() is not None:
                return None
            if self.arrivals.fd in ready:
                self.arrivals.drain()
                for one in self.instances.values():
                    one.next_ping = 0.0 if not one.ready else one.next_ping
            self._hear(ready)
            for one in list(self.instances.values()):
                if one.workload.conn.fileno() in ready:
                    one.workload.read()
                if one.workload.code is None:
                    continue
                said = self._ended(one)
                if not self.announced:
                    return said | {"slow": one.slow}
                self.tell({"ended": one.slot, "ready": one.ready, "slow": one.slow, **said})
                self._reserve()
            self._probe()
            self._end_of_time()

    def _wait(self) -> float:
        now = time.monotonic()
        due = [now + 3600.0]
        for one in self.instances.values():
            due.append(one.kill_at)
            due.append(one.next_ping if one.ping is None or one.ping.healthy is not None else one.ping.until + 0.01)
            if not one.ready:
                due.append(one.began + self.run.task.startup_seconds)
        if not self.clients and self.instances and self.announced:
            due.append(self.alone_since + self.run.task.idle_seconds)
        return max(0.0, min(due) - now)

    def _end_of_time(self) -> None:
        now = time.monotonic()
        for one in self.instances.values():
            if one.kill_at <= now:
                one.workload.kill()
                one.kill_at = now + 5.0
            if not one.ready and not one.slow and now > one.began + self.run.task.startup_seconds:
                one.slow = True
                one.workload.kill()
        if not self.clients and self.announced and now >= self.alone_since + self.run.task.idle_seconds:
            for slot in list(self.instances):
                self.stop(slot)

    def _probe(self) -> None:
        for one in self.instances.values():
            now = time.monotonic()
            if one.ping is None:
                if one.next_ping > now or one.kill_at != float("inf"):
                    continue
                one.ping = Ping(one.path)
            one.ping.look()
            if one.ping.healthy is None:
                continue
            healthy, one.ping = one.ping.healthy, None
            self._probed(one, healthy)

    def _probed(self, one: Instance, healthy: bool) -> None:
        now = time.monotonic()
        if healthy:
            one.failed, one.next_ping = 0, now + PROBE_EVERY
            if not one.ready:
                one.ready = True
                self._announce(one, now - one.began)
        elif not one.ready:
            # a socket that is there listens in a moment; one that is not announces itself
            one.next_ping = now + (0.0005 if one.path.exists() and one.delay <= FIRST_RETRY else one.delay)
            one.delay = min(one.delay * 1.2, LONGEST_RETRY)
        else:
            one.failed += 1
            one.next_ping = now + PING_SECONDS
            if one.failed >= FAILED_PROBES:
                one.workload.kill()

    def _announce(self, one: Instance, seconds: float) -> None:
        self.tell({"ready": one.slot, "socket": str(one.path), "seconds": seconds})
        if not self.announced:
            self.announced = True
            self.alone_since = time.monotonic()
            self.run.journal.report("Ready", Sockets=[str(self.run.layout.pool)])
        if self.usage is None:
            self.usage = Usage(
                self.run.task, self.run.ports.metrics, self.run.layout.folder, self.run.inits, lambda: None, self._over_memory,
                self.run.gpus.usage,
            )
            self.usage.start()

    def _over_memory(self) -> bool:
        """End each instance that holds more than it may. In the thread that watches; False, for the others go on."""
        for one in list(self.instances.values()):
            if one.group.memory:
                over = one.group.out_of_memory()
            else:
                roots = [one.workload.pid] if one.workload.pid else []
                over = one.over = sum(resident(process) for process in processes(roots)) > self.run.task.limits.memory
            if over:
                one.workload.kill()
        return False

    # -- the server

    def tell(self, message: dict[str, Any]) -> None:
        for client in self.clients.values():
            client.tell(message)

    def _hear(self, ready: set[int]) -> None:
        for fd in [fd for fd in self.clients if fd in ready]:
            client = self.clients[fd]
            try:
                data = client.conn.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                client.conn.close()
                del self.clients[fd]
                self.alone_since = time.monotonic()
                continue
            *lines, client.pending = (client.pending + data).split(b"\n")
            for line in lines:
                self._obey(json.loads(line))
        if self.listener.fileno() in ready:
            with contextlib.suppress(OSError):
                conn, _ = self.listener.accept()
                conn.setblocking(False)
                self.clients[conn.fileno()] = Client(conn)
                awake = {str(s): str(i.path) for s, i in self.instances.items() if i.ready and i.kill_at == float("inf")}
                self.clients[conn.fileno()].tell({"hello": awake})
                nudge(self.run.layout.launcher, json.dumps({"warm": self.run.task.image}))

    def _obey(self, message: dict[str, Any]) -> None:
        if "wake" in message:
            slot = message["wake"]
            known = self.instances.get(slot)
            if known is not None and known.ready:
                self.tell({"ready": slot, "socket": str(known.path), "seconds": 0.0})
                return
            try:
                self.start(slot)
            except SandboxError as error:
                self.tell({"ended": slot, "ready": False, "slow": False, "Reason": f"The sandbox could not be set up: {error}"})
        elif "stop" in message:
            self.stop(message["stop"])

    def close(self, grace: float) -> None:
        """End every instance; returns when none is left."""
        for slot in list(self.instances):
            self.stop(slot)
        until = time.monotonic() + grace
        for one in self.instances.values():
            while one.workload.code is None:
                left = until - time.monotonic()
                if left <= 0 or not select.select([one.workload.conn], [], [], left)[0]:
                    one.workload.kill()
                one.workload.read()
        if self.usage is not None:
            self.usage.stop()
        self.run.unreserve()
        for group in self.groups.values():
            group.remove()
        self.listener.close()
        self.run.layout.pool.unlink(missing_ok=True)


def serve(run: Run, image: Image, what: Command) -> None:
    """Run an on-demand serve task to its end, reports included."""
    run.layout.sockets.mkdir(mode=0o700, exist_ok=True)
    run.user.give(run.layout.sockets)
    run._start_log()
    run.unreserve()  # an instance's sandbox belongs to the instance's group
    pool = Pool(run, image, what)
    pool.start(0)
    run.journal.report("Started", Pid=pool.instances[0].workload.pid)
    said = pool.loop()
    grace = run.control.grace()
    pool.close(0.0 if said is not None else STOP_GRACE if grace is None or grace < 0 else grace)
    for pump in run.pumps:
        pump.join(timeout=10)
    if said is not None and said["slow"]:
        words = " | ".join(run.sink.last[-3:])
        reason = f"ClientError: No answer to GET /ping within {run.task.startup_seconds:g} seconds. Last log: {words}"
        run.journal.report("Failed", Reason=reason)
        return
    run.journal.report("Exited", **(said if said is not None else run._exit(143, stopped=True)))
    run.journal.report("Finished")

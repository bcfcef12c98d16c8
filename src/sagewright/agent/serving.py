"""A ``serve`` task: several workers of one image, each on its own Unix socket, watched until it is stopped."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..stores.images import Image
from .view import Command
from .workload import Workload

if TYPE_CHECKING:
    from .model_door import ModelDoor
    from .run import Run

FIRST_RETRY, LONGEST_RETRY = 0.005, 0.25
"""Seconds between pings while a worker starts."""
PING_SECONDS = 2.0
PROBE_EVERY = 10.0
FAILED_PROBES = 3
STOP_GRACE = 30.0
BACKOFF, LONGEST_BACKOFF = 0.5, 30.0


@dataclass(slots=True)
class Worker:
    index: int
    path: Path
    workload: Workload
    began: float
    ready: bool = False
    next_ping: float = 0.0
    delay: float = FIRST_RETRY
    failed: int = 0


def ping(path: Path, timeout: float = PING_SECONDS) -> bool:
    """Whether ``GET /ping`` over the Unix socket answers 200."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(str(path))
            sock.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            head = b""
            while b"\r\n" not in head and len(head) < 4096:
                data = sock.recv(4096)
                if not data:
                    break
                head += data
        except OSError:
            return False
    return head.split(b" ")[1:2] == [b"200"]


class Serving:
    def __init__(self, run: Run, image: Image, what: Command) -> None:
        self.run, self.image, self.what = run, image, what
        self.workers: list[Worker] = []
        self.restarts: dict[int, tuple[float, float]] = {}
        """Worker index → (when to start it again, the delay after that)."""
        self.announced = False
        self.models: ModelDoor | None = None
        if run.task.models:
            from .model_door import ModelDoor

            self.models = ModelDoor(run, run.layout.sockets / "models.sock", self._inits, self._end)
        self.deadline = time.monotonic() + run.task.startup_seconds

    def start(self, index: int) -> None:
        path = self.run.layout.sockets / f"worker-{index}.sock"
        path.unlink(missing_ok=True)
        env = {"SAGEWRIGHT_SOCKET": f"/opt/ml/run/{path.name}", "SAGEWRIGHT_WORKER": str(index)}
        env |= {"SAGEMAKER_BIND_TO_PORT": self.run.task.env.get("SAGEMAKER_BIND_TO_PORT", "8080")}
        workload = self.run.start(self.image, self.what, env)
        self.workers.append(Worker(index, path, workload, time.monotonic()))

    def loop(self) -> str:
        """Serve until stopped or failed: ``stopped``, ``exited`` (a worker ended before it was ready) or ``slow``."""
        control = self.run.control
        while True:
            poll = select.poll()
            poll.register(control.socket, select.POLLIN)
            watched = [worker.workload.watch(poll) for worker in self.workers]
            ready = {fd for fd, _ in poll.poll(self._wait() * 1000 if all(watched) else 0)}
            if control.grace() is not None:
                return "stopped"
            for worker in list(self.workers):
                if worker.workload.conn.fileno() in ready:
                    worker.workload.read()
                if worker.workload.code is not None and not self._ended(worker):
                    return "exited"
            self._restart()
            self._probe()
            if not self.announced and time.monotonic() > self.deadline:
                return "slow"

    def _wait(self) -> float:
        due = [worker.next_ping for worker in self.workers] + [at for at, _ in self.restarts.values()]
        if not self.announced:
            due.append(self.deadline)
        return max(0.0, min(due, default=time.monotonic() + 60) - time.monotonic())

    def _ended(self, worker: Worker) -> bool:
        """Plan the restart of a worker that died; False if it never was ready and the task is still starting."""
        if not self.announced:
            return False
        self.workers.remove(worker)
        if self.models is not None:
            self.models.lost(worker.index)
        self.run.workloads.remove(worker.workload)
        lived = time.monotonic() - worker.began
        last = self.restarts.get(worker.index, (0.0, BACKOFF))[1]
        delay = BACKOFF if worker.ready and lived > LONGEST_BACKOFF else last
        self.run.sink.write([f"worker {worker.index} ended with exit code {worker.workload.code}; starting it again"])
        self.restarts[worker.index] = (time.monotonic() + delay, min(delay * 2, LONGEST_BACKOFF))
        return True

    def _restart(self) -> None:
        for index, (at, delay) in list(self.restarts.items()):
            if at <= time.monotonic():
                self.restarts[index] = (float("inf"), delay)
                self.start(index)

    def _probe(self) -> None:
        now = time.monotonic()
        for worker in self.workers:
            if worker.next_ping > now:
                continue
            if ping(worker.path):
                worker.failed, worker.next_ping = 0, time.monotonic() + PROBE_EVERY
                if not worker.ready:
                    worker.ready = True
                    self._announce(worker)
            elif not worker.ready:
                worker.next_ping = time.monotonic() + worker.delay
                worker.delay = min(worker.delay * 1.5, LONGEST_RETRY)
            else:
                worker.failed += 1
                worker.next_ping = time.monotonic() + PING_SECONDS
                if worker.failed >= FAILED_PROBES:
                    worker.workload.kill()

    def _announce(self, worker: Worker) -> None:
        """Report Ready when every worker is, and again when a restarted one is."""
        if self.models is not None:
            self.models.put(worker.index, worker.path)
        if self.announced or all(one.ready for one in self.workers):
            self.announced = True
            sockets = [str(one.path) for one in sorted(self.workers, key=lambda one: one.index) if one.ready]
            if self.models is not None:
                sockets = [str(self.models.path)]
            self.run.journal.report("Ready", Sockets=sockets)

    def _inits(self) -> dict[int, int]:
        """Of workers that run, as this machine counts processes."""
        return {w.index: w.workload.pid for w in self.workers if w.workload.pid is not None and w.workload.code is None}

    def _end(self, index: int) -> None:
        """Kill a worker; it is started again."""
        for worker in [w for w in self.workers if w.index == index]:
            worker.workload.kill()

    def unheard(self) -> str:
        """Why the endpoint failed when its workers ran and did not answer."""
        reason = f"ClientError: No answer to GET /ping within {self.run.task.startup_seconds:g} seconds. "
        if self.image.root is None and not any(worker.path.exists() for worker in self.workers):
            reason += (
                "Nothing listens on the Unix socket that the variable SAGEWRIGHT_SOCKET names. A model server that listens on "
                "TCP port 8080 alone is not reached here: have it listen on that socket too. "
            )
        return reason + "Last log: " + " | ".join(self.run.sink.last[-3:])

    def stop(self, grace: float) -> None:
        """SIGTERM to all, SIGKILL after ``grace`` seconds; returns when all have ended."""
        for worker in self.workers:
            worker.workload.signal(signal.SIGTERM)
        until = time.monotonic() + grace
        for worker in self.workers:
            while worker.workload.code is None:
                left = until - time.monotonic()
                if left <= 0 or not select.select([worker.workload.conn], [], [], left)[0]:
                    worker.workload.kill()
                worker.workload.read()


def serve(run: Run, image: Image, what: Command) -> None:
    """Run a serve task to its end, reports included."""
    run.layout.sockets.mkdir(mode=0o700, exist_ok=True)
    run.user.give(run.layout.sockets)
    run._start_log()
    serving = Serving(run, image, what)
    # an image of its own starts its workers itself, as many as it likes
    for index in range(max(1, run.task.workers) if image.root is None else 1):
        serving.start(index)
    run.journal.report("Started", Pid=serving.workers[0].workload.pid)
    usage = run.usage()
    outcome = serving.loop()
    reason = serving.unheard()
    codes = [worker.workload.code for worker in serving.workers if worker.workload.code is not None]
    grace = run.control.grace()
    if serving.models is not None:
        serving.models.close()
    serving.stop(0.0 if outcome != "stopped" else STOP_GRACE if grace is None or grace < 0 else grace)
    usage.stop()
    for pump in run.pumps:
        pump.join(timeout=10)
    with contextlib.suppress(OSError):
        for path in run.layout.sockets.iterdir():
            path.unlink()
    if outcome == "slow":
        run.journal.report("Failed", Reason=reason)
        return
    code = codes[0] if codes else 143
    run.journal.report("Exited", **run._exit(code, stopped=outcome == "stopped"))
    run.journal.report("Finished")

"""Where a task's files and sockets lie."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..stores.compute import Input, Limits, Output, Task

SOCKET_LIMIT = 100
"""Bytes that a Unix socket's path may have, with room to spare (the kernel takes 107)."""


def short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def socket_folder(data: Path) -> Path:
    """A folder for sockets, only ours, with a path short enough; the data directory's ``run`` where that fits."""
    folder = data / "run"
    if len(os.fsencode(folder)) > SOCKET_LIMIT - 40:
        folder = Path(tempfile.gettempdir()) / f"sagewright-{os.getuid()}-{short(str(data))}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to someone else")
    folder.chmod(0o700)
    return folder


def volume_folder(data: Path, name: str) -> Path:
    """Where the volume ``name`` lies: ``<data>/volumes/<name>``."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise ValueError(f"not a volume's name: {name!r}")
    return data / "volumes" / name


class Layout:
    """One task's folder ``<data>/jobs/<task id>``; of a container of a task, one inside the task's own.

    Args:
        within: the layout of the task whose container this is.
    """

    def __init__(self, data: Path, task_id: str, within: Layout | None = None) -> None:
        if not task_id or task_id.startswith(".") or "/" in task_id or "\0" in task_id:
            raise ValueError(f"not a task id: {task_id!r}")
        self.data, self.id = data, task_id
        self.folder: Path = data / "jobs" / task_id if within is None else within.folder / "containers" / task_id
        self.spec = self.folder / "spec.json"
        self.events = self.folder / "events.jsonl"
        self.lock = self.folder / "lock"
        self.pid = self.folder / "pid"
        self.stop = self.folder / "stop.json"
        self.cgroups = self.folder / "cgroups"
        self.ml = self.folder / "ml"
        self.inputs = self.folder / "inputs"
        sockets = socket_folder(data)
        # paths of sockets are short: inside a task's folder the container's number is enough
        place, name = (sockets, short(task_id)) if within is None else (within.sockets, task_id.rpartition(".")[2])
        self.control = place / f"{name}.ctl"
        self.sockets: Path = place / name
        """Bound at /opt/ml/run in the sandbox."""
        self.meeting = sockets / f"{short(task_id)}.met"
        """Where the hosts of a job meet, whose first task this is."""
        self.pool = sockets / f"{short(task_id)}.pool"
        """Where the server tells a task on demand which of its instances to wake; no sandbox sees it."""
        self.server = sockets / "server.sock"
        self.launcher = sockets / "launcher.sock"

    def volume(self, name: str) -> Path:
        """This machine's folder of a volume."""
        return volume_folder(self.data, name)

    def inside(self, path: str) -> Path:
        """This machine's path of an absolute path under /opt/ml; refuses anything else."""
        parts = [part for part in path.split("/") if part and part != "."]
        if parts[:2] != ["opt", "ml"] or ".." in parts:
            raise ValueError(f"{path} does not lie under /opt/ml")
        return self.ml.joinpath(*parts[2:])

    def alive(self) -> bool:
        """Whether an agent holds the task's lock."""
        try:
            fd = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False


def write_atomic(path: Path, text: str) -> None:
    """A whole file or none, for its owner alone: a task's specification holds its container's keys."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def dump_task(task: Task) -> str:
    return json.dumps(asdict(task))


def load_task(text: str) -> Task:
    return _task(json.loads(text))


def _task(raw: dict[str, Any]) -> Task:
    raw["containers"] = [_task(one) for one in raw.get("containers", ())]
    raw["inputs"] = [Input(**item) for item in raw["inputs"]]
    raw["outputs"] = [Output(**item) for item in raw["outputs"]]
    raw["limits"] = Limits(**raw["limits"])
    return Task(**raw)


def nudge(path: Path, message: str) -> bool:
    """Send a datagram to a Unix socket if someone listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.sendto(message.encode(), str(path))
        except OSError:
            return False
    return True

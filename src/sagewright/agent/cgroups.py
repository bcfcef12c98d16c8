"""Control groups of a task: hard limits where the server may make groups; elsewhere the agent watches by itself."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from ..stores.compute import Limits
from .layout import short

ROOT = Path("/sys/fs/cgroup")
CPU_PERIOD = 100_000
"""Microseconds."""


def _own(controller: str) -> Path | None:
    """The folder of this process's group for a controller, version 1 or 2; None if there is none."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    unified = ""
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            folder = ROOT / names / path.lstrip("/")
            return folder if folder.is_dir() else ROOT / controller / path.lstrip("/")
        if not names:
            unified = path
    for base in (ROOT, ROOT / "unified"):
        folder = base / unified.lstrip("/")
        with contextlib.suppress(OSError):
            if controller in (folder / "cgroup.controllers").read_text().split():
                return folder
    return None


class Group:
    """One task's groups. ``folders`` is what its processes join; ``memory`` says whether the kernel holds that limit."""

    def __init__(self, task_id: str, limits: Limits) -> None:
        self._name = f"sagewright-{short(task_id)}"
        self.folders: list[str] = []
        self._memory = self._limited("memory", limits.memory, {
            "memory.limit_in_bytes": str(limits.memory), "memory.max": str(limits.memory), "memory.swap.max": "0",
            "memory.oom.group": "1",
        })
        quota = int(limits.cpus * CPU_PERIOD) if 0 < limits.cpus < (os.cpu_count() or 1) else 0
        self.cpu = self._limited("cpu", quota, {
            "cpu.cfs_period_us": str(CPU_PERIOD), "cpu.cfs_quota_us": str(quota), "cpu.max": f"{quota} {CPU_PERIOD}",
        }) is not None
        self.memory = self._memory is not None

    def _limited(self, controller: str, value: int, files: dict[str, str]) -> Path | None:
        """Make the group and set those of the files that this version has; None unless the first or second took."""
        parent = _own(controller) if value else None
        if parent is None:
            return None
        folder = parent / self._name
        try:
            if (parent / "cgroup.subtree_control").exists() and controller not in (parent / "cgroup.subtree_control").read_text():
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")
            folder.mkdir(exist_ok=True)
            present = [name for name in files if (folder / name).exists()]
            for name in present:
                (folder / name).write_text(files[name])
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
            return None
        if not present:
            return None
        if str(folder) not in self.folders:
            self.folders.append(str(folder))
        return folder

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of the task for its memory."""
        if self._memory is None:
            return False
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError):
                for line in (self._memory / name).read_text().splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill":
                        return int(value) > 0
        return False

    def remove(self) -> None:
        for folder in self.folders:
            _remove(Path(folder))


def remove_leftovers(note: Path) -> None:
    """Remove the groups of a task whose agent was killed; ``note`` is the file where it wrote them down."""
    with contextlib.suppress(OSError):
        for folder in note.read_text().splitlines():
            if Path(folder).name.startswith("sagewright-"):
                _remove(Path(folder))


def _remove(folder: Path) -> None:
    for _ in range(50):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)  # its last processes are still ending, of which nobody tells
        else:
            return

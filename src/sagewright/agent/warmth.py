"""Warm interpreters of one node: started when an image is first used, kept within a memory budget."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import sagewright_container

from ..stores.images import Image, Images, UnknownImage

ATTENDANT = "rootfs"
"""Names the process that forks sandboxes for images with a root file system of their own; one for all of them."""
BROKEN_PAUSE = 30.0
"""Seconds before a warm interpreter that ended by itself is started again."""


@dataclass(slots=True)
class Parent:
    process: subprocess.Popen[bytes]
    path: Path
    used: float = field(default_factory=time.monotonic)


class Warmth:
    """Held by the launcher; never blocks on an interpreter's imports."""

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder, self._budget = folder, budget
        self._parents: dict[str, Parent] = {}
        self._broken: dict[str, float] = {}
        for path in folder.glob("warm-*.sock"):
            path.unlink(missing_ok=True)

    def want(self, uri: str, images: Images) -> None:
        """An image is being used: start its interpreter unless it runs, and evict others over the budget."""
        try:
            image = images.resolve(uri)
        except UnknownImage:
            return
        key = image.lock_hash if image.root is None else ATTENDANT
        parent = self._parents.get(key)
        if parent is not None:
            parent.used = time.monotonic()
        elif time.monotonic() >= self._broken.get(key, 0.0) and images.ready(image):
            if image.root is None:
                self._start(image)
            else:
                self._attend()
        self._evict()

    def _attend(self) -> None:
        path = self._folder / f"warm-{ATTENDANT}.sock"
        path.unlink(missing_ok=True)
        script = Path(sagewright_container.__file__).with_name("rootfs.py")
        argv = [sys.executable, "-I", "-S", str(script), str(path), str(os.getpid())]
        self._parents[ATTENDANT] = Parent(self._run(argv, path, {}), path)

    def _start(self, image: Image) -> None:
        path = self._folder / f"warm-{image.lock_hash[:16]}.sock"
        path.unlink(missing_ok=True)
        package = Path(sagewright_container.__file__).parent.parent
        argv = [str(image.python), "-m", "sagewright_container.warm", str(path), str(os.getpid()), *image.preload]
        env = {
            "PATH": f"{image.environment}/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1",
            "OMP_WAIT_POLICY": "PASSIVE",  # read as the library loads, so it must stand here and in the job
            "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1", **image.env,
        }
        self._parents[image.lock_hash] = Parent(self._run(argv, path, env), path)

    @staticmethod
    def _run(argv: list[str], path: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        log = os.open(path.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=env)
        finally:
            os.close(log)

    def ended(self, pid: int, status: int) -> None:
        """A child of the launcher ended; if it was an interpreter, forget it."""
        for key, parent in list(self._parents.items()):
            if parent.process.pid == pid:
                parent.process.returncode = status
                parent.path.unlink(missing_ok=True)
                del self._parents[key]
                self._broken[key] = time.monotonic() + BROKEN_PAUSE

    def _evict(self) -> None:
        """Drop the least recently used until the rest fits; the last used one stays whatever its size."""
        parents = sorted(self._parents.items(), key=lambda pair: pair[1].used)
        sizes = {key: _memory(parent.process.pid) for key, parent in parents}
        while len(parents) > 1 and sum(sizes[key] for key, _ in parents) > self._budget:
            key, parent = parents.pop(0)
            parent.path.unlink(missing_ok=True)
            with contextlib.suppress(ProcessLookupError):
                parent.process.send_signal(signal.SIGKILL)
            del self._parents[key]

    def let_go(self) -> None:
        """In a forked agent: these are not its children."""
        for parent in self._parents.values():
            parent.process.returncode = 0
        self._parents = {}


def _memory(pid: int) -> int:
    """Proportional resident bytes."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0

"""What a task's processes use: sampled for the metrics, and watched against the memory limit."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from ..stores.compute import Task
from ..stores.metrics import Metrics, Sample

SAMPLE_EVERY = 5.0
WATCH_EVERY = 0.25


def processes(roots: list[int]) -> list[psutil.Process]:
    found = []
    for pid in roots:
        try:
            root = psutil.Process(pid)
            found += [root, *root.children(recursive=True)]
        except psutil.Error:
            continue
    return found


class Usage(threading.Thread):
    """Samples until stopped. ``roots`` gives the inits of the task's sandboxes; ``over`` is called above the limit.

    ``exceeded``: whether the kernel, which holds the limit, has killed one of the task's processes; then all must end, for
    half a job is of no use. None: nobody holds the limit but this thread. ``gpus`` gives the metrics of the task's GPUs.
    """

    def __init__(
        self, task: Task, metrics: Metrics, folder: Path, roots: Callable[[], list[int]], over: Callable[[], None],
        exceeded: Callable[[], bool] | None, gpus: Callable[[], dict[str, float]] = dict,
    ) -> None:
        super().__init__(name="usage", daemon=True)
        self._task, self._metrics, self._folder = task, metrics, folder
        self._roots, self._over = roots, over
        self._exceeded = exceeded or self._above
        self._gpus = gpus
        self._done = threading.Event()
        self._cpu: dict[int, float] = {}
        self._at = time.monotonic()

    def stop(self) -> None:
        self._done.set()

    def run(self) -> None:
        limit = self._task.limits.memory
        next_sample = time.monotonic() + 1.0
        while not self._done.wait(WATCH_EVERY if limit else max(0.05, next_sample - time.monotonic())):
            if limit and self._exceeded():
                self._over()
                limit = 0
            if time.monotonic() >= next_sample:
                self._try()
                next_sample = time.monotonic() + SAMPLE_EVERY
        self._try()

    def _try(self) -> None:
        """Sample; what cannot be stored is not worth the watch over the limit."""
        with contextlib.suppress(Exception):
            self._sample()

    def _above(self) -> bool:
        return sum(resident(process) for process in processes(self._roots())) > self._task.limits.memory

    def _sample(self) -> None:
        if not self._task.usage_namespace:
            return
        memory, busy, known = 0, 0.0, {}
        for process in processes(self._roots()):
            try:
                times = process.cpu_times()
                memory += resident(process)
            except psutil.Error:
                continue
            known[process.pid] = times.user + times.system
            busy += known[process.pid] - self._cpu.get(process.pid, 0.0)
        now = time.monotonic()
        span, self._at, self._cpu = max(now - self._at, 1e-3), now, known
        total = self._task.limits.memory or psutil.virtual_memory().total
        disk = shutil.disk_usage(self._folder)
        values = {
            "CPUUtilization": 100.0 * busy / span, "MemoryUtilization": 100.0 * memory / total,
            "DiskUtilization": 100.0 * disk.used / disk.total, **self._gpus(),
        }
        dimensions = self._task.usage_dimensions or {"Host": self._task.usage_host}
        pairs = tuple(sorted(dimensions.items()))
        at = time.time()
        self._metrics.put([
            Sample(self._task.usage_namespace, name, pairs, at, value, "Percent") for name, value in values.items()
        ])


def resident(process: psutil.Process) -> int:
    """Resident bytes that are the process's own: what a warm interpreter shares is not charged to each job."""
    try:
        info = process.memory_info()
        return int(info.rss - info.shared)
    except psutil.Error:
        return 0

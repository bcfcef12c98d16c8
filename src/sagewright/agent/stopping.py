"""How a task comes to its end before its program does: somebody asks for it, or its time is up."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from collections.abc import Callable

from ..stores.compute import Task
from .layout import Layout

LONGEST_WAIT = 3600.0
"""Seconds; poll takes no more than 24 days at once, and a job may run for 28."""


class Control:
    """Stop requests from the server: a file that lasts and a datagram that wakes."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        with contextlib.suppress(FileNotFoundError):
            layout.control.unlink()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(str(layout.control))

    def grace(self) -> float | None:
        """Seconds of grace when a stop is wanted (-1: the task's own), else None."""
        with contextlib.suppress(OSError):
            while self.socket.recv(64):
                pass
        try:
            raw = json.loads(self._layout.stop.read_text())["grace"]
        except (FileNotFoundError, ValueError):
            return None
        return -1.0 if raw is None else float(raw)

    def discards(self) -> bool:
        """Whether the stop that is wanted gives up what the task has made."""
        return bool(json.loads(self._layout.stop.read_text()).get("discard"))

    def close(self) -> None:
        self.socket.close()
        with contextlib.suppress(FileNotFoundError):
            self._layout.control.unlink()


class StopClock:
    """When to send which signal: on a stop request, at the time limit, and after the grace."""

    def __init__(self, task: Task, control: Control, send: Callable[[int], None]) -> None:
        self._task, self._control, self._send = task, control, send
        limit = task.limits.seconds
        self._limit = time.monotonic() + limit if limit else None
        self._kill: float | None = None
        self.stopped = self.timed_out = False
        self.tick()

    def wait(self) -> float:
        """Seconds until ``tick`` is next due."""
        due = self._kill if self._kill is not None else self._limit
        return LONGEST_WAIT if due is None else min(LONGEST_WAIT, max(0.0, due - time.monotonic()))

    def tick(self) -> None:
        now = time.monotonic()
        if self._kill is None and (grace := self._control.grace()) is not None:
            self.stopped = True
            self._stop(self._task.limits.grace if grace < 0 else grace)
        elif self._kill is not None and self._control.grace() is not None and not self.stopped:
            self.stopped = True
        if self._kill is None and self._limit is not None and now >= self._limit:
            self.timed_out = True
            self._stop(self._task.limits.grace)
        if self._kill is not None and now >= self._kill:
            self._send(signal.SIGKILL)
            self._kill = now + 5.0

    def _stop(self, grace: float) -> None:
        self._send(signal.SIGTERM)
        self._kill = time.monotonic() + grace

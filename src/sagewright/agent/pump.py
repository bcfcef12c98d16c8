"""Reads a task's output as it comes: whole lines to the log stream, numbers found in them to the metrics."""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

import regex

from ..stores.compute import Task
from ..stores.logs import LogEvent, Logs
from ..stores.metrics import Metrics, Sample

LONGEST_LINE = 200_000
"""Bytes; a longer line is split (CloudWatch takes 256 KiB an event)."""
PARTIAL_AFTER = 1.0
"""Seconds after which a line without an end is logged as it stands."""
SEARCH_SECONDS = 0.1


class Lines:
    """Cuts a byte stream into lines. A carriage return starts the line over, as a terminal shows progress bars."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        out = [text for line in lines for text in _texts(line)]
        while len(self._rest) > LONGEST_LINE:
            out.append(self._rest[:LONGEST_LINE].decode("utf-8", "replace"))
            self._rest = self._rest[LONGEST_LINE:]
        return out

    def flush(self) -> list[str]:
        """What stands there without an end."""
        rest, self._rest = self._rest, b""
        return _texts(rest) if rest else []

    @property
    def pending(self) -> bool:
        return bool(self._rest)


def _texts(line: bytes) -> list[str]:
    line = line.rstrip(b"\r")
    line = line[line.rfind(b"\r") + 1:]
    pieces = [line[at:at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)] or [b""]
    return [piece.decode("utf-8", "replace") for piece in pieces]


class Searcher:
    """The task's metric definitions."""

    def __init__(self, definitions: Iterable[dict[str, str]]) -> None:
        self._patterns = [(definition["Name"], regex.compile(definition["Regex"])) for definition in definitions]

    def search(self, line: str) -> list[tuple[str, float]]:
        """(name, value) of every definition that finds a finite number. XGBoost's own patterns know a tab as ``#011``."""
        found = []
        for name, pattern in self._patterns:
            for text in (line, line.replace("\t", "#011")) if "\t" in line else (line,):
                try:
                    match = pattern.search(text, timeout=SEARCH_SECONDS)
                    # ``(\S+)`` runs across the tabs that became #011: the number ends at the first
                    value = float(match.group(1).partition("#011")[0]) if match else None
                except (TimeoutError, ValueError, AttributeError, IndexError):
                    value = None
                if value is not None and math.isfinite(value):
                    found.append((name, value))
                    break
        return found


class Sink:
    """Where a task's lines go. One for all its processes; used from their pump threads."""

    def __init__(self, task: Task, logs: Logs, metrics: Metrics, report: Callable[..., None]) -> None:
        self._task, self._logs, self._metrics, self._report = task, logs, metrics, report
        self._searcher = Searcher(task.metrics)
        self._lock = threading.Lock()
        self.last: list[str] = []
        """The last few lines that are not blank."""

    def write(self, lines: list[str]) -> None:
        now = time.time()
        with self._lock:
            if self._task.log_marks:
                lines = self._divert(lines, now)
            self.last = [*self.last, *(line for line in lines[-20:] if line.strip())][-10:]
            if self._task.log_group and lines:
                events = [LogEvent(int(now * 1000), line) for line in lines]
                self._logs.append(self._task.log_group, self._task.log_stream, events)
            if self._task.metrics:
                self._measure(lines, now)

    def _divert(self, lines: list[str], now: float) -> list[str]:
        """The lines without those whose mark sends them to another stream."""
        rest, elsewhere = [], defaultdict(list)
        for line in lines:
            mark = next((mark for mark in self._task.log_marks if line.startswith(mark)), None)
            if mark is None:
                rest.append(line)
            else:
                elsewhere[self._task.log_marks[mark]].append(LogEvent(int(now * 1000), line.removeprefix(mark)))
        for stream, events in elsewhere.items():
            self._logs.append(self._task.log_group, stream, events)
        return rest

    def _measure(self, lines: list[str], now: float) -> None:
        found = [pair for line in lines for pair in self._searcher.search(line)]
        if not found:
            return
        dimensions = tuple(sorted(self._task.metric_dimensions.items()))
        if self._task.metric_namespace:
            self._metrics.put([Sample(self._task.metric_namespace, name, dimensions, now, value) for name, value in found])
        for name, value in found:
            self._report("Metric", MetricName=name, Value=value, Timestamp=now)


class Pump(threading.Thread):
    """Carries one process's output to the sink until every writer has closed it."""

    def __init__(self, fd: int, sink: Sink) -> None:
        super().__init__(name="pump", daemon=True)
        self._fd, self._sink = fd, sink
        self.error: Exception | None = None

    def run(self) -> None:
        lines = Lines()
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        try:
            while True:
                if lines.pending and not poll.poll(PARTIAL_AFTER * 1000):
                    self._write(lines.flush())
                data = os.read(self._fd, 2**16)
                if not data:
                    break
                self._write(lines.feed(data))
            self._write(lines.flush())
        finally:
            os.close(self._fd)

    def _write(self, lines: list[str]) -> None:
        if not lines:
            return
        try:
            self._sink.write(lines)
        except Exception as error:  # a full disk must not stop the job by a blocked pipe; it is reported at the end
            self.error = error

"""A task's reports: one JSON line each, appended whole, so that a killed agent leaves at most a broken last line."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from ..stores.compute import Report, ReportName
from .layout import Layout, nudge

LAST: tuple[ReportName, ...] = ("Finished", "Failed")


def read_reports(path: Path, after: int = 0) -> list[Report]:
    """Those with seq > after; none of a journal that is not there."""
    return Reader(path).read(after)


class Reader:
    """Reads one journal again and again, from where the caller has got: a job that measures much writes many reports."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = 0, 0
        """(a report's number, the byte that follows it)."""

    def read(self, after: int = 0) -> list[Report]:
        """Reports with seq > after."""
        known, offset = self._mark if after >= self._mark[0] else (0, 0)
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                data = file.read()
        except FileNotFoundError:
            return []
        reports = []
        for line in data.split(b"\n"):
            offset += len(line) + 1
            try:
                raw = json.loads(line)
            except ValueError:
                continue
            if raw["seq"] > after:
                reports.append(Report(raw["seq"], raw["at"], raw["name"], raw["data"]))
            elif raw["seq"] >= known:
                known, self._mark = raw["seq"], (raw["seq"], offset)
        return reports


class Reports(Protocol):
    """Hears what a task reports."""

    def report(self, name: ReportName, **data: Any) -> None: ...


class Journal:
    """Writes reports and wakes the server. Used from the agent's threads."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        known = read_reports(layout.events)
        self._seq = known[-1].seq if known else 0
        self._fd = os.open(layout.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if known and not layout.events.read_bytes().endswith(b"\n"):
            os.write(self._fd, b"\n")

    def report(self, name: ReportName, **data: Any) -> None:
        with self._lock:
            self._seq += 1
            line = json.dumps({"seq": self._seq, "at": time.time(), "name": name, "data": data})
            os.write(self._fd, line.encode() + b"\n")
        nudge(self._layout.server, self._layout.id)

    def close(self) -> None:
        os.close(self._fd)

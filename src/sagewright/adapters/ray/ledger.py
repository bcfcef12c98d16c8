"""What the server keeps of one task on the cluster: its specification, where it runs, and what has come of it.

``<data>/ray/tasks/<task id>/``: spec.json, place.json, stop.json, events.jsonl (its reports), cursor.json (how far the
node's spool has been taken into logs and metrics). A server that is killed finds here all that it needs.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from ...agent.journal import LAST, Reader
from ...agent.layout import dump_task, load_task, write_atomic
from ...stores.compute import Report, ReportName, Task
from ...stores.logs import LogEvent, Logs
from ...stores.metrics import Metrics, Sample, Series


class Ledger:
    """One task's folder. Blocking and quick; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.task: Task = load_task((folder / "spec.json").read_text())
        self._events = folder / "events.jsonl"
        self._journal = Reader(self._events)
        self._seq = self._theirs = 0
        self.ended = False
        written = self._events.read_bytes() if self._events.exists() else b""
        self._torn = written[-1:] not in (b"", b"\n")
        for line in written.splitlines():
            with contextlib.suppress(ValueError):  # a kill has torn the last one: the node tells it again
                self._note(json.loads(line))
        self.place: dict[str, Any] = _read(folder / "place.json")
        """{"node", "address", "size"} once it has a place."""
        self.cursor: dict[str, Any] = _read(folder / "cursor.json")
        """{"offset": byte of the spool, "positions": {log stream: where it ended then}}."""
        self._unsure = bool(self.cursor)
        """Whether more than the cursor tells may have been taken: by a server that was killed, or by a try that has failed."""
        self.handed = False
        """Whether this process has handed the task to its node."""

    @classmethod
    def create(cls, folder: Path, task: Task) -> Ledger:
        """The task's ledger, made durable if it is new."""
        if not (folder / "spec.json").exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(folder / "spec.json", dump_task(task))
        return cls(folder)

    # -- reports

    @property
    def after(self) -> int:
        """The last report of the node's own that has come."""
        return self._theirs

    def report(self, name: ReportName, data: dict[str, Any], at: float | None = None, theirs: int = 0) -> bool:
        """Append a report; ``theirs``: its number on the node. False for one that is known, or comes after the last."""
        if self.ended or (theirs and theirs <= self._theirs):
            return False
        raw = {"seq": self._seq + 1, "at": time.time() if at is None else at, "name": name, "data": data, "theirs": theirs}
        with self._events.open("ab") as file:
            file.write(b"\n" * self._torn + json.dumps(raw).encode() + b"\n")
        self._torn = False
        self._note(raw)
        return True

    def _note(self, raw: dict[str, Any]) -> None:
        self._seq, self._theirs = raw["seq"], max(self._theirs, raw["theirs"])
        self.ended = raw["name"] in LAST

    def reports(self, after: int) -> list[Report]:
        return self._journal.read(after)

    # -- place and stop

    def placed(self, **place: Any) -> None:
        self.place = place
        write_atomic(self.folder / "place.json", json.dumps(place))

    @property
    def node(self) -> str:
        """Where it runs; empty while it has no place."""
        return str(self.place.get("node", ""))

    def stop(self, how: dict[str, Any]) -> None:
        write_atomic(self.folder / "stop.json", json.dumps(how))

    @property
    def stopped(self) -> dict[str, Any] | None:
        """{"grace", "discard"} once a stop is wanted."""
        return _read(self.folder / "stop.json") or None

    # -- spool

    def take(self, text: str, offset: int, logs: Logs, metrics: Metrics) -> None:
        """Bring lines of the spool, whose end is at byte ``offset``, into logs and metrics: each once.

        The cursor is written after them. Where a kill has come between, the log itself tells how many lines it has
        since the cursor was written, and the metrics whether they hold a sample.
        """
        if offset <= self.cursor.get("offset", 0):
            return
        group = self.task.log_group
        if not self.cursor:
            self._keep(0, logs)
        events: dict[str, list[LogEvent]] = {}
        samples = []
        for line in text.splitlines():
            said = json.loads(line)
            if "stream" in said and group:
                events.setdefault(said["stream"], []).extend(LogEvent(stamp, message) for stamp, message in said.get("log", ()))
            samples += [_sample(raw) for raw in said.get("metrics", ())]
        if self._unsure:
            positions = self.cursor["positions"]
            events = {s: new[len(logs.read(group, s, positions.get(s, 0), limit=1_000_000)[0]):] for s, new in events.items()}
            samples = [sample for sample in samples if not _known(sample, metrics)]
        self._unsure = True
        for stream, new in events.items():
            logs.create_stream(group, stream)
            if new:
                logs.append(group, stream, new)
        if samples:
            metrics.put(samples)
        self._keep(offset, logs)
        self._unsure = False

    def _keep(self, offset: int, logs: Logs) -> None:
        """Note how far everything has come: the streams are the task's, and those of its containers."""
        group, streams = self.task.log_group, {one.log_stream for one in (self.task, *self.task.containers)}
        positions = {stream: logs.read(group, stream, backward=True, limit=1)[2] for stream in streams if group and stream}
        self.cursor = {"offset": offset, "positions": positions}
        write_atomic(self.folder / "cursor.json", json.dumps(self.cursor))

    def remove(self) -> None:
        """The specification goes last: a folder without one has nothing left to do."""
        for file in self.folder.iterdir():
            if file.name != "spec.json":
                file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _sample(raw: list[Any]) -> Sample:
    namespace, name, dimensions, *rest = raw
    return Sample(namespace, name, tuple((key, value) for key, value in dimensions), *rest)


def _known(sample: Sample, metrics: Metrics) -> bool:
    series = Series(sample.namespace, sample.name, sample.dimensions)
    stored = metrics.samples(series, sample.timestamp, sample.timestamp + 1e-6)
    return any(one.value == sample.value and one.timestamp == sample.timestamp for one in stored)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found

"""Logs and metrics of a task on a node: lines in a file of its folder, from which the server's end takes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...agent.layout import Layout, nudge
from ...stores.logs import LogEvent
from ...stores.metrics import Sample

NAME = "telemetry.jsonl"
MOST = 2**20
"""Bytes that are read at a time; one line is read whole whatever its length."""


class Spool:
    """As much of ``Logs`` and ``Metrics`` as an agent writes through. One append is one line, written at once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(layout.folder / NAME, flags, 0o600)

    def _write(self, line: dict[str, Any]) -> None:
        data = json.dumps(line).encode() + b"\n"
        while data:
            data = data[os.write(self._fd, data):]
        nudge(self._layout.server, self._layout.id)

    def create_group(self, group: str) -> bool:
        return True

    def create_stream(self, group: str, stream: str) -> bool:
        self._write({"stream": stream})
        return True

    def append(self, group: str, stream: str, events: Iterable[LogEvent]) -> None:
        self._write({"stream": stream, "log": [[event.timestamp, event.message] for event in events]})

    def put(self, samples: Iterable[Sample]) -> None:
        self._write({"metrics": [
            [s.namespace, s.name, s.dimensions, s.timestamp, s.value, s.unit, s.count, s.minimum, s.maximum] for s in samples
        ]})


def read(folder: Path, offset: int, most: int = MOST) -> tuple[str, bool]:
    """(whole lines from a byte offset on, whether they are all there is)."""
    try:
        fd = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "", True
    try:
        data = os.pread(fd, most, offset)
        while len(data) >= most and b"\n" not in data:
            most *= 4
            data = os.pread(fd, most, offset)
    finally:
        os.close(fd)
    text = data[: data.rfind(b"\n") + 1].decode()
    return text, len(data) < most

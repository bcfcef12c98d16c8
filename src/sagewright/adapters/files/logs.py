"""Logs as files: ``<root>/<group>/<stream>.log``, one line an event: milliseconds, a space, the message.

A batch is appended by one write, so that lines of several writers never mix. A line that a kill has torn is passed
over. Names become file names by percent-encoding; what is too long for one goes by its digest, beside its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from ...stores.logs import LogEvent, LogStream

LONGEST = 200
"""Bytes of a file name before it is replaced by a digest."""
BLOCK = 1 << 18
_LINE = re.compile(rb"(\d{1,16}) ([^\n]*)\n")
_ESCAPE = re.compile(r"\\(.)")
_PLAIN = {"n": "\n", "r": "\r", "\\": "\\"}


class FileLogs:
    """Logs under one directory; several processes may write and read at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    # -- groups and streams

    def create_group(self, group: str) -> bool:
        return self._make_folder(group)

    def groups(self, prefix: str = "") -> list[str]:
        if not self._root.is_dir():
            return []
        names = (_read_name(p) for p in self._root.iterdir() if p.is_dir())
        return sorted(n for n in names if n.startswith(prefix))

    def delete_group(self, group: str) -> bool:
        folder = self._folder(group)
        if not folder.is_dir():
            return False
        shutil.rmtree(folder)
        return True

    def create_stream(self, group: str, stream: str) -> bool:
        self._make_folder(group)
        path = self._path(group, stream)
        self._keep_name(path, stream)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True

    def streams(self, group: str, prefix: str = "") -> list[LogStream]:
        folder = self._folder(group)
        if not folder.is_dir():
            return []
        found = []
        for path in folder.glob("*.log"):
            name = _read_name(path)
            if name.startswith(prefix):
                with contextlib.suppress(FileNotFoundError):
                    found.append(self._about(group, name, path))
        return sorted(found, key=lambda s: s.name)

    def delete_stream(self, group: str, stream: str) -> bool:
        path = self._path(group, stream)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        path.with_suffix(".name").unlink(missing_ok=True)
        return True

    # -- events

    def append(self, group: str, stream: str, events: Iterable[LogEvent]) -> None:
        data = b"".join(_line(e) for e in events)
        if not data:
            return
        path = self._path(group, stream)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        try:
            handle = os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._make_folder(group)
            self._keep_name(path, stream)
            handle = os.open(path, flags, 0o600)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                data = b"\n" + data  # the line that a killed writer left open ends here, and is passed over
            while data:
                data = data[os.write(handle, data) :]
        finally:
            os.close(handle)

    def read(
        self, group: str, stream: str, position: int | None = None, *, backward: bool = False,
        start: int | None = None, end: int | None = None, limit: int = 10_000,
    ) -> tuple[list[LogEvent], int, int]:
        try:
            handle = os.open(self._path(group, stream), os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return [], 0, 0
        with os.fdopen(handle, "rb") as file:
            size = os.fstat(handle).st_size
            at = (size if backward else 0) if position is None else min(max(position, 0), size)
            lines = _backward(handle, at) if backward else _forward(handle, at, size)
            events: list[LogEvent] = []
            low = high = at
            for offset, line in lines:
                match = _LINE.fullmatch(line)
                if match is None and not line.endswith(b"\n"):
                    if backward:
                        low = high = offset
                        continue
                    break
                low, high = (offset, high) if backward else (low, offset + len(line))
                if match is None:
                    continue
                stamp = int(match[1])
                if (start is not None and stamp < start) or (end is not None and stamp >= end):
                    continue
                events.append(LogEvent(stamp, _unescape(match[2]), stamp))
                if len(events) == limit:
                    break
            del file
        return (events[::-1] if backward else events), low, high

    # -- paths

    def _folder(self, group: str) -> Path:
        return self._root / _file_name(group)

    def _path(self, group: str, stream: str) -> Path:
        return self._folder(group) / f"{_file_name(stream)}.log"

    def _make_folder(self, group: str) -> bool:
        folder = self._folder(group)
        try:
            folder.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            return False
        if folder.name.startswith("~"):
            (folder / ".name").write_text(group)
        return True

    def _keep_name(self, path: Path, name: str) -> None:
        if path.name.startswith("~"):
            path.with_suffix(".name").write_text(name)

    def _about(self, group: str, name: str, path: Path) -> LogStream:
        stat = path.stat()
        first, _, _ = self.read(group, name, limit=1)
        last, _, _ = self.read(group, name, backward=True, limit=1)
        created = first[0].timestamp if first else int(stat.st_ctime * 1000)
        return LogStream(
            group, name, created, first[0].timestamp if first else None, last[0].timestamp if last else None, stat.st_size
        )


def now_ms() -> int:
    return int(time.time() * 1000)


def _file_name(name: str) -> str:
    quoted = quote(name, safe=" ")
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    return quoted if len(quoted) <= LONGEST else "~" + hashlib.sha256(name.encode()).hexdigest()


def _read_name(path: Path) -> str:
    stem = path.name.removesuffix(".log")
    if stem.startswith("~"):
        return (path / ".name" if path.is_dir() else path.with_suffix(".name")).read_text()
    return unquote(stem)


def _line(event: LogEvent) -> bytes:
    text = event.message.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return b"%d %s\n" % (event.timestamp, text.encode("utf-8", "replace"))


def _unescape(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return _ESCAPE.sub(lambda m: _PLAIN.get(m[1], m[0]), text) if "\\" in text else text


def _forward(handle: int, at: int, size: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line) from ``at`` on; the last one may lack its newline."""
    rest = b""
    while at < size or rest:
        block = os.pread(handle, BLOCK, at + len(rest))
        data = rest + block
        lines = data.split(b"\n")
        for line in lines[:-1]:
            yield at, line + b"\n"
            at += len(line) + 1
        rest = lines[-1]
        if not block:
            if rest:
                yield at, rest
            return


def _backward(handle: int, at: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line) that end at or before ``at``, the latest first."""
    rest = b""
    while at > 0:
        take = min(BLOCK, at)
        data = os.pread(handle, take, at - take) + rest
        at -= take
        lines = data.split(b"\n")
        end = at + len(data)
        if lines[-1]:
            yield end - len(lines[-1]), lines[-1]
        end -= len(lines[-1])
        for line in reversed(lines[1:-1]):
            end -= len(line) + 1
            yield end, line + b"\n"
        rest = lines[0] + b"\n" if len(lines) > 1 else lines[0]
        if len(lines) == 1:
            rest = data
    if rest:
        yield 0, rest

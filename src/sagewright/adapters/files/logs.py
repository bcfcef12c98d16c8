"""Logs as files: ``<root>/<group>/<stream>.log``, one line an event: milliseconds, a space, the message.

``<ms>+<ms> <message>`` also says how much later than its time the event arrived; newlines and backslashes are escaped.

A batch is appended by one write, so that lines of several writers never mix. A line that a kill has torn is passed
over. Names become file names by percent-encoding; what is too long for one goes by its digest, beside its name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from ...stores.logs import OVERHEAD, LogEvent, LogStream

LONGEST = 200
"""Bytes of a file name before it is replaced by a digest."""
BLOCK = 1 << 18
TORN = b"\0\n"
"""Ends a line that was never finished; no message holds a zero byte."""
_LINE = re.compile(rb"(\d{1,16})([+-]\d{1,16})? ([^\n]*)\n")
_ESCAPE = re.compile(r"\\(.)")
_PLAIN = {"n": "\n", "r": "\r", "0": "\0", "\\": "\\"}


class FileLogs:
    """Logs under one directory; several processes may write and read at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    # -- groups and streams

    def create_group(self, group: str) -> bool:
        return self._make_folder(group)

    def groups(self, prefix: str = "") -> list[str]:
        try:
            names = [_read_name(p) for p in self._root.iterdir() if p.is_dir()]
        except FileNotFoundError:
            return []
        return sorted(n for n in names if n is not None and n.startswith(prefix))

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

    def stream_names(self, group: str, prefix: str = "") -> list[str]:
        try:
            with os.scandir(self._folder(group)) as entries:
                names = [_read_name(Path(e.path)) for e in entries if e.name.endswith(".log")]
        except FileNotFoundError:
            return []
        return sorted(n for n in names if n is not None and n.startswith(prefix))

    def stream(self, group: str, name: str) -> LogStream | None:
        try:
            stat = self._path(group, name).stat()
        except FileNotFoundError:
            return None
        first, _, _ = self.read(group, name, limit=1)
        last, _, _ = self.read(group, name, backward=True, limit=1)
        # an empty file has not changed since it was made; of others the file system does not tell
        created = min(first[0].ingested, first[0].timestamp) if first else int(stat.st_ctime * 1000)
        return LogStream(
            group, name, created, first[0].timestamp if first else None, last[0].timestamp if last else None, stat.st_size
        )

    def streams(self, group: str, prefix: str = "") -> list[LogStream]:
        found = (self.stream(group, name) for name in self.stream_names(group, prefix))
        return [s for s in found if s is not None]

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
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._make_folder(group)
            self._keep_name(path, stream)
            handle = os.open(path, flags | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                data = TORN + data  # a killed writer left the line open: it ends here, and readers pass it over
            while data:
                data = data[os.write(handle, data) :]
        finally:
            os.close(handle)

    def read(
        self, group: str, stream: str, position: int | None = None, *, backward: bool = False,
        start: int | None = None, end: int | None = None, limit: int = 10_000, most: int | None = None,
    ) -> tuple[list[LogEvent], int, int]:
        try:
            handle = os.open(self._path(group, stream), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return [], 0, 0
        try:
            size = os.fstat(handle).st_size
            at = (size if backward else 0) if position is None else min(max(position, 0), size)
            page = _Page(start, end, limit, most)
            if backward:
                low, high = page.backward(_backward(handle, at), at)
            else:
                low, high = at, page.forward(_forward(handle, at, size), at)
        finally:
            os.close(handle)
        return (page.events[::-1] if backward else page.events), low, high

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
            (folder / ".name").write_bytes(group.encode())
        return True

    def _keep_name(self, path: Path, name: str) -> None:
        if path.name.startswith("~"):
            path.with_suffix(".name").write_bytes(name.encode())


class _Page:
    """Events taken from lines until there are enough."""

    def __init__(self, start: int | None, end: int | None, limit: int, most: int | None) -> None:
        self.events: list[LogEvent] = []
        self._start = -1 if start is None else start
        self._end = 1 << 63 if end is None else end
        self._limit = limit
        self._room = 1 << 63 if most is None else most

    def forward(self, lines: Iterator[tuple[int, bytes]], at: int) -> int:
        """Where the next page begins."""
        for offset, line in lines:
            if not line.endswith(b"\n"):
                return offset  # somebody is writing it, or died doing so
            if not self._take(offset, line):
                return offset
            at = offset + len(line)
            if len(self.events) == self._limit:
                break
        return at

    def backward(self, lines: Iterator[tuple[int, bytes]], at: int) -> tuple[int, int]:
        """(where the page before this one ends, where what comes after this page begins)."""
        high = at
        for offset, line in lines:
            if not line.endswith(b"\n"):
                at = high = offset
                continue
            if not self._take(offset, line):
                break
            at = offset
            if len(self.events) == self._limit:
                break
        return at, high

    def _take(self, offset: int, line: bytes) -> bool:
        """False if the line's event has no room on this page; lines that are no events are passed over."""
        match = _LINE.fullmatch(line)
        if match is None or line.endswith(TORN) or not self._start <= (stamp := int(match[1])) < self._end:
            return True
        size = len(match[3]) + OVERHEAD
        if size > self._room and self.events:
            return False
        self._room -= size
        self.events.append(LogEvent(stamp, _unescape(match[3]), stamp + int(match[2] or 0), offset))
        return True


def _file_name(name: str) -> str:
    quoted = quote(name, safe=" ").replace("~", "%7E")  # a tilde marks a digest
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    return quoted if len(quoted) <= LONGEST else "~" + hashlib.sha256(name.encode()).hexdigest()


def _read_name(path: Path) -> str | None:
    """The group of a folder or the stream of a file; None while, or after, somebody else makes or removes it."""
    folder = path.suffix != ".log" or path.is_dir()
    if not path.name.startswith("~"):
        return unquote(path.name if folder else path.name.removesuffix(".log"))
    try:
        return (path / ".name" if folder else path.with_suffix(".name")).read_bytes().decode() or None
    except FileNotFoundError:
        return None


def _line(event: LogEvent) -> bytes:
    text = event.message.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
    late = b"%+d" % (event.ingested - event.timestamp) if event.ingested not in (0, event.timestamp) else b""
    return b"%d%s %s\n" % (event.timestamp, late, text.encode("utf-8", "replace"))


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
    """(offset, line) that end at or before ``at``, the latest first; the first of them may lack its newline."""
    rest, start = b"", at
    while start > 0:
        take = min(BLOCK, start)
        start -= take
        data = os.pread(handle, take, start) + rest
        *whole, last = data.split(b"\n")
        lines = [line + b"\n" for line in whole]  # a regular expression that keeps the ends takes thirty times as long
        if last:
            lines.append(last)
        end = start + len(data)
        for line in reversed(lines[1:]):
            end -= len(line)
            yield end, line
        rest = lines[0]  # it may begin in the block before
    if rest:
        yield 0, rest

"""What commands say: aligned tables, marks, progress on a terminal, and problems with their remedy."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

_STYLES = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}


class Problem(Exception):
    """Something the caller can do something about: what is wrong, and the remedy."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def problem(error: Problem) -> None:
    print(f"{styled('sagewright:', 'red', sys.stderr)} {error.what}", file=sys.stderr)
    if error.remedy:
        print(f"  {error.remedy}", file=sys.stderr)


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """Coloured on a terminal, unless NO_COLOR is set."""
    stream = stream or sys.stdout
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Columns aligned by their widest cell."""
    lines = [*([head] if head else []), *rows]
    if not lines:
        return ""
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    out = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if head:
        out[0] = styled(out[0], "bold")
    return "\n".join(out)


def as_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    """Two units at most: 42s, 3m 10s, 2h 5m, 4d 3h."""
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole % 86_400 // 3600, whole % 3600 // 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {whole % 60}s" if minutes else f"{whole}s"


class Progress:
    """One line that changes on a terminal; elsewhere each step is a line, at most one in ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._last = time.monotonic() - 8.0  # what takes under two seconds says nothing

    def step(self, text: str) -> None:
        now = time.monotonic()
        if self._live:
            width = os.get_terminal_size(self._stream.fileno()).columns if self._stream.isatty() else 80
            self._stream.write(f"\r\x1b[K{text[: width - 1]}")
            self._stream.flush()
        elif now - self._last >= 10.0:
            self._last = now
            print(text, file=self._stream, flush=True)

    def done(self, text: str = "") -> None:
        if self._live:
            self._stream.write("\r\x1b[K")
        if text:
            print(text, file=self._stream, flush=True)

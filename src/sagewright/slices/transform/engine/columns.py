"""A path's columns of a CSV line without quotes, with as few cuts as the path allows. The same as ``Path.row`` of all cells.

Lines are bytes, millions of them: what is done a line is the cost of a filter.
"""

from __future__ import annotations

from collections.abc import Callable

from .paths import Items, Path

Pick = Callable[[bytes], bytes]
EMPTY = b'""'
"""A row whose only cell is empty; an empty line would be no row."""


def picker(path: Path) -> Pick:
    """A function from a line to a line. It raises NoMatch, as the path does."""
    if path.whole:
        return bytes
    parts = path.steps[0].parts if len(path.steps) == 1 and isinstance(path.steps[0], Items) else ()
    if len(parts) == 1 and isinstance(part := parts[0], slice) and part.stop is None and (part.start or 0) >= 0:
        return _rest(part.start or 0)
    indices = [part for part in parts if isinstance(part, int)]
    if parts and len(indices) == len(parts) and min(indices) >= -1:
        return _cells(path, indices)
    return lambda line: every(path, line)


def every(path: Path, line: bytes) -> bytes:
    """The general way."""
    return b",".join(path.row(line.split(b","))) or EMPTY


def _rest(start: int) -> Pick:
    if not start:
        return lambda line: line or EMPTY

    def pick(line: bytes) -> bytes:
        cells = line.split(b",", start)
        return (cells[start] if len(cells) > start else b"") or EMPTY

    return pick


def _cells(path: Path, indices: list[int]) -> Pick:
    """Cells counted from the front, and the last."""
    cuts = max(indices) + 1

    def pick(line: bytes) -> bytes:
        cells = line.split(b",", cuts)
        if len(cells) < cuts:
            return every(path, line)  # which says what is missing
        if len(cells) > cuts:
            cells[-1] = line.rpartition(b",")[2]
        return b",".join([cells[index] for index in indices]) or EMPTY

    return pick

"""Points as bytes: records of the log, and chunks of one series. Pure.

A log record is a header (payload length, CRC-32 of the rest, sequence number) and 32 bytes a point: series, step, time,
value. A chunk is a flag byte and three columns; steps in even strides take 16 bytes whatever their number. Everything
is little-endian.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

from ...stores.runs import NO_STEP, Track

HEADER = struct.Struct("<IIQ")
POINT = struct.Struct("<qqdd")
_STRIDE = struct.Struct("<qq")
_LISTED, _STRIDED = b"\x00", b"\x01"
_COUNT = array("q", range(1 << 15))
"""What most series' steps are a slice of."""
_FEW = 64
"""Points packed in one step."""
Row = tuple[int, int, float, float]
"""(series, step, time, value)."""


@lru_cache(maxsize=_FEW)
def _together(count: int) -> struct.Struct:
    return struct.Struct("<" + "qqdd" * count)


def record(sequence: int, rows: list[Row]) -> bytes:
    """One record of the log."""
    body = _together(len(rows)).pack(*chain.from_iterable(rows)) if len(rows) <= _FEW else b"".join([POINT.pack(*row) for row in rows])
    number = sequence.to_bytes(8, "little")
    return HEADER.pack(len(body), zlib.crc32(body, zlib.crc32(number)), sequence) + body


def records(data: bytes) -> Iterator[tuple[int, Iterator[Row], int]]:
    """(sequence, rows, where the record ends) of every whole record; a torn end is left out."""
    at, end = 0, len(data)
    while at + HEADER.size <= end:
        length, check, sequence = HEADER.unpack_from(data, at)
        stop = at + HEADER.size + length
        body = memoryview(data)[at + HEADER.size : stop]
        if stop > end or length % POINT.size or zlib.crc32(body, zlib.crc32(sequence.to_bytes(8, "little"))) != check:
            return
        yield sequence, POINT.iter_unpack(body), stop
        at = stop


def chunk(track: Track) -> bytes:
    """A track, without its flags."""
    steps = track.steps
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    if stride and steps == array("q", range(steps[0], steps[0] + stride * len(steps), stride)):
        head = _STRIDED + _STRIDE.pack(steps[0], stride)
    else:
        head = _LISTED + _bytes(steps)
    return head + _bytes(track.times) + _bytes(track.values)


def unchunk(data: bytes, count: int, into: Track) -> None:
    """Append a chunk of ``count`` points to a track. The track's flags stay as they are."""
    if data[:1] == _STRIDED:
        first, stride = _STRIDE.unpack_from(data, 1)
        at = 1 + _STRIDE.size
        if stride == 1 and 0 <= first <= len(_COUNT) - count:
            into.steps += _COUNT[first : first + count]
        else:
            into.steps.extend(range(first, first + stride * count, stride))
    else:
        at = 1 + 8 * count
        _extend(into.steps, data[1:at])
    _extend(into.times, data[at : at + 8 * count])
    _extend(into.values, data[at + 8 * count : at + 16 * count])


def rises(step: int, before: int | None) -> bool:
    """Whether a track that climbs up to ``before`` goes on climbing."""
    return step != NO_STEP and (before is None or step > before)


def _bytes(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "little":
        return column.tobytes()
    column = column[:]
    column.byteswap()
    return column.tobytes()


def _extend(column: array[int] | array[float], data: bytes) -> None:
    if sys.byteorder == "little":
        column.frombytes(data)
        return
    more = array(column.typecode)
    more.frombytes(data)
    more.byteswap()
    column.extend(more)

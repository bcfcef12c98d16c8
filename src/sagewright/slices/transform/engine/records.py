"""Cuts a stream into records, and records into requests. Blocking; holds one request's worth at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

CHUNK = 2**18
MAGIC = 0xCED7230A
"""Begins every part of a RecordIO record (MXNet's format)."""


class TooLarge(ValueError):
    """A record that no request may hold."""


class BadFraming(ValueError):
    """The stream is not what its SplitType says."""


def records(stream: BinaryIO, split: str, limit: int) -> Iterator[bytes]:
    """The records of a stream, each as it goes into a request.

    Lines come without their end, and blank ones not at all; RecordIO and TFRecord keep their framing.

    Raises:
        TooLarge: a record of more than ``limit`` bytes.
        BadFraming: see there.
    """
    return {"Line": lines, "RecordIO": recordio, "TFRecord": tfrecord}[split](stream, limit)


def lines(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """Lines that end with a line feed, with or without a carriage return before it."""
    begun: list[bytes] = []
    size = 0
    while chunk := stream.read(CHUNK):
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join([*begun, whole[0]])
            begun, size = [], 0
        for line in whole:
            yield from _line(line, limit)
        begun.append(rest)
        size += len(rest)
        if size > limit + 1:
            raise TooLarge(f"a line of more than {limit} bytes")
    yield from _line(b"".join(begun), limit)


def _line(line: bytes, limit: int) -> Iterator[bytes]:
    line = line.removesuffix(b"\r")
    if len(line) > limit:
        raise TooLarge(f"a line of {len(line)} bytes")
    if line.strip():
        yield line


def recordio(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """RecordIO records, those of several parts as one.

    A part is magic, a word with flag (upper 3 bits: 0 whole, 1 begin, 2 middle, 3 end) and length, data, padding to 4.
    """
    parts: list[bytes] = []
    size = 0
    while head := stream.read(8):
        if len(head) < 8:
            raise BadFraming("the last RecordIO record is cut off")
        magic, word = struct.unpack("<II", head)
        if magic != MAGIC:
            raise BadFraming("not RecordIO: the magic number is missing")
        flag, length = word >> 29, word & (2**29 - 1)
        size += 8 + length + (-length % 4)
        if size > limit:
            raise TooLarge(f"a record of more than {limit} bytes")
        if (flag in (2, 3)) != bool(parts):
            raise BadFraming("not RecordIO: the parts of a record are out of order")
        parts.append(head + _exactly(stream, length + (-length % 4), "RecordIO"))
        if flag in (0, 3):
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        raise BadFraming("the last RecordIO record is cut off")


def tfrecord(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """TFRecord records: length (8 bytes), its checksum (4), data, its checksum (4)."""
    while head := stream.read(12):
        if len(head) < 12:
            raise BadFraming("the last TFRecord record is cut off")
        (length,) = struct.unpack("<Q", head[:8])
        if length + 16 > limit:
            raise TooLarge(f"a record of {length} bytes")
        yield head + _exactly(stream, length + 4, "TFRecord")


def _exactly(stream: BinaryIO, size: int, what: str) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BadFraming(f"the last {what} record is cut off")
    return data


def requests(found: Iterator[bytes], split: str, limit: int, *, single: bool) -> Iterator[bytes]:
    """Payloads of requests: a record each, or as many whole records as fit ``limit`` bytes."""
    if single:
        yield from found
        return
    between = b"\n" if split == "Line" else b""
    batch: list[bytes] = []
    size = 0
    for record in found:
        if batch and size + len(between) + len(record) > limit:
            yield between.join(batch)
            batch, size = [], 0
        size += len(record) + (len(between) if batch else 0)
        batch.append(record)
    if batch:
        yield between.join(batch)


def grouped(payloads: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Small payloads a few hundred KiB at a time, so that a thread is not asked for every line."""
    group: list[bytes] = []
    size = 0
    for payload in payloads:
        group.append(payload)
        size += len(payload)
        if size >= CHUNK:
            yield group
            group, size = [], 0
    if group:
        yield group

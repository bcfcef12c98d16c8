"""Cuts a stream into records, and records into requests. Blocking; holds one request's worth at a time."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

CHUNK = 2**18
MAGIC = 0xCED7230A
"""Begins every part of a RecordIO record (MXNet's format)."""
_MAGIC = struct.pack("<I", MAGIC)
_memmem = ctypes.CDLL(None).memmem
"""Of the C library. Python's own search for an empty line takes three times as long, and no other thread runs meanwhile."""
_memmem.restype = ctypes.c_void_p
_memmem.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


class TooLarge(ValueError):
    """A record that no request may hold."""


class BadFraming(ValueError):
    """The stream is not what its SplitType says."""


class Payload(NamedTuple):
    """The body of a request."""

    data: bytes
    first: int = 1
    """Number of its first record in the object, from 1."""
    records: int = 1
    """How many records it holds."""

    @property
    def place(self) -> str:
        """Where it stands in its object, for a reason."""
        if self.records == 1:
            return f"record {self.first}"
        return f"records {self.first} to {self.first + self.records - 1}"


def payloads(stream: BinaryIO, split: str, limit: int, *, single: bool) -> Iterator[Payload]:
    """The requests of a stream: a record each, or as many whole records as fit ``limit`` bytes.

    Lines come without their ends, and empty ones not at all. RecordIO and TFRecord keep their framing in requests of many
    records; a request of one holds its data alone, as the service has it.

    Raises:
        TooLarge: a record of more than ``limit`` bytes.
        BadFraming: see there.
    """
    if split == "Line" and not single:
        return blocks(stream, limit)
    found = {"Line": lines, "RecordIO": recordio, "TFRecord": tfrecord}[split](stream, limit, bare=single)
    if single:
        return (Payload(record, number) for number, record in enumerate(found, 1))
    return batches(found, limit)


# -- lines


def blocks(stream: BinaryIO, limit: int) -> Iterator[Payload]:
    """Requests of as many whole lines as fit, cut from blocks: nothing is done line by line."""
    data, first, more = b"", 1, True
    while True:
        while more and len(data) < limit + 2:  # room for the end of a line that fits just so
            chunk = stream.read(limit + 2 - len(data))
            data, more = data + chunk, bool(chunk)
        if not data:
            return
        end = len(data) if len(data) <= limit else data.rfind(b"\n", 0, limit + 1)
        if end < 0:
            if data[limit : limit + 2] not in (b"\r\n", b"\r"):
                raise TooLarge(f"a line of more than {limit} bytes (record {first})")
            end = limit + 1
        for payload in _block(data[:end], first):
            yield payload
            first += payload.records
        data = data[end + 1 :]


def _block(block: bytes, first: int) -> Iterator[Payload]:
    block = block.removesuffix(b"\n")
    if b"\r" in block or _memmem(block, len(block), b"\n\n", 2) or b"\n" in (block[:1], block[-1:]):
        block = b"\n".join([line for line in map(_ended, block.split(b"\n")) if line])
    if block:
        yield Payload(block, first, block.count(b"\n") + 1)


def _ended(line: bytes) -> bytes:
    return line.removesuffix(b"\r")


def lines(stream: BinaryIO, limit: int, *, bare: bool = True) -> Iterator[bytes]:
    """Lines that end with a line feed, with or without a carriage return before it; empty ones are left out."""
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
    if line:
        yield line


# -- binary records


def recordio(stream: BinaryIO, limit: int, *, bare: bool = False) -> Iterator[bytes]:
    """RecordIO records, those of several parts as one; ``bare``: their data without framing and padding.

    A part is magic, a word with flag (upper 3 bits: 0 whole, 1 begin, 2 middle, 3 end) and length, data, padding to 4.
    Data is parted where it holds the magic number itself, which is left out there.
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
        size += length if bare else 8 + length + (-length % 4)
        if size > limit:
            raise TooLarge(f"a record of more than {limit} bytes")
        if flag > 3 or (flag in (2, 3)) != bool(parts):
            raise BadFraming("not RecordIO: the parts of a record are out of order")
        data = _exactly(stream, length + (-length % 4), "RecordIO")
        parts.append(data[:length] if bare else head + data)
        if flag in (0, 3):
            yield (_MAGIC if bare else b"").join(parts)
            parts, size = [], 0
    if parts:
        raise BadFraming("the last RecordIO record is cut off")


def tfrecord(stream: BinaryIO, limit: int, *, bare: bool = False) -> Iterator[bytes]:
    """TFRecord records: length (8 bytes), its checksum (4), data, its checksum (4); ``bare``: the data alone.

    The length's checksum is verified, for that tells TFRecord from anything else; the data's is left to the model.
    """
    while head := stream.read(12):
        if len(head) < 12:
            raise BadFraming("the last TFRecord record is cut off")
        length, checksum = struct.unpack("<QI", head)
        if checksum != masked_crc32c(head[:8]):
            raise BadFraming("not TFRecord: the checksum of a record's length is wrong")
        if length + (0 if bare else 16) > limit:
            raise TooLarge(f"a record of {length} bytes")
        data = _exactly(stream, length + 4, "TFRecord")
        yield data[:-4] if bare else head + data


def masked_crc32c(data: bytes) -> int:
    """TFRecord's checksum of a few bytes: CRC-32C, rotated by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _exactly(stream: BinaryIO, size: int, what: str) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BadFraming(f"the last {what} record is cut off")
    return data


def batches(found: Iterator[bytes], limit: int) -> Iterator[Payload]:
    """As many records a request as fit."""
    batch: list[bytes] = []
    size, first = 0, 1
    for record in found:
        if batch and size + len(record) > limit:
            yield Payload(b"".join(batch), first, len(batch))
            first += len(batch)
            batch, size = [], 0
        size += len(record)
        batch.append(record)
    if batch:
        yield Payload(b"".join(batch), first, len(batch))


def grouped(found: Iterator[Payload]) -> Iterator[list[Payload]]:
    """Small payloads a few hundred KiB at a time, so that a thread is not asked for every line."""
    group: list[Payload] = []
    size = 0
    for payload in found:
        group.append(payload)
        size += len(payload.data) + 100
        if size >= CHUNK:
            yield group
            group, size = [], 0
    if group:
        yield group

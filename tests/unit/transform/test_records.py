"""Splitting and batching, to the byte."""

import io
import itertools
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.transform.engine.inputs import relative
from sagewright.slices.transform.engine.records import (
    MAGIC,
    BadFraming,
    Payload,
    TooLarge,
    batches,
    blocks,
    grouped,
    lines,
    masked_crc32c,
    payloads,
    recordio,
    tfrecord,
)


def split(data: bytes, limit: int = 1000) -> list[bytes]:
    return list(lines(io.BytesIO(data), limit))


def test_lines() -> None:
    assert split(b"a\nb\r\n\n  \nc") == [b"a", b"b", b"  ", b"c"]
    assert split(b"") == []
    assert split(b"one\n") == [b"one"]


@given(st.lists(st.binary(min_size=1).filter(lambda b: b.strip() and b"\n" not in b and not b.endswith(b"\r"))))
def test_lines_of_anything(records: list[bytes]) -> None:
    assert split(b"\n".join(records), 10**6) == records


def test_lines_across_chunks() -> None:
    big = [bytes([65 + n]) * 300_000 for n in range(3)]
    assert split(b"\n".join(big), 300_000) == big
    with pytest.raises(TooLarge):
        split(b"\n".join(big), 299_999)
    with pytest.raises(TooLarge):
        split(b"x" * 3_000_000, 300_000)


@given(st.lists(st.binary(min_size=1, max_size=30)), st.integers(30, 90))
def test_batches_fit_and_lose_nothing(records: list[bytes], limit: int) -> None:
    made = list(batches(iter(records), limit))
    assert b"".join(p.data for p in made) == b"".join(records)
    assert all(0 < len(p.data) <= limit for p in made)
    assert sum(p.records for p in made) == len(records)
    # as full as can be: a batch and the first record of the next do not fit together
    rest = iter(records)
    for payload, _ in itertools.pairwise(made):
        for _ in range(payload.records):
            next(rest)
        following = next(rest)
        assert len(payload.data) + len(following) > limit
        rest = _back(following, rest)


def _back(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\n", b"\r"])), st.integers(1, 7))
def test_blocks_hold_the_very_lines(pieces: list[bytes], limit: int) -> None:
    data = b"".join(pieces)
    try:
        whole = split(data, limit)
    except TooLarge:
        with pytest.raises(TooLarge):
            list(blocks(io.BytesIO(data), limit))
        return
    made = list(blocks(io.BytesIO(data), limit))
    assert [line for p in made for line in p.data.split(b"\n")] == whole
    number = 1
    for payload in made:
        assert (payload.first, payload.records) == (number, payload.data.count(b"\n") + 1)
        assert 0 < len(payload.data) <= limit
        number += payload.records


def test_line_batches_count_their_separators() -> None:
    assert [p.data for p in blocks(io.BytesIO(b"aa\nbb\ncc"), 5)] == [b"aa\nbb", b"cc"]
    assert [p.data for p in payloads(io.BytesIO(b"aa\nbb"), "Line", 5, single=True)] == [b"aa", b"bb"]
    assert [p.place for p in blocks(io.BytesIO(b"a\nb\nccc\n"), 3)] == ["records 1 to 2", "record 3"]
    assert [len(g) for g in grouped(iter([Payload(b"x" * 200_000)] * 4))] == [2, 2]


def part(data: bytes, flag: int = 0) -> bytes:
    return struct.pack("<II", MAGIC, flag << 29 | len(data)) + data + b"\0" * (-len(data) % 4)


def test_recordio() -> None:
    one, two = part(b"abcde"), part(b"x", 1) + part(b"y", 2) + part(b"z", 3)
    assert list(recordio(io.BytesIO(one + two + one), 1000)) == [one, two, one]
    data = b"ab" + struct.pack("<I", MAGIC)  # a writer parts data at the magic number and leaves it out
    assert list(recordio(io.BytesIO(one + part(b"ab", 1) + part(b"", 3)), 1000, bare=True)) == [b"abcde", data]
    assert [p.data for p in payloads(io.BytesIO(one * 2), "RecordIO", 6, single=True)] == [b"abcde"] * 2
    for bad in (b"nope" * 4, one[:-1], one + b"123", part(b"x", 1), part(b"x", 3), part(b"x", 1) + one):
        with pytest.raises(BadFraming):
            list(recordio(io.BytesIO(bad), 1000))
    with pytest.raises(TooLarge):
        list(recordio(io.BytesIO(struct.pack("<II", MAGIC, 2**29 - 1)), 1000))


def test_tfrecord() -> None:
    assert masked_crc32c(struct.pack("<Q", 0)) == 0x07980329, "as every empty record of TensorFlow's begins"
    head = struct.pack("<Q", 3)
    record = head + struct.pack("<I", masked_crc32c(head)) + b"abc" + b"\0\0\0\0"
    assert list(tfrecord(io.BytesIO(record * 2), 1000)) == [record, record]
    assert list(tfrecord(io.BytesIO(record * 2), 3, bare=True)) == [b"abc", b"abc"]
    assert [(p.data, p.records) for p in payloads(io.BytesIO(record * 3), "TFRecord", 40, single=False)] == [(record * 2, 2), (record, 1)]
    for bad in (record[:-1], record[:5], struct.pack("<QI", 3, 1) + record[12:]):
        with pytest.raises(BadFraming):
            list(tfrecord(io.BytesIO(bad), 1000))
    large = struct.pack("<Q", 2**60)
    with pytest.raises(TooLarge):
        list(tfrecord(io.BytesIO(large + struct.pack("<I", masked_crc32c(large))), 1000))


@pytest.mark.parametrize(("prefix", "key", "name"), [
    ("data/in/", "data/in/a/b.csv", "a/b.csv"), ("data/in", "data/in/a.csv", "a.csv"), ("data/in/a.csv", "data/in/a.csv", "a.csv"),
    ("data/part-", "data/part-01.csv", "part-01.csv"), ("", "a/b.csv", "a/b.csv"), ("a", "abc/d.csv", "abc/d.csv"),
])
def test_names_of_results(prefix: str, key: str, name: str) -> None:
    assert relative(prefix, key) == name

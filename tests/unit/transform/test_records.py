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
    TooLarge,
    grouped,
    lines,
    recordio,
    requests,
    tfrecord,
)


def split(data: bytes, limit: int = 1000) -> list[bytes]:
    return list(lines(io.BytesIO(data), limit))


def test_lines() -> None:
    assert split(b"a\nb\r\n\n  \nc") == [b"a", b"b", b"c"]
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
    batches = list(requests(iter(records), "TFRecord", limit, single=False))
    assert b"".join(batches) == b"".join(records)
    assert all(0 < len(batch) <= limit for batch in batches)
    # as full as can be: a batch and the first record of the next do not fit together
    rest = iter(records)
    for batch, _ in itertools.pairwise(batches):
        taken = 0
        while taken < len(batch):
            taken += len(next(rest))
        following = next(rest)
        assert len(batch) + len(following) > limit
        rest = _back(following, rest)


def _back(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def test_line_batches_count_their_separators() -> None:
    assert list(requests(iter([b"aa", b"bb", b"cc"]), "Line", 5, single=False)) == [b"aa\nbb", b"cc"]
    assert list(requests(iter([b"aa", b"bb"]), "Line", 5, single=True)) == [b"aa", b"bb"]
    assert [len(g) for g in grouped(iter([b"x" * 200_000] * 4))] == [2, 2]


def part(data: bytes, flag: int = 0) -> bytes:
    return struct.pack("<II", MAGIC, flag << 29 | len(data)) + data + b"\0" * (-len(data) % 4)


def test_recordio() -> None:
    one, two = part(b"abcde"), part(b"x", 1) + part(b"y", 2) + part(b"z", 3)
    assert list(recordio(io.BytesIO(one + two + one), 1000)) == [one, two, one]
    for bad in (b"nope" * 4, one[:-1], one + b"123", part(b"x", 1), part(b"x", 3), part(b"x", 1) + one):
        with pytest.raises(BadFraming):
            list(recordio(io.BytesIO(bad), 1000))
    with pytest.raises(TooLarge):
        list(recordio(io.BytesIO(struct.pack("<II", MAGIC, 2**29 - 1)), 1000))


def test_tfrecord() -> None:
    record = struct.pack("<QI", 3, 1) + b"abc" + b"\0\0\0\0"
    assert list(tfrecord(io.BytesIO(record * 2), 1000)) == [record, record]
    for bad in (record[:-1], record[:5]):
        with pytest.raises(BadFraming):
            list(tfrecord(io.BytesIO(bad), 1000))
    with pytest.raises(TooLarge):
        list(tfrecord(io.BytesIO(struct.pack("<QI", 2**60, 1)), 1000))


@pytest.mark.parametrize(("prefix", "key", "name"), [
    ("data/in/", "data/in/a/b.csv", "a/b.csv"), ("data/in", "data/in/a.csv", "a.csv"), ("data/in/a.csv", "data/in/a.csv", "a.csv"),
    ("data/part-", "data/part-01.csv", "part-01.csv"), ("", "a/b.csv", "a/b.csv"), ("a", "abc/d.csv", "abc/d.csv"),
])
def test_names_of_results(prefix: str, key: str, name: str) -> None:
    assert relative(prefix, key) == name

"""RecordIO and the protobuf Record, against bytes written by hand and against random values."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright_container import recordio
from sagewright_container.recordio import FLOAT32, FLOAT64, INT32, Malformed, Record, Tensor


def by_hand() -> bytes:
    def entry(number: int, values: list[float]) -> bytes:
        packed = struct.pack(f"<{len(values)}f", *values)
        tensor = b"\x0a" + bytes([len(packed)]) + packed
        value = b"\x12" + bytes([len(tensor)]) + tensor
        item = b"\x0a\x06values\x12" + bytes([len(value)]) + value
        return bytes([number << 3 | 2, len(item)]) + item

    return entry(1, [1.0, 2.0]) + entry(2, [3.0])


def test_reads_and_writes_the_schemas_bytes():
    record = recordio.parse(by_hand())
    assert list(record.features["values"].values) == [1.0, 2.0]
    assert list(record.label["values"].values) == [3.0]
    assert recordio.serialize(Record({"values": Tensor([1.0, 2.0])}, {"values": Tensor([3.0])})) == by_hand()


def test_frames():
    data = recordio.frame(b"abcde")
    assert data == struct.pack("<II", 0xCED7230A, 5) + b"abcde\0\0\0"
    assert list(recordio.frames(data * 3)) == [b"abcde"] * 3


tensors = st.one_of(
    st.builds(Tensor, st.lists(st.floats(width=32, allow_nan=False), max_size=6), keys=st.none(), shape=st.none(), kind=st.just(FLOAT32)),
    st.builds(Tensor, st.lists(st.floats(allow_nan=False), max_size=6), keys=st.none(), shape=st.none(), kind=st.just(FLOAT64)),
    st.builds(Tensor, st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6), keys=st.none(), shape=st.none(), kind=st.just(INT32)),
    st.builds(
        Tensor, st.lists(st.floats(width=32, allow_nan=False), max_size=6), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6),
        st.lists(st.integers(0, 2**63), min_size=1, max_size=6), st.just(FLOAT32),
    ),
)  # fmt: skip


texts = st.text(max_size=8)
values = st.dictionaries(texts, tensors | st.binary(max_size=16), max_size=3)
records_ = st.builds(Record, values, values, texts, texts)


@given(st.lists(records_, max_size=3))
def test_round_trip(records):
    found = list(recordio.loads(recordio.dumps(records)))
    assert len(found) == len(records)
    for one, other in zip(found, records, strict=True):
        assert (one.uid, one.metadata) == (other.uid, other.metadata)
        assert plain(one.features) == plain(other.features)
        assert plain(one.label) == plain(other.label)


def plain(values):
    return {name: value if isinstance(value, bytes) else (list(value.values), *value[1:]) for name, value in values.items()}


@given(st.binary())
def test_junk_is_refused_or_read_but_never_breaks(data):
    for read in (lambda: list(recordio.loads(data)), lambda: recordio.parse(data)):
        with contextlib.suppress(Malformed):
            read()


def test_cut_short():
    with pytest.raises(Malformed, match="cut short"):
        list(recordio.frames(recordio.frame(b"abcdefgh")[:-4]))

"""RecordIO framing and the protobuf ``Record`` of the built-in algorithms, both ways, standard library only.

A frame is the magic number, the payload's length (both little-endian uint32), the payload, and zeros up to a multiple
of four. A ``Record`` maps names to tensors; algorithms read the features and the label under the name ``values``.
"""

import struct
from array import array
from typing import BinaryIO, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

MAGIC = 0xCED7230A
FLOAT32, FLOAT64, INT32, BYTES = 2, 3, 7, 9
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_CODES = {FLOAT32: "f", FLOAT64: "d"}


class Malformed(ValueError):
    """Bytes that are not RecordIO or not a Record; the message says what and where."""


class Tensor(NamedTuple):
    """A dense tensor, or a sparse one when it has ``keys``."""

    values: Sequence[float]
    keys: Optional[Sequence[int]] = None
    shape: Optional[Sequence[int]] = None
    kind: int = FLOAT32


Value = Union[Tensor, bytes]


class Record(NamedTuple):
    """One example or one prediction."""

    features: Dict[str, Value]
    label: Dict[str, Value] = {}  # noqa: RUF012  (a default that nobody changes)
    uid: str = ""
    metadata: str = ""


def frames(data: bytes) -> Iterator[bytes]:
    """The payloads of RecordIO bytes.

    Raises:
        Malformed: wrong magic number or cut short.
    """
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise Malformed("RecordIO is cut short at byte %d" % at)
        magic, length = struct.unpack_from("<II", data, at)
        if magic != MAGIC:
            raise Malformed("no RecordIO frame at byte %d: magic number %#x" % (at, magic))
        at += 8
        if at + length > len(data):
            raise Malformed("RecordIO is cut short at byte %d" % at)
        yield data[at : at + length]
        at += (length + 3) & ~3


def frame(payload: bytes) -> bytes:
    """One payload in its frame."""
    return struct.pack("<II", MAGIC, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def read(file: BinaryIO) -> Iterator[Record]:
    """Every Record of a RecordIO file."""
    return loads(file.read())


def loads(data: bytes) -> Iterator[Record]:
    """Every Record of RecordIO bytes. Raises Malformed."""
    return (parse(payload) for payload in frames(data))


def dumps(records: Iterable[Record]) -> bytes:
    return b"".join(frame(serialize(record)) for record in records)


def parse(payload: bytes) -> Record:
    """One protobuf Record. Raises Malformed."""
    features: Dict[str, Value] = {}
    label: Dict[str, Value] = {}
    texts = {3: "", 4: ""}
    for number, kind, content in _fields(payload):
        if number in (1, 2) and kind == _DELIMITED:
            key, value = _entry(content)
            if value is not None:
                (features if number == 1 else label)[key] = value
        elif number in texts and kind == _DELIMITED:
            texts[number] = content.decode("utf-8", "replace")
    return Record(features, label, texts[3], texts[4])


def serialize(record: Record) -> bytes:
    """The protobuf bytes of a Record."""
    parts: List[bytes] = []
    for number, mapping in ((1, record.features), (2, record.label)):
        for key, value in mapping.items():
            parts.append(_field(number, _field(1, key.encode()) + _field(2, _value(value))))
    for number, text in ((3, record.uid), (4, record.metadata)):
        if text:
            parts.append(_field(number, text.encode()))
    return b"".join(parts)


def _entry(data: bytes) -> Tuple[str, Optional[Value]]:
    key, value = "", None  # type: Tuple[str, Optional[Value]]
    for number, kind, content in _fields(data):
        if number == 1 and kind == _DELIMITED:
            key = content.decode("utf-8", "replace")
        elif number == 2 and kind == _DELIMITED:
            for form, _, inner in _fields(content):
                if form in (FLOAT32, FLOAT64, INT32):
                    value = _tensor(form, inner)
                elif form == BYTES:
                    value = next((body for field, _, body in _fields(inner) if field == 1), b"")
    return key, value


def _tensor(form: int, data: bytes) -> Tensor:
    values: "Union[array[float], List[int]]" = array(_CODES[form]) if form in _CODES else []
    keys: List[int] = []
    shape: List[int] = []
    for number, kind, content in _fields(data):
        if number == 1 and isinstance(values, array):
            if len(content) % values.itemsize:
                raise Malformed("a tensor's values are cut short")
            values.frombytes(content)
        elif number == 1:
            values.extend(_int32(item) for item in _varints(kind, content))
        elif number in (2, 3):
            (keys if number == 2 else shape).extend(_varints(kind, content))
    return Tensor(values, keys or None, shape or None, form)


def _value(value: Value) -> bytes:
    if isinstance(value, (bytes, bytearray)):
        return _field(BYTES, _field(1, bytes(value)))
    if value.kind in _CODES:
        values = array(_CODES[value.kind], value.values).tobytes()
    else:
        values = b"".join(_varint(int(item) & 0xFFFFFFFFFFFFFFFF) for item in value.values)
    body = _field(1, values) if len(values) else b""
    for number, numbers in ((2, value.keys), (3, value.shape)):
        if numbers is not None and len(numbers):
            body += _field(number, b"".join(_varint(int(item)) for item in numbers))
    return _field(value.kind, body)


def _varints(kind: int, content: bytes) -> Iterator[int]:
    at = 0
    while at < len(content):
        item, at = _read_varint(content, at)
        yield item


def _int32(item: int) -> int:
    item &= 0xFFFFFFFF
    return item - (1 << 32) if item >= 1 << 31 else item


def _fields(data: bytes) -> Iterator[Tuple[int, int, bytes]]:
    """(number, wire type, bytes) of each field; a varint comes as its own bytes."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        start = at
        if kind == _VARINT:
            _, at = _read_varint(data, at)
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
        elif kind == _DELIMITED:
            length, start = _read_varint(data, at)
            at = start + length
        else:
            raise Malformed("protobuf wire type %d at byte %d" % (kind, start))
        if at > len(data):
            raise Malformed("a protobuf message is cut short")
        yield number, kind, data[start:at]


def _read_varint(data: bytes, at: int) -> Tuple[int, int]:
    result = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
        if shift > 63:
            break
    raise Malformed("a protobuf number is cut short or too long")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _DELIMITED) + _varint(len(content)) + content

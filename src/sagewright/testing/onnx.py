"""Small ONNX models as bytes, without the onnx package: the protobuf fields that a linear model needs, written by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence

FLOAT, INT64 = 1, 7


def linear(weights: Sequence[float], bias: float, *, columns: bool = False, labels: bool = False) -> bytes:
    """A model ``score = x @ weights + bias`` of float rows of any number.

    Args:
        columns: each feature is an input of its own, ``c0``, ``c1``, …, of shape [rows, 1].
        labels: a first output ``label``, 1 where the score is above 0, before ``score``.
    """
    size = len(weights)
    inputs = [f"c{n}" for n in range(size)] if columns else ["x"]
    nodes = [_node("Concat", inputs, ["x"], _attribute("axis", 1))] if columns else []
    nodes.append(_node("Gemm", ["x", "w", "b"], ["score"]))
    constants = [_tensor("w", [size, 1], weights), _tensor("b", [1], [bias])]
    outputs = [_value("score", FLOAT, 1)]
    if labels:
        nodes += [_node("Greater", ["score", "zero"], ["above"]), _node("Cast", ["above"], ["label"], _attribute("to", INT64))]
        constants.append(_tensor("zero", [1], [0.0]))
        outputs.insert(0, _value("label", INT64, 1))
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"linear") + b"".join(_field(5, c) for c in constants)
    graph += b"".join(_field(11, _value(name, FLOAT, 1 if columns else size)) for name in inputs)
    graph += b"".join(_field(12, output) for output in outputs)
    return _varint(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _varint(2, 13))


def _node(kind: str, inputs: Sequence[str], outputs: Sequence[str], attribute: bytes = b"") -> bytes:
    names = b"".join(_field(1, name.encode()) for name in inputs) + b"".join(_field(2, name.encode()) for name in outputs)
    return names + _field(4, kind.encode()) + (_field(5, attribute) if attribute else b"")


def _attribute(name: str, value: int) -> bytes:
    return _field(1, name.encode()) + _varint(3, value) + _varint(20, 2)


def _tensor(name: str, shape: Sequence[int], values: Sequence[float]) -> bytes:
    dims = b"".join(_varint(1, size) for size in shape)
    return dims + _varint(2, FLOAT) + _field(8, name.encode()) + _field(9, struct.pack(f"<{len(values)}f", *values))


def _value(name: str, kind: int, columns: int) -> bytes:
    shape = _field(1, _field(2, b"rows")) + _field(1, _varint(1, columns))
    return _field(1, name.encode()) + _field(2, _field(1, _varint(1, kind) + _field(2, shape)))


def _field(number: int, content: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(content)) + content


def _varint(number: int, value: int) -> bytes:
    return _number(number << 3) + _number(value)


def _number(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])

"""Readers and writers of whole documents for the protocols whose values are trees: JSON and CBOR.

Compiled once a shape. None stands for "as it is", so scalars that need no work cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from ..models import Member, Shape
from .values import write_float

Convert = Callable[[Any], Any]
Leaf = Callable[[Member], "Convert | None"]


class Reader:
    """Document → parameters: members get their own names, unknown ones and nulls are left out."""

    def __init__(self, leaf: Leaf) -> None:
        self._leaf = leaf
        self._structures: dict[Shape, Convert] = {}

    def structure(self, shape: Shape) -> Convert:
        known = self._structures.get(shape)
        if known is not None:
            return known
        table: dict[str, tuple[str, Convert | None]] = {}

        def read(value: Any) -> Any:
            if type(value) is not dict:
                return value
            out = {}
            for key, item in value.items():
                entry = table.get(key)
                if entry is not None and item is not None:
                    name, convert = entry
                    out[name] = item if convert is None else convert(item)
            return out

        self._structures[shape] = read
        for name, member in shape.members.items():
            if not member.location:
                table[member.wire_name] = (name, self.member(member))
        return read

    def member(self, member: Member) -> Convert | None:
        shape = member.shape
        if shape.document:
            return None
        if shape.type == "structure":
            return self.structure(shape)
        if shape.type == "list":
            assert shape.element is not None
            element = self.member(shape.element)
            if element is None:
                return None
            return lambda value: [None if v is None else element(v) for v in value] if type(value) is list else value
        if shape.type == "map":
            assert shape.value is not None
            item = self.member(shape.value)
            if item is None:
                return None
            return lambda value: (
                {k: None if v is None else item(v) for k, v in value.items()} if type(value) is dict else value
            )
        return self._leaf(member)


class Writer:
    """Result → document: what the model does not name is left out, and so are Nones."""

    def __init__(self, leaf: Leaf) -> None:
        self._leaf = leaf
        self._structures: dict[Shape, Convert] = {}

    def structure(self, shape: Shape) -> Convert:
        known = self._structures.get(shape)
        if known is not None:
            return known
        table: dict[str, tuple[str, Convert | None]] = {}

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            out = {}
            for name, item in value.items():
                entry = table.get(name)
                if entry is not None and item is not None:
                    key, convert = entry
                    out[key] = item if convert is None else convert(item)
            return out

        self._structures[shape] = write
        for name, member in shape.members.items():
            if not member.location:
                table[name] = (member.wire_name, self.member(member))
        return write

    def member(self, member: Member) -> Convert | None:
        shape = member.shape
        if shape.document:
            return None
        if shape.type == "structure":
            return self.structure(shape)
        if shape.type == "list":
            assert shape.element is not None
            element = self.member(shape.element)
            if element is write_float:
                return _numbers
            return list if element is None else lambda value: [element(v) for v in value]
        if shape.type == "map":
            assert shape.value is not None
            item = self.member(shape.value)
            return None if item is None else lambda value: {k: item(v) for k, v in value.items()}
        return self._leaf(member)


def _numbers(value: Sequence[Any]) -> list[Any]:
    """A list of numbers, which may be long: one look at all of them instead of a call for each."""
    try:
        plain = all(map(isfinite, value))
    except TypeError:
        plain = False
    return list(value) if plain else [write_float(number) for number in value]

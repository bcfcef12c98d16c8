"""Readers and writers of whole documents for the protocols whose values are trees: JSON and CBOR.

Compiled once a shape. None stands for "as it is", so scalars that need no work cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from ..models import Member, Shape
from ..written import Written
from .values import read_float, read_integer, read_time, seconds_of, write_float

Convert = Callable[[Any], Any]
Leaf = Callable[[Member], "Convert | None"]
_FEW = 12
"""Members of a structure that are asked for one by one; the values of a larger one are walked through."""
_AS_IT_IS: Mapping[Any, str] = {
    read_float: "x if type(x) is float else {}(x)", read_time: "x if type(x) is float else {}(x)",
    read_integer: "x if type(x) is int else {}(x)", write_float: "x if type(x) is float and x - x == 0 else {}(x)",
    seconds_of: "round(x, 3) if type(x) is float else {}(x)",
}
"""What the usual values need no call for."""


def _lines(written: Written, table: Mapping[str, tuple[str, Convert | None]], lines: list[str]) -> list[str]:
    """A function that turns the members of ``v`` into others. ``table``: name → (new name, conversion)."""
    if len(table) > _FEW:
        kept = written.keep(dict(table))
        return [
            *lines, " out = {}", " for k, x in v.items():", f"  e = {kept}.get(k)", "  if e is not None and x is not None:",
            "   n, c = e", "   out[n] = x if c is None else c(x)", " return out",
        ]
    lines = [*lines, " out = {}", " get = v.get"]
    for name, (new, convert) in table.items():
        usual = _AS_IT_IS.get(convert, "{}(x)") if convert is not None else "x"
        lines += [f" x = get({name!r})", f" if x is not None: out[{new!r}] = {usual.format(written.keep(convert))}"]
    return [*lines, " return out"]


class Reader:
    """Document → parameters: members get their own names, unknown ones and nulls are left out."""

    def __init__(self, leaf: Leaf) -> None:
        self._leaf = leaf
        self._written = Written(self._body)

    def structure(self, shape: Shape) -> Convert:
        return self._written.of(shape)

    def _body(self, shape: Shape) -> list[str]:
        members = [m for m in shape.members.values() if not m.location]
        table = {m.wire_name: (m.name, self.member(m)) for m in members}
        return _lines(self._written, table, [" if type(v) is not dict: return v"])

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
        self._written = Written(self._body)

    def structure(self, shape: Shape) -> Convert:
        return self._written.of(shape)

    def _body(self, shape: Shape) -> list[str]:
        members = [m for m in shape.members.values() if not m.location]
        return _lines(self._written, {m.name: (m.wire_name, self.member(m)) for m in members}, [])

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
        plain = isfinite(sum(value))  # neither NaN nor an infinity is ever lost in a sum
    except (TypeError, OverflowError):
        plain = False
    return list(value) if plain else [write_float(number) for number in value]

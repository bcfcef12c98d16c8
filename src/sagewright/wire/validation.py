"""Checks of a call's parameters against the model, every fault collected, in AWS's own words.

Nearly every call fits, which ``fits`` tells quickly; here is the check of those that may not. A shape's check is compiled to
closures at its first use. Instance types are open: any ``ml.`` name passes, because the machines here are not AWS's.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .fits import INTEGERS, Fitting
from .fits import instance as instance_type
from .models import Member, Shape
from .patterns import matcher

Fault = tuple[str, str, str]
"""(value as text, path, constraint)."""
Check = Callable[[Any, str, list[Fault]], None]

_SHOWN = 512
MOST_FAULTS = 50
"""How many faults one answer lists; a hostile document could have millions."""
_JAVA = {"structure": "object", "map": "map", "list": "list", "blob": "blob", "character": "string"}


class Validator:
    """Compiled checks of one server; safe to share between calls."""

    def __init__(self) -> None:
        self._checks: dict[Shape, Check] = {}
        self._fitting = Fitting()

    def faults(self, shape: Shape | None, params: Mapping[str, Any]) -> list[Fault]:
        """Everything that is wrong with ``params`` as an input of that shape."""
        found: list[Fault] = []
        if shape is not None and not self._fitting.of(shape)(params):
            self.check(shape)(params, "", found)
        return found

    def check(self, shape: Shape) -> Check:
        known = self._checks.get(shape)
        if known is None:
            known = self._checks[shape] = _Pending(shape, self)
            known = self._checks[shape] = _compile(shape, self)
        return known


def sentence(faults: list[Fault]) -> str:
    """``2 validation errors detected: Value '...' at '...' failed to satisfy constraint: ...; Value ...``"""
    said = "; ".join(f"Value {value} at '{path}' failed to satisfy constraint: {rule}" for value, path, rule in faults)
    return f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: {said}"


class _Pending:
    """Stands in for the check of a shape that contains itself, while that is being compiled."""

    def __init__(self, shape: Shape, validator: Validator) -> None:
        self._shape, self._validator = shape, validator

    def __call__(self, value: Any, path: str, faults: list[Fault]) -> None:
        self._validator.check(self._shape)(value, path, faults)


def _compile(shape: Shape, validator: Validator) -> Check:
    if shape.document:
        return _anything
    if shape.type == "structure":
        return _structure(shape, validator)
    if shape.type == "list":
        return _list(shape, validator)
    if shape.type == "map":
        return _map(shape, validator)
    return _scalar(shape)


def _anything(value: Any, path: str, faults: list[Fault]) -> None:
    """A document may be any JSON value."""


def _structure(shape: Shape, validator: Validator) -> Check:
    required = [name for name in shape.members if name in shape.required]
    names = {name: _lower(name) for name in shape.members}
    checks: dict[str, Check] = {}
    union = bool(shape.traits.get("union"))

    def check(value: Any, path: str, faults: list[Fault]) -> None:
        if type(value) is not dict and not isinstance(value, Mapping):
            _wrong_type(value, path, "structure", faults)
            return
        inner = f"{path}." if path else ""
        for name in required:
            if value.get(name) is None:
                faults.append(("null", inner + names[name], "Member must not be null"))  # noqa: PERF401  # rarely any
        present = 0
        for name, item in value.items():
            if item is None:
                continue
            known = checks.get(name)
            if known is None:
                member = shape.members.get(name)
                if member is None:
                    continue
                known = checks[name] = _member(member, validator)
            present += 1
            known(item, inner + names[name], faults)
            if len(faults) >= MOST_FAULTS:
                return
        if union and present != 1:
            faults.append((_show(value), path or "input", "Exactly one member of the union must be set"))

    return check


def _member(member: Member, validator: Validator) -> Check:
    if member.trait("streaming") or member.shape.traits.get("eventstream"):
        return _stream
    if member.location == "header" and member.trait("jsonvalue"):
        return _anything
    return validator.check(member.shape)


def _stream(value: Any, path: str, faults: list[Fault]) -> None:
    if not isinstance(value, (bytes, bytearray, memoryview, AsyncIterable)):
        _wrong_type(value, path, "blob", faults)


def _list(shape: Shape, validator: Validator) -> Check:
    assert shape.element is not None
    element = _member(shape.element, validator)
    length = _length_rule(shape)

    def check(value: Any, path: str, faults: list[Fault]) -> None:
        if not isinstance(value, (list, tuple)):
            _wrong_type(value, path, "list", faults)
            return
        if length is not None:
            _report(length(len(value)), value, path, faults)
        for at, item in enumerate(value, 1):
            where = f"{path}.{at}.member"
            if item is None:
                faults.append(("null", where, "Member must not be null"))
            else:
                element(item, where, faults)
            if len(faults) >= MOST_FAULTS:
                return

    return check


def _map(shape: Shape, validator: Validator) -> Check:
    assert shape.key is not None
    assert shape.value is not None
    key_rules = _rules(shape.key.shape)
    value_check = _member(shape.value, validator)
    value_rules = _rules(shape.value.shape) if shape.value.type == "string" else None
    length = _length_rule(shape)

    def check(value: Any, path: str, faults: list[Fault]) -> None:
        if type(value) is not dict and not isinstance(value, Mapping):
            _wrong_type(value, path, "map", faults)
            return
        if length is not None:
            _report(length(len(value)), value, path, faults)
        bad_keys: dict[str, None] = {}
        bad_values: dict[str, None] = {}
        for key, item in value.items():
            for rule in key_rules(key):
                bad_keys[rule] = None
            if item is None:
                faults.append(("null", f"{path}.{key}.member", "Member must not be null"))
            elif value_rules is None:
                value_check(item, f"{path}.{key}.member", faults)
            elif not isinstance(item, str):
                _wrong_type(item, f"{path}.{key}.member", "string", faults)
            else:
                for rule in value_rules(item):
                    bad_values[rule] = None
            if len(faults) >= MOST_FAULTS:
                return
        if bad_keys:
            faults.append((_show(value), path, f"Map keys must satisfy constraint: [{', '.join(bad_keys)}]"))
        if bad_values:
            faults.append((_show(value), path, f"Map value must satisfy constraint: [{', '.join(bad_values)}]"))

    return check


def _scalar(shape: Shape) -> Check:
    fits = _TYPES[shape.type]
    rules = _rules(shape)
    hidden = bool(shape.traits.get("sensitive"))
    kind = shape.type

    def check(value: Any, path: str, faults: list[Fault]) -> None:
        if not fits(value):
            _wrong_type(value, path, kind, faults)
            return
        broken = rules(value)
        if broken:
            _report(broken, "******" if hidden else value, path, faults)

    return check


def _rules(shape: Shape) -> Callable[[Any], Sequence[str]]:
    """What a scalar breaks; an empty answer when it is fine."""
    if shape.type in INTEGERS or shape.type in {"float", "double"}:
        return _range_rules(shape)
    if shape.type in {"string", "character"}:
        return _string_rules(shape)
    if shape.type == "blob":
        length = _length_rule(shape)
        return (lambda value: length(len(value))) if length else _no_rules
    return _no_rules


def _no_rules(value: Any) -> Sequence[str]:
    return ()


def _string_rules(shape: Shape) -> Callable[[Any], Sequence[str]]:
    length = _length_rule(shape)
    matches = matcher(shape.pattern) if shape.pattern else None
    allowed = frozenset(shape.enum) if shape.enum and not shape.name.endswith("InstanceType") else None
    instance = bool(shape.enum) and allowed is None
    if length is None and matches is None and allowed is None and not instance:
        return _no_rules

    def rules(value: str) -> Sequence[str]:
        broken: list[str] = [*length(len(value))] if length is not None else []
        # An overlong text is not worth the match.
        if matches is not None and not broken and not matches(value):
            broken.append(f"Member must satisfy regular expression pattern: {shape.pattern}")
        if (allowed is not None and value not in allowed) or (instance and not instance_type(value, shape)):
            broken.append(f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
        return broken

    return rules


def _range_rules(shape: Shape) -> Callable[[Any], Sequence[str]]:
    natural = INTEGERS.get(shape.type, (None, None))
    low = shape.minimum if shape.minimum is not None else natural[0]
    high = shape.maximum if shape.maximum is not None else natural[1]

    def rules(value: float) -> Sequence[str]:
        if low is not None and value < low:
            return (f"Member must have value greater than or equal to {low}",)
        if high is not None and value > high:
            return (f"Member must have value less than or equal to {high}",)
        return ()

    return rules


def _length_rule(shape: Shape) -> Callable[[int], Sequence[str]] | None:
    low, high = shape.minimum, shape.maximum
    if low is None and high is None:
        return None

    def rule(length: int) -> Sequence[str]:
        if low is not None and length < low:
            return (f"Member must have length greater than or equal to {low}",)
        if high is not None and length > high:
            return (f"Member must have length less than or equal to {high}",)
        return ()

    return rule


def _report(broken: Sequence[str], value: Any, path: str, faults: list[Fault]) -> None:
    if broken:
        faults.extend((_show(value), path, rule) for rule in broken)


def _wrong_type(value: Any, path: str, kind: str, faults: list[Fault]) -> None:
    faults.append((_show(value), path or "input", f"Member must be of type {_JAVA.get(kind, kind)}"))


def _show(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"'{len(value)} bytes'"
    text = _java(value)
    return f"'{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}'"


def _java(value: Any, depth: int = 0) -> str:
    """As Java's toString writes collections, which is what clients have learned to read."""
    if depth > 64:
        return "..."
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}={_java(v, depth + 1)}" for k, v in list(value.items())[:20]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_java(v, depth + 1) for v in value[:20]) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str),
    "character": lambda v: isinstance(v, str),
    "integer": _is_integer,
    "long": _is_integer,
    "short": _is_integer,
    "byte": _is_integer,
    "float": _is_number,
    "double": _is_number,
    "boolean": lambda v: isinstance(v, bool),
    "blob": lambda v: isinstance(v, (bytes, bytearray, memoryview)),
    "timestamp": lambda v: isinstance(v, datetime) or _is_number(v),
}

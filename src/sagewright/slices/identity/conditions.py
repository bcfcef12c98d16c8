"""Condition operators of IAM policies: pure comparisons of a request's context with a statement's values.

Follows the IAM reference, "Condition operators" and "Multivalued context keys". Context keys compare without case;
a key may hold several values. ``${...}`` variables are filled in by the caller before a value comes here, as pieces
that are either wildcard patterns or literal text.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

Context = Mapping[str, tuple[str, ...]]
"""Lower-cased key → its values."""

_VARIABLE = re.compile(r"\$\{\s*([^},]+?)\s*(?:,\s*'([^']*)'\s*)?\}")
_SPECIAL = {"*": "*", "?": "?", "$": "$"}


def context_of(given: Mapping[str, str | Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Context keys in the form the operators read."""
    return {k.lower(): (v,) if isinstance(v, str) else tuple(v) for k, v in given.items()}


ANY, ONE = "\ue000", "\ue001"
"""How a pattern writes its wildcards, so that ``*`` and ``?`` of filled-in values stay text."""


@dataclass(frozen=True, slots=True)
class Text:
    """A policy string with its variables filled in."""

    literal: str
    """What equality compares with."""
    pattern: str
    """The same, with the policy's own wildcards as ``ANY`` and ``ONE``."""


def fill(text: str, context: Context, variables: bool = True) -> Text | None:
    """Replace ``${key}`` and ``${key, 'default'}``; None when a variable has no single value (nothing can match)."""
    if not variables or "${" not in text:
        return Text(text, glob(text))
    literal, pattern, position = [], [], 0
    for match in _VARIABLE.finditer(text):
        name, default = match.group(1), match.group(2)
        before = text[position : match.start()]
        value = _SPECIAL.get(name)
        if value is None:
            values = context.get(name.lower(), ())
            value = values[0] if len(values) == 1 else default
        if value is None or ANY in value or ONE in value:
            return None
        literal += [before, value]
        pattern += [glob(before), value]
        position = match.end()
    literal.append(text[position:])
    pattern.append(glob(text[position:]))
    return Text("".join(literal), "".join(pattern))


@lru_cache(maxsize=4096)
def glob(text: str) -> str:
    """A policy's wildcard text as a pattern."""
    return text.replace("*", ANY).replace("?", ONE)


@lru_cache(maxsize=8192)
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression that never backtracks over an earlier wildcard: linear in the number of them."""
    pieces = [re.escape(p).replace(re.escape(ONE), ".") for p in re.split(f"{ANY}+", pattern)]
    if len(pieces) == 1:
        return re.compile(pieces[0], re.DOTALL)
    first, *middle, last = pieces
    return re.compile(first + "".join(f"(?>.*?{p})" for p in middle) + ".*" + last, re.DOTALL)


def like(value: str, text: Text) -> bool:
    """Wildcard match of a whole value."""
    return compiled(text.pattern).fullmatch(value) is not None


def arn_like(value: str, text: Text) -> bool:
    """Wildcard match of an ARN: each of its six parts on its own. What is not an ARN matches as plain text."""
    parts, patterns = value.split(":", 5), text.pattern.split(":", 5)
    if len(patterns) < 6 or len(parts) < 6:
        return like(value, text)
    return all(compiled(p).fullmatch(v) is not None for p, v in zip(patterns, parts, strict=True))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str) -> float | None:
    """ISO 8601 or epoch seconds → epoch seconds."""
    number = _number(text)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _ordered(
    read: Callable[[str], float | None], compare: Callable[[float, float], bool]
) -> Callable[[str, Text], bool]:
    def test(value: str, text: Text) -> bool:
        left, right = read(value), read(text.literal)
        return left is not None and right is not None and compare(left, right)

    return test


def _address(value: str, text: Text) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(text.literal, strict=False)
    except ValueError:
        return False


def _binary(value: str, text: Text) -> bool:
    try:
        return base64.b64decode(value, validate=True) == base64.b64decode(text.literal, validate=True)
    except binascii.Error:
        return False


_EQUALS: dict[str, Callable[[str, Text], bool]] = {
    "stringequals": lambda v, t: v == t.literal,
    "stringequalsignorecase": lambda v, t: v.lower() == t.literal.lower(),
    "stringlike": like,
    "numericequals": _ordered(_number, lambda a, b: a == b),
    "numericlessthan": _ordered(_number, lambda a, b: a < b),
    "numericlessthanequals": _ordered(_number, lambda a, b: a <= b),
    "numericgreaterthan": _ordered(_number, lambda a, b: a > b),
    "numericgreaterthanequals": _ordered(_number, lambda a, b: a >= b),
    "dateequals": _ordered(_time, lambda a, b: a == b),
    "datelessthan": _ordered(_time, lambda a, b: a < b),
    "datelessthanequals": _ordered(_time, lambda a, b: a <= b),
    "dategreaterthan": _ordered(_time, lambda a, b: a > b),
    "dategreaterthanequals": _ordered(_time, lambda a, b: a >= b),
    "bool": lambda v, t: v.lower() == t.literal.lower(),
    "binaryequals": _binary,
    "ipaddress": _address,
    "arnequals": arn_like,
    "arnlike": arn_like,
}
_NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key. All conditions of a statement must hold."""

    operator: str
    """Lower-cased, without quantifier and IfExists."""
    quantifier: str
    """``forallvalues``, ``foranyvalue`` or empty."""
    if_exists: bool
    key: str
    """Lower-cased."""
    values: tuple[str, ...]

    @classmethod
    def read(cls, operator: str, key: str, values: Sequence[str]) -> Condition:
        """Raises ValueError for an operator that does not exist."""
        quantifier, _, rest = operator.lower().rpartition(":")
        if_exists = rest.endswith("ifexists") and rest != "nullifexists"
        rest = rest.removesuffix("ifexists") if if_exists else rest
        known = rest in _EQUALS or rest in _NEGATED or (rest == "null" and not quantifier)
        if not known or quantifier not in {"", "forallvalues", "foranyvalue"}:
            raise ValueError(f"Invalid Condition type : {operator}.")
        return cls(rest, quantifier, if_exists, key.lower(), tuple(values))

    def holds(self, context: Context, variables: bool = True) -> bool:
        found = context.get(self.key, ())
        if self.operator == "null":
            return any((v.lower() == "true") == (not found) for v in self.values)
        negated = self.operator in _NEGATED
        if not found:
            if self.quantifier:
                return self.if_exists or self.quantifier == "forallvalues"
            return self.if_exists or negated
        test = _EQUALS[_NEGATED.get(self.operator, self.operator)]
        texts = [t for t in (fill(v, context, variables) for v in self.values) if t is not None]
        each = [any(test(value, t) for t in texts) is not negated for value in found]
        # Without a quantifier a key has one value; should it hold more, a negation has to hold for all of them.
        if self.quantifier == "forallvalues" or (negated and not self.quantifier):
            return all(each)
        return any(each)

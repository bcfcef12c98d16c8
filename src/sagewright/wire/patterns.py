"""Patterns of the service models, which are written for Java, compiled by the ``regex`` package.

``regex`` knows possessive quantifiers, properties and nested sets as Java does. What is left to translate: surrogate
pairs, ``\\z``/``\\Z``, ``\\x{...}``, Java's property names, and the set operators that only ``regex`` has.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import lru_cache

import regex

LIMIT_SECONDS = 0.5
"""The most one match may take; a pattern that backtracks longer counts as not matched."""

_SHORT = 256
_REMEMBERED = 512
_REPEATED_GROUP = re.compile(r"\)[*+{]|[*+}][*+]")
_SURROGATES = re.compile(r"\\uD800\\uDC00-\\uDBFF\\uDFFF", re.IGNORECASE)
_JAVA_NAMES = {
    "IsAlphabetic": "Alphabetic", "IsDigit": "Nd", "IsLetter": "L", "IsPunctuation": "P", "ASCII": "InBasicLatin",
    "IsLatin": "Latin",
}
_ESCAPE = re.compile(r"\\(?:([pP])\{(\w+)\}|x\{([0-9A-Fa-f]+)\}|(.))", re.DOTALL)


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> regex.Pattern[str]:
    """The pattern for ``fullmatch``. Raises regex.error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return regex.compile(translate(pattern), regex.VERSION1)


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test of a whole string, as Java's ``matches()``; compiles at its first call.

    A time limit costs more than most matches, so it guards only what may backtrack badly: patterns that repeat a
    group, and long texts. Short texts that a pattern has matched are remembered: names come again and again.
    """
    if pattern == ".*":
        return lambda text: "\n" not in text and "\r" not in text
    if pattern in {r"[\s\S]*", r"[\S\s]*"}:
        return lambda text: True
    found: list[regex.Pattern[str]] = []
    flat = _REPEATED_GROUP.search(pattern) is None
    known: set[str] = set()

    def matches(text: str) -> bool:
        if text in known:
            return True
        if not found:
            found.append(compiled(pattern))
        try:
            limit = None if flat and len(text) <= _SHORT else LIMIT_SECONDS
            fits = found[0].fullmatch(text, timeout=limit) is not None
        except TimeoutError:
            return False
        if fits and len(text) <= _SHORT:
            if len(known) >= _REMEMBERED:
                known.clear()
            known.add(text)
        return fits

    return matches


def translate(pattern: str) -> str:
    """A Java pattern as ``regex`` writes it."""
    pattern = _SURROGATES.sub(r"\\U00010000-\\U0010FFFF", pattern)
    return _escape_set_operators(_ESCAPE.sub(_escape, pattern))


def _escape(found: re.Match[str]) -> str:
    prop, name, point, plain = found.groups()
    if prop:
        return f"\\{prop}{{{_JAVA_NAMES.get(name, name)}}}"
    if point:
        return f"\\U{int(point, 16):08X}"
    return {"z": r"\Z", "Z": r"(?=\n?\Z)"}.get(plain, found.group())


def _escape_set_operators(pattern: str) -> str:
    """Inside a set, ``--``, ``||`` and ``~~`` are plain characters to Java; ``&&`` is an intersection to both."""
    out: list[str] = []
    depth, at, start = 0, 0, -1
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            out.append(pattern[at : at + 2])
            at += 2
            continue
        if char == "[":
            depth += 1
            start = at + (2 if pattern[at + 1 : at + 2] == "^" else 1)
        elif char == "]" and depth:
            if at == start:  # a bracket that stands first is a member
                char = r"\]"
            else:
                depth -= 1
        elif depth and char in "-|~" and pattern[at + 1 : at + 2] == char:
            out.append(f"\\{char}\\{char}")
            at += 2
            continue
        out.append(char)
        at += 1
    return "".join(out)

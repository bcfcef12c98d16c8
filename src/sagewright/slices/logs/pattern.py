"""Filter patterns of CloudWatch Logs for unstructured text: terms, "phrases", ?any and -none.

Syntax: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable

import regex

from ...wire.errors import NotImplementedHere, ServiceError

_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))')
MATCH_SECONDS = 1.0


def compiled(pattern: str) -> Callable[[str], bool]:
    """A predicate over messages: every plain term, at least one ?term, no -term.

    Raises:
        NotImplementedHere: JSON and space-delimited patterns.
    """
    text = pattern.strip()
    if text.startswith(("{", "[")):
        raise NotImplementedHere("JSON and space-delimited filter patterns are not implemented; use terms, \"phrases\", ?any, -none.")
    if len(text) > 2 and text.startswith("%") and text.endswith("%"):
        try:
            expression = regex.compile(text[1:-1])
        except regex.error as error:
            raise ServiceError("InvalidParameterException", f"Invalid filter pattern: {error}") from None
        return lambda message: expression.search(message, timeout=MATCH_SECONDS) is not None
    every: list[str] = []
    some: list[str] = []
    none: list[str] = []
    for sign, phrase, word in _TERM.findall(text):
        (some if sign == "?" else none if sign == "-" else every).append(phrase.replace('\\"', '"') or word)
    return lambda message: (
        all(t in message for t in every) and (not some or any(t in message for t in some)) and not any(t in message for t in none)
    )

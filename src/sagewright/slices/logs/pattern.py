"""Filter patterns of CloudWatch Logs for unstructured text: terms, "phrases", ?any, -none, %regular expression%.

Syntax: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable

import regex

from .groups import invalid

_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)\s*')
_ESCAPED = re.compile(r"\\(.)")
MATCH_SECONDS = 1.0


def compiled(pattern: str) -> Callable[[str], bool]:
    """A predicate over messages, case-sensitive: every plain term, no -term; ?terms alone: at least one of them.

    As in CloudWatch, ?terms beside others are passed over.

    Raises:
        ServiceError: InvalidParameterException for what is no pattern, or is one in JSON or by columns.
    """
    text = pattern.strip()
    if text.startswith(("{", "[")):
        raise invalid('JSON and space-delimited filter patterns are not implemented; use terms, "phrases", ?any, -none or %regex%.')
    if len(text) > 2 and text.startswith("%") and text.endswith("%"):
        return _expression(text[1:-1])
    signs: dict[str, list[str]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None:
            raise invalid(f"Invalid filter pattern: cannot read {text[at:]}")
        signs[match[1]].append(match[3] or _ESCAPED.sub(r"\1", match[2]))
        at = match.end()
    every, some, none = signs[""], signs["?"], signs["-"]
    if some and not every and not none:
        return lambda message: any(t in message for t in some)
    return lambda message: all(t in message for t in every) and not any(t in message for t in none)


def _expression(text: str) -> Callable[[str], bool]:
    try:
        expression = regex.compile(text)
    except regex.error as error:
        raise invalid(f"Invalid filter pattern: {error}") from None

    def matches(message: str) -> bool:
        try:
            return expression.search(message, timeout=MATCH_SECONDS) is not None
        except TimeoutError:
            raise invalid("Invalid filter pattern: the regular expression takes too long.") from None

    return matches

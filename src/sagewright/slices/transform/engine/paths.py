"""The JSONPath subset of DataProcessing filters: ``$``, ``.name``, ``['a','b']``, ``[0]``, ``[1,-1]``, ``[1:4]``, ``[0,5:]``, ``*``.

Slices end before their second index, as JSONPath says. Names of the service's page:
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_\-]*)")
_QUOTED = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\s*")
_INDEX = re.compile(r"\s*(-?\d+)?\s*(:)?\s*(-?\d+)?\s*")


class BadPath(ValueError):
    """Not a path of the subset; the message says where."""


class NoMatch(ValueError):
    """The record has nothing at the path."""


@dataclass(frozen=True, slots=True)
class Names:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """Indices and slices of a list, in the order given."""

    parts: tuple[int | slice, ...]


@dataclass(frozen=True, slots=True)
class Everything:
    """``*``"""


Step = Names | Items | Everything


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path."""

    text: str
    steps: tuple[Step, ...]

    @property
    def whole(self) -> bool:
        """``$``: the record as it is."""
        return not self.steps

    @property
    def columns(self) -> bool:
        """Selects columns of a row, as CSV needs it."""
        return len(self.steps) <= 1 and not any(isinstance(step, Names) for step in self.steps)

    def select(self, value: Any) -> Any:
        """What the path finds in a record. Raises NoMatch."""
        for step in self.steps:
            value = _apply(step, value, self.text)
        return value

    def row(self, values: list[Any]) -> list[Any]:
        """The columns that the path selects; always a list. Raises NoMatch."""
        found = self.select(values)
        return found if isinstance(found, list) else [found]


def parse(text: str) -> Path:
    """Read a path. Raises BadPath."""
    path = text.strip()
    if not path.startswith("$"):
        raise BadPath(f"{text!r}: a path begins with $.")
    at = 1
    steps: list[Step] = []
    while at < len(path):
        if path.startswith((".*", "*"), at):
            steps.append(Everything())
            at += 2 if path[at] == "." else 1
        elif path.startswith(("[", ".["), at):
            at += 2 if path[at] == "." else 1
            end = _closing(path, at, text)
            steps.append(_bracket(path[at:end], text))
            at = end + 1
        elif path[at] == "." and (match := _NAME.match(path, at)):
            steps.append(Names((match[1],)))
            at = match.end()
        else:
            raise BadPath(f"{text!r}: cannot read {path[at:]!r}.")
    return Path(text, tuple(steps))


def _closing(path: str, at: int, text: str) -> int:
    quote = ""
    while at < len(path):
        char = path[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "]":
            return at
        at += 1
    raise BadPath(f"{text!r}: a bracket is not closed.")


def _bracket(inside: str, text: str) -> Step:
    if inside.strip() == "*":
        return Everything()
    if inside.lstrip()[:1] in ("'", '"'):
        return Names(_names(inside, text))
    parts: list[int | slice] = []
    for part in inside.split(","):
        match = _INDEX.fullmatch(part)
        if match is None or (match[1] is None and match[2] is None):
            raise BadPath(f"{text!r}: {part.strip()!r} is neither an index nor a slice.")
        start = int(match[1]) if match[1] else None
        if match[2]:
            parts.append(slice(start, int(match[3]) if match[3] else None))
        elif match[3] is None and start is not None:
            parts.append(start)
        else:
            raise BadPath(f"{text!r}: {part.strip()!r} is neither an index nor a slice.")
    return Items(tuple(parts))


def _names(inside: str, text: str) -> tuple[str, ...]:
    names, at = [], 0
    while True:
        match = _QUOTED.match(inside, at)
        if match is None:
            raise BadPath(f"{text!r}: expected a quoted name at {inside[at:]!r}.")
        names.append(re.sub(r"\\(.)", r"\1", match[1] if match[1] is not None else match[2]))
        at = match.end()
        if at == len(inside):
            return tuple(names)
        if inside[at] != ",":
            raise BadPath(f"{text!r}: expected a comma at {inside[at:]!r}.")
        at += 1


def _apply(step: Step, value: Any, text: str) -> Any:
    if isinstance(step, Everything):
        if isinstance(value, dict):
            return list(value.values())
        if isinstance(value, list):
            return list(value)
        raise NoMatch(f"{text} needs an object or a list.")
    if isinstance(step, Names):
        if not isinstance(value, dict):
            raise NoMatch(f"{text} needs an object.")
        if missing := [name for name in step.names if name not in value]:
            raise NoMatch(f"{text}: the record has no {missing[0]!r}.")
        return value[step.names[0]] if len(step.names) == 1 else {name: value[name] for name in step.names}
    if not isinstance(value, list):
        raise NoMatch(f"{text} needs a list.")
    if len(step.parts) == 1 and isinstance(step.parts[0], int):
        return _item(value, step.parts[0], text)
    found: list[Any] = []
    for part in step.parts:
        if isinstance(part, slice):
            found += value[part]
        else:
            found.append(_item(value, part, text))
    return found


def _item(values: list[Any], index: int, text: str) -> Any:
    if not -len(values) <= index < len(values):
        raise NoMatch(f"{text}: index {index} is out of range, the record has {len(values)} items.")
    return values[index]

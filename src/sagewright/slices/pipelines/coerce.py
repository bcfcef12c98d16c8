"""Arguments as the operation's input shape wants them: a number from an expression is a text in a map of texts, and so on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...wire.models import Shape
from .expressions import text

_WORDS = {"true": True, "false": False}


def coerced(value: Any, shape: Shape) -> Any:
    """``value`` with its scalars turned into the shape's types where that loses nothing; the rest is left to validation."""
    if shape.type == "structure" and isinstance(value, Mapping):
        members = shape.members
        return {k: coerced(v, members[k].shape) if k in members else v for k, v in value.items() if v is not None}
    if shape.type == "map" and isinstance(value, Mapping) and shape.value is not None:
        return {str(k): coerced(v, shape.value.shape) for k, v in value.items()}
    if shape.type == "list" and isinstance(value, list) and shape.element is not None:
        return [coerced(each, shape.element.shape) for each in value]
    if isinstance(value, (Mapping, list)):
        return text(value) if shape.type == "string" else value
    return _scalar(value, shape.type)


def _scalar(value: Any, type_: str) -> Any:
    if type_ == "string" and isinstance(value, (bool, int, float)):
        return text(value)
    if type_ == "boolean" and isinstance(value, str):
        return _WORDS.get(value.lower(), value)
    if type_ in ("integer", "long") and isinstance(value, (str, float)):
        try:
            number = float(value)
            return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else int(number) if number.is_integer() else value
        except ValueError:
            return value
    if type_ in ("float", "double") and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value

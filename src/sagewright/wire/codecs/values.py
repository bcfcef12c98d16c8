"""Timestamps, blobs and scalars as the protocols write them."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from ..models import Member

ISO, RFC, UNIX = "iso8601", "rfc822", "unixTimestamp"
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_time(value: Any) -> Any:
    """Epoch seconds of a timestamp in any of AWS's formats; what is none is handed back for validation to name."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, datetime):
        return _epoch(value)
    if not isinstance(value, str):
        return value
    for reader in (float, _iso, _rfc):
        try:
            seconds = reader(value)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
        if math.isfinite(seconds):
            return seconds
    return value


def _iso(text: str) -> float:
    return _epoch(datetime.fromisoformat(text))


def _rfc(text: str) -> float:
    return _epoch(parsedate_to_datetime(text))


def _epoch(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def seconds_of(value: Any) -> float:
    """Epoch seconds, to the millisecond as AWS answers."""
    seconds = _epoch(value) if isinstance(value, datetime) else float(value)
    return round(seconds, 3)


def write_time(value: Any, form: str) -> str:
    """A timestamp as text in one of AWS's formats."""
    if isinstance(value, str):
        return value
    seconds = seconds_of(value)
    if form == UNIX:
        return repr(seconds)
    moment = datetime.fromtimestamp(seconds, UTC)
    if form == RFC:
        return format_datetime(moment.replace(microsecond=0), usegmt=True)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def read_blob(value: Any) -> Any:
    """Bytes of base64 text; what is none is handed back for validation to name."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return value


def write_blob(value: Any) -> str:
    if isinstance(value, str):
        value = value.encode()
    return base64.b64encode(value).decode("ascii")


def read_float(value: Any) -> Any:
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


def write_float(value: Any) -> Any:
    """A JSON number, or the string that stands for one JSON has not."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def read_integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text_integer(text: str) -> Any:
    try:
        return int(text) if len(text) < 32 else text
    except ValueError:
        return text


def _text_float(text: str) -> Any:
    if text in _SPECIAL:
        return _SPECIAL[text]
    try:
        return float(text)
    except ValueError:
        return text


def _text_boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text.lower(), text)


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "integer": _text_integer, "long": _text_integer, "short": _text_integer, "byte": _text_integer,
    "float": _text_float, "double": _text_float, "boolean": _text_boolean, "timestamp": read_time, "blob": read_blob,
}


def text_reader(kind: str) -> Callable[[str], Any]:
    """How text in a header, a query string, a form or XML becomes a value of a scalar type."""
    return _FROM_TEXT.get(kind, str)


def text_writer(member: Member, time_format: str) -> Callable[[Any], str]:
    """The other way round."""
    kind = member.type
    if kind == "timestamp":
        form = str(member.trait("timestampFormat", time_format))
        return lambda value: write_time(value, form)
    if kind == "blob":
        return write_blob
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind in {"float", "double"}:
        return lambda value: str(write_float(value))
    return str

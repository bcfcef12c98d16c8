"""DataProcessing: filter what goes to the model, join its answers with the records, filter what is stored."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from .paths import Path, parse

FORMATS = {"text/csv": "csv", "application/json": "json", "application/jsonlines": "jsonlines"}
OUTPUT = "SageMakerOutput"
INPUT = "SageMakerInput"


class BadRecord(ValueError):
    """A record or an answer that cannot be processed."""


def format_of(content_type: str | None) -> str:
    """``csv``, ``json``, ``jsonlines``, or empty for what has no records we can read."""
    return FORMATS.get((content_type or "").split(";", 1)[0].strip().lower(), "")


class Processing:
    """A job's DataProcessing.

    Args:
        config: the request's DataProcessing.
        content_type: of the input.
        accept: of the output; the input's unless given.
        lines: the input is split by lines, so that every record stands on its own line.
    """

    def __init__(self, config: dict[str, Any], content_type: str | None, accept: str | None, *, lines: bool) -> None:
        self.input: Path = parse(config.get("InputFilter", "$"))
        self.output: Path = parse(config.get("OutputFilter", "$"))
        self.join = config.get("JoinSource", "None") == "Input"
        self.format = format_of(content_type)
        self.answer_format = format_of(accept or content_type)
        self.lines = lines

    @property
    def before(self) -> bool:
        """Requests are not the input as it stands."""
        return not self.input.whole

    @property
    def after(self) -> bool:
        """What is stored is not the answer as it stands."""
        return self.join or not self.output.whole

    def request(self, payload: bytes) -> bytes:
        """The payload of a request. Raises BadRecord."""
        if not self.before:
            return payload
        if self.format == "csv":
            return _csv([self._row(self.input, row) for row in _rows(payload)])
        if self._many(self.format):
            return _jsonlines([self._select(self.input, value) for value in _values(payload)])
        return _dump(self._select(self.input, _value(payload)))

    def result(self, payload: bytes, answer: bytes) -> bytes:
        """What is stored for a payload and its answer. Raises BadRecord."""
        if not self.after:
            return answer
        if self.answer_format == "csv":
            rows = _rows(answer)
            if self.join:
                rows = [given + got for given, got in _pairs(_rows(payload), rows)]
            return _csv([self._row(self.output, row) for row in rows])
        if self._many(self.answer_format):
            values = _values(answer)
            if self.join:
                values = [_joined(given, got) for given, got in _pairs(_values(payload), values)]
            return _jsonlines([self._select(self.output, value) for value in values])
        value = _value(answer)
        if self.join:
            value = _joined(_value(payload), value)
        return _dump(self._select(self.output, value))

    def _many(self, form: str) -> bool:
        return form == "jsonlines" or self.lines

    def _row(self, path: Path, row: list[str]) -> list[Any]:
        try:
            return path.row(row)
        except ValueError as error:
            raise BadRecord(str(error)) from None

    def _select(self, path: Path, value: Any) -> Any:
        try:
            return path.select(value)
        except ValueError as error:
            raise BadRecord(str(error)) from None


def _pairs(given: list[Any], got: list[Any]) -> list[tuple[Any, Any]]:
    if len(given) != len(got):
        raise BadRecord(f"cannot join {len(given)} input records with {len(got)} output records.")
    return list(zip(given, got, strict=True))


def _joined(given: Any, got: Any) -> Any:
    return {**given, OUTPUT: got} if isinstance(given, dict) else {INPUT: given, OUTPUT: got}


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecord(f"not UTF-8: {error}.") from None


def _rows(data: bytes) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(_text(data), newline=""), strict=True) if row]
    except csv.Error as error:
        raise BadRecord(f"not CSV: {error}.") from None


def _csv(rows: list[list[Any]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([[_cell(cell) for cell in row] for row in rows])
    return out.getvalue().encode().removesuffix(b"\n")


def _cell(cell: Any) -> Any:
    return cell if isinstance(cell, str) else json.dumps(cell)


def _value(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise BadRecord(f"not JSON: {error}.") from None


def _values(data: bytes) -> list[Any]:
    return [_value(line) for line in data.splitlines() if line.strip()]


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _jsonlines(values: list[Any]) -> bytes:
    return b"\n".join(_dump(value) for value in values)

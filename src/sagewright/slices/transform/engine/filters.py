"""DataProcessing: filter what goes to the model, join its answers with the records, filter what is stored.

With data capture's GenerateInferenceId every stored record gets an id and the time of the job besides.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from .columns import EMPTY, Pick, picker
from .paths import Path, parse

FORMATS = {"text/csv": "csv", "application/json": "json", "application/jsonlines": "jsonlines", "application/x-jsonlines": "jsonlines"}
OUTPUT = "SageMakerOutput"
INPUT = "SageMakerInput"
ID, TIME = "SageMakerInferenceId", "SageMakerInferenceTime"
_BOM = b"\xef\xbb\xbf"


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
        stamp: the time that goes with the ids of records; empty: records get none.
    """

    def __init__(self, config: dict[str, Any], content_type: str | None, accept: str | None, *, lines: bool, stamp: str = "") -> None:
        self.input: Path = parse(config.get("InputFilter", "$"))
        self.output: Path = parse(config.get("OutputFilter", "$"))
        self.join = config.get("JoinSource", "None") == "Input"
        self.format = format_of(content_type)
        self.answer_format = format_of(accept or content_type)
        self.lines = lines
        self.stamp = stamp
        self._pick_input, self._pick_output = picker(self.input), picker(self.output)

    @property
    def before(self) -> bool:
        """Requests are not the input as it stands."""
        return not self.input.whole

    @property
    def after(self) -> bool:
        """What is stored is not the answer as it stands."""
        return self.join or not self.output.whole or bool(self.stamp)

    def request(self, payload: bytes) -> bytes:
        """The payload of a request. Raises BadRecord."""
        if not self.before:
            return payload
        if self.format == "csv":
            if (lines := _lines(payload)) is not None:
                return _picked(self._pick_input, lines)
            return _written(self._row(self.input, row) for row in _rows(payload))
        if self._many(self.format):
            return _jsonlines([self._select(self.input, value) for value in _values(payload)])
        return _dump(self._select(self.input, _value(payload)))

    def result(self, payload: bytes, answer: bytes) -> bytes:
        """What is stored for a payload and its answer; it ends with a line feed if the answer does. Raises BadRecord."""
        if not self.after:
            return answer
        if self.answer_format == "csv":
            made = self._csv(payload, answer)
        elif self._many(self.answer_format):
            values = _values(answer)
            if self.join:
                values = [_joined(given, got) for given, got in _pairs(_values(payload), values)]
            made = _jsonlines(self._stamped([self._select(self.output, value) for value in values]))
        else:
            value = _value(answer)
            if self.join:
                value = _joined(_value(payload), value)
            made = _dump(*self._stamped([self._select(self.output, value)]))
        return made + b"\n" if made and answer.endswith(b"\n") else made

    def _csv(self, payload: bytes, answer: bytes) -> bytes:
        plain, given = _lines(answer), _lines(payload) if self.join else []
        if plain is None or given is None:
            return self._quoted(payload, answer)
        if self.join:
            plain = [first + b"," + second for first, second in _pairs(given, plain)]
        if not self.stamp:
            return _picked(self._pick_output, plain)
        tail = f",{self.stamp}"
        picked = _picked(self._pick_output, plain).split(b"\n") if plain else []
        return b"\n".join([line + f",{one}{tail}".encode() for line, one in zip(picked, _ids(len(picked)), strict=True)])

    def _quoted(self, payload: bytes, answer: bytes) -> bytes:
        rows = _rows(answer)
        if self.join:
            rows = [given + got for given, got in _pairs(_rows(payload), rows)]
        found: Iterable[list[bytes]] = rows if self.output.whole else (self._row(self.output, row) for row in rows)
        if self.stamp:
            time = self.stamp.encode()
            found = ([*(row or [EMPTY]), one.encode(), time] for row, one in zip(found, _ids(len(rows)), strict=True))
        return _written(found)

    def _stamped(self, values: list[Any]) -> list[Any]:
        if not self.stamp:
            return values
        more = ({ID: one, TIME: self.stamp} for one in _ids(len(values)))
        return [(value if isinstance(value, dict) else {OUTPUT: value}) | new for value, new in zip(values, more, strict=True)]

    def _many(self, form: str) -> bool:
        return form == "jsonlines" or self.lines

    def _row(self, path: Path, row: list[bytes]) -> list[bytes]:
        try:
            return path.row(row)
        except ValueError as error:
            raise BadRecord(str(error)) from None

    def _select(self, path: Path, value: Any) -> Any:
        try:
            return path.select(value)
        except ValueError as error:
            raise BadRecord(str(error)) from None


def _pairs(given: list[Any], got: list[Any]) -> Iterator[tuple[Any, Any]]:
    if len(given) != len(got):
        raise BadRecord(f"cannot join {len(given)} input records with {len(got)} output records.")
    return zip(given, got, strict=True)


def _joined(given: Any, got: Any) -> Any:
    return {**given, OUTPUT: got} if isinstance(given, dict) else {INPUT: given, OUTPUT: got}


def _ids(count: int) -> Iterator[str]:
    """Random UUIDs of version 4."""
    text = os.urandom(16 * count).hex()
    for at in range(0, len(text), 32):
        variant = "89ab"[int(text[at + 16], 16) & 3]
        yield f"{text[at:at+8]}-{text[at+8:at+12]}-4{text[at+13:at+16]}-{variant}{text[at+17:at+20]}-{text[at+20:at+32]}"


# -- CSV: lines where nothing is quoted, else rows of cells as they are written, quoted where they must be


def _lines(data: bytes) -> list[bytes] | None:
    """The lines that are not empty; None if any cell is quoted."""
    if b'"' in data:
        return None
    if data.startswith(_BOM):
        data = data[len(_BOM) :]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return [line for line in data.split(b"\n") if line]


def _picked(pick: Pick, lines: list[bytes]) -> bytes:
    try:
        return b"\n".join(map(pick, lines))
    except ValueError as error:
        raise BadRecord(str(error)) from None


def _rows(data: bytes) -> list[list[bytes]]:
    """Rows without the empty lines."""
    try:
        text = data.removeprefix(_BOM).decode()
        return [[_cell(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except UnicodeDecodeError as error:
        raise BadRecord(f"not UTF-8: {error}.") from None
    except csv.Error as error:
        raise BadRecord(f"not CSV: {error}.") from None


def _written(rows: Iterable[list[bytes]]) -> bytes:
    """Rows as RFC 4180 has them, ended by line feeds but for the last."""
    return b"\n".join([b",".join(row) or EMPTY for row in rows])


def _cell(text: str) -> bytes:
    if any(mark in text for mark in ',"\n\r'):
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()


# -- JSON


def _dump(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can hold
        return json.dumps(value, separators=(",", ":")).encode()


def _value(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise BadRecord(f"not JSON: {error}.") from None
    except RecursionError:
        raise BadRecord("not JSON that we can read: it is nested too deep.") from None


def _values(data: bytes) -> list[Any]:
    return [_value(line) for line in data.split(b"\n") if line.strip()]


def _jsonlines(values: list[Any]) -> bytes:
    return b"\n".join(_dump(value) for value in values)

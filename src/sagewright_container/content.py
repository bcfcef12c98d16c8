"""Request bodies into Python values and predictions into response bodies, by content type.

NumPy is used where the image has it: rows come as arrays then, and as lists in the plain Python image.
"""

import csv
import io
import json
import os
from typing import Any, Iterable, List, Sequence

from .errors import HttpError

JSON, JSONLINES, CSV, NPY, TEXT = "application/json", "application/jsonlines", "text/csv", "application/x-npy", "text/plain"
RECORDIO = "application/x-recordio-protobuf"
ANY = ("", "*/*", "*", "application/*", "text/*")
MANY = 4096
"""Bytes of CSV from which NumPy's own reader is the faster one: five times for a mebibyte of numbers."""


def media(content_type: str) -> str:
    """The content type without its parameters."""
    return content_type.split(";")[0].strip().lower()


def negotiate(accept: str, supported: Sequence[str], default: str = JSON) -> str:
    """The response's content type: the first that the caller lists and we have; the image's default for any.

    Raises:
        HttpError: 406 when there is none.
    """
    for wanted in accept.split(",") or [""]:
        name = media(wanted)
        if name in ("", "*/*", "*"):
            return os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or default
        if name in supported:
            return name
    raise HttpError(406, "Accept type %s is not supported. Please use one of %s" % (accept, ", ".join(supported)))


def decode(body: bytes, content_type: str) -> Any:
    """A request's body.

    Raises:
        HttpError: 415 for a content type that is not known, 400 for a body that does not hold it.
    """
    name = media(content_type) or JSON
    readers = {JSON: _json, JSONLINES: _jsonlines, "application/x-jsonlines": _jsonlines, CSV: _csv, NPY: _npy,
               RECORDIO: _recordio}  # fmt: skip
    if name == TEXT:
        return body.decode("utf-8", "replace")
    if name not in readers:
        raise HttpError(415, "Content type %s is not supported. Please use one of %s" % (content_type, ", ".join(readers)))
    try:
        return readers[name](body)
    except (ValueError, UnicodeDecodeError) as e:
        raise HttpError(400, "The body is not %s: %s" % (name, e)) from e


def encode(value: Any, accept: str) -> bytes:
    """A prediction as a response's body.

    Raises:
        HttpError: 406 for a content type that is not known.
    """
    name = media(accept)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    if name in (JSON, *ANY):
        return json.dumps(_plain(value)).encode()
    if name in (JSONLINES, "application/x-jsonlines"):
        rows = _plain(value)
        return b"".join(json.dumps(row).encode() + b"\n" for row in (rows if isinstance(rows, list) else [rows]))
    if name == CSV:
        return _to_csv(_plain(value))
    if name == NPY:
        return _to_npy(value)
    raise HttpError(406, "Accept type %s is not supported. Please use one of %s" % (
        accept, ", ".join((JSON, JSONLINES, CSV, NPY))))  # fmt: skip


def _json(body: bytes) -> Any:
    return _array(json.loads(body.decode("utf-8")))


def _jsonlines(body: bytes) -> Any:
    return _array([json.loads(line) for line in body.decode("utf-8").splitlines() if line.strip()])


def _csv(body: bytes) -> Any:
    numpy = _numpy()
    if numpy is not None and len(body) > MANY:
        try:
            return numpy.loadtxt(io.BytesIO(body), delimiter=",", ndmin=2, comments=None)
        except ValueError:  # words, empty or quoted cells, rows of different lengths: what follows takes them, or says what is wrong
            pass
    text = body.decode("utf-8")
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if numpy is None:
        return [[_number(cell) for cell in row] for row in rows]
    try:
        return numpy.array([[float(cell) if cell.strip() else float("nan") for cell in row] for row in rows], dtype="float64")
    except ValueError:
        return numpy.array(rows, dtype=object)


def _npy(body: bytes) -> Any:
    numpy = _numpy()
    if numpy is None:
        raise HttpError(415, "Content type %s needs NumPy, which this image does not have" % NPY)
    return numpy.load(io.BytesIO(body), allow_pickle=False)


def _recordio(body: bytes) -> Any:
    """The features of each record under the name ``values`` as a row; sparse ones filled up with zeros."""
    from . import recordio

    rows = []
    for number, record in enumerate(recordio.loads(body)):
        tensor = record.features.get("values")
        if not isinstance(tensor, recordio.Tensor):
            raise ValueError("record %d has no feature tensor \"values\"" % number)
        rows.append(_dense(tensor, number))
    if len({len(row) for row in rows}) > 1:
        raise ValueError("the records have different lengths")
    return _array(rows)


def _dense(tensor: Any, number: int) -> List[float]:
    if tensor.keys is None:
        return list(tensor.values)
    if not tensor.shape:
        raise ValueError("record %d is sparse and says no shape" % number)
    row = [0.0] * int(tensor.shape[-1])
    for key, value in zip(tensor.keys, tensor.values):  # noqa: B905  (Python 3.8)
        if not 0 <= key < len(row):
            raise ValueError("record %d: key %d lies outside its shape" % (number, key))
        row[key] = value
    return row


def _array(value: Any) -> Any:
    numpy = _numpy()
    if numpy is None or not isinstance(value, list) or (value and isinstance(value[0], dict)):
        return value
    try:
        return numpy.array(value)
    except ValueError:
        return value


def _to_csv(value: Any) -> bytes:
    rows: Iterable[Any] = value if isinstance(value, list) else [value]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow(row if isinstance(row, (list, tuple)) else [row])
    return out.getvalue().encode()


def _to_npy(value: Any) -> bytes:
    numpy = _numpy()
    if numpy is None:
        raise HttpError(406, "Accept type %s needs NumPy, which this image does not have" % NPY)
    out = io.BytesIO()
    numpy.save(out, numpy.asarray(value), allow_pickle=False)
    return out.getvalue()


def _plain(value: Any) -> Any:
    """Arrays, frames and NumPy scalars as Python's own values."""
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell


def _numpy() -> Any:
    try:
        import numpy  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    return numpy


__all__: List[str] = ["decode", "encode", "media", "negotiate"]

"""AWS JSON 1.0 and 1.1, and the JSON documents that rest-json shares."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

import orjson

from ..eventstream import event_frames, initial_frame
from ..http import Answer, Request, WireFault
from ..models import Member, OperationModel, Service, Shape
from ..types import Body
from .base import Codec, Failure
from .tree import Convert, Reader, Writer
from .values import read_blob, read_float, read_integer, read_time, seconds_of, write_blob, write_float, write_time

_NUMBERS = {"integer", "long", "short", "byte"}


def _leaf_reader(member: Member) -> Convert | None:
    kind = member.type
    if kind == "timestamp":
        return read_time
    if kind == "blob":
        return read_blob
    if kind in {"float", "double"}:
        return read_float
    return read_integer if kind in _NUMBERS else None


def _leaf_writer(member: Member) -> Convert | None:
    kind = member.type
    if kind == "timestamp":
        form = member.trait("timestampFormat")
        return (lambda value: write_time(value, form)) if form in {"iso8601", "rfc822"} else seconds_of
    if kind == "blob":
        return write_blob
    return write_float if kind in {"float", "double"} else None


class Documents:
    """JSON text ↔ values of a shape."""

    def __init__(self) -> None:
        self._reader = Reader(_leaf_reader)
        self._writer = Writer(_leaf_writer)

    def read(self, shape: Shape, text: bytes) -> Any:
        """Raises WireFault for text that is no JSON object."""
        if not text:
            return {}
        try:
            value = orjson.loads(text)
            if type(value) is not dict:
                raise WireFault("SerializationException", "Start of structure expected.", query="MalformedInput")
            return value if shape.document else self._reader.structure(shape)(value)
        except orjson.JSONDecodeError as error:
            raise WireFault(
                "SerializationException", f"The request body is not valid JSON: {error}", query="MalformedInput"
            ) from None
        except RecursionError:
            raise WireFault("SerializationException", "The request body is nested too deeply.") from None

    def write(self, shape: Shape, value: Any) -> bytes:
        return orjson.dumps(value if shape.document else self._writer.structure(shape)(value), default=_plain)


def _plain(value: Any) -> Any:
    """What documents may hold besides JSON's own types."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return write_blob(bytes(value))
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not a document")


def error_body(documents: Documents, service: Service | None, failure: Failure) -> dict[str, Any]:
    """The error's members under the names that its shape gives them."""
    declared = service.find_error(failure.code) if service is not None else None
    body: dict[str, Any] = {}
    message_name = "message"
    if declared is not None:
        body.update(orjson.loads(documents.write(declared.shape, failure.members)))
        message_name = next((n for n in declared.shape.members if n.lower() == "message"), "message")
    else:
        body.update({k: v for k, v in failure.members.items() if isinstance(v, (str, int, float, bool))})
    body[message_name] = failure.message
    return body


class JsonCodec(Codec):
    """``POST /`` with X-Amz-Target."""

    def __init__(self, version: str) -> None:
        self.name = f"json-{version}"
        self._type = f"application/x-amz-json-{version}"
        self._documents = Documents()

    def parse(self, op: OperationModel, request: Request, labels: Mapping[str, str], body: bytes | Body) -> dict[str, Any]:
        assert isinstance(body, bytes)
        if op.input is None:
            return {}
        params: dict[str, Any] = self._documents.read(op.input, body)
        return params

    def serialize(self, op: OperationModel, result: Mapping[str, Any], request_id: str) -> Answer:
        headers = {"content-type": self._type}
        if op.output is None:
            return Answer(200, headers, b"{}")
        events = op.output.events
        if events is not None and events.name in result:
            headers["content-type"] = "application/vnd.amazon.eventstream"
            rest = {k: v for k, v in result.items() if k != events.name}
            return Answer(200, headers, self._stream(op.output, events, rest, result[events.name]))
        return Answer(200, headers, self._documents.write(op.output, result))

    async def _stream(
        self, shape: Shape, member: Member, rest: Mapping[str, Any], events: AsyncIterable[Mapping[str, Any]]
    ) -> AsyncIterator[bytes]:
        yield initial_frame(self._type, self._documents.write(shape, rest))
        async for frame in event_frames(member.shape, events, self._documents.write, self._type):
            yield frame

    def error(self, service: Service | None, failure: Failure, request_id: str) -> Answer:
        headers = {"content-type": self._type}
        if service is not None and service.query_compatible:
            code = failure.query or failure.code
            headers["x-amzn-query-error"] = f"{code};{'Sender' if failure.sender else 'Receiver'}"
        body = {"__type": failure.code, **error_body(self._documents, service, failure)}
        return Answer(failure.status, headers, orjson.dumps(body))

"""rpc-v2-cbor: ``POST /service/<shape>/operation/<Op>``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import cbor2

from ..http import Answer, Request, WireFault
from ..models import Member, OperationModel, Service
from ..types import Body
from .base import Codec, Failure
from .tree import Convert, Reader, Writer
from .values import read_integer, read_time, seconds_of

_TYPE = "application/cbor"
_NUMBERS = {"integer", "long", "short", "byte"}


def _leaf_reader(member: Member) -> Convert | None:
    if member.type == "timestamp":
        return read_time
    return read_integer if member.type in _NUMBERS else None


def _leaf_writer(member: Member) -> Convert | None:
    kind = member.type
    if kind == "timestamp":
        return lambda value: cbor2.CBORTag(1, seconds_of(value))
    if kind == "blob":
        return lambda value: value.encode() if isinstance(value, str) else bytes(value)
    return float if kind in {"float", "double"} else None


class CborCodec(Codec):
    """CBOR documents both ways; timestamps are tag 1."""

    name = "rpc-v2-cbor"

    def __init__(self) -> None:
        self._reader = Reader(_leaf_reader)
        self._writer = Writer(_leaf_writer)

    def parse(self, op: OperationModel, request: Request, labels: Mapping[str, str], body: bytes | Body) -> dict[str, Any]:
        assert isinstance(body, bytes)
        if op.input is None or not body:
            return {}
        try:
            value = cbor2.loads(body)
        except (cbor2.CBORDecodeError, ValueError, OverflowError, TypeError, RecursionError, MemoryError) as error:
            raise WireFault("SerializationException", f"The request body is not valid CBOR: {error}") from None
        if type(value) is not dict:
            raise WireFault("SerializationException", "Start of structure expected.")
        params: dict[str, Any] = self._reader.structure(op.input)(value)
        return params

    def serialize(self, op: OperationModel, result: Mapping[str, Any], request_id: str) -> Answer:
        document = self._writer.structure(op.output)(result) if op.output is not None else {}
        return self._answer(200, document)

    def error(self, service: Service | None, failure: Failure, request_id: str) -> Answer:
        body: dict[str, Any] = {"__type": failure.code}
        message_name = "message"
        declared = service.find_error(failure.code) if service is not None else None
        if declared is not None:
            body.update(self._writer.structure(declared.shape)(failure.members))
            message_name = next((n for n in declared.shape.members if n.lower() == "message"), "message")
        body[message_name] = failure.message
        answer = self._answer(failure.status, body)
        if service is not None and service.query_compatible:
            code = failure.query or failure.code
            answer.headers["x-amzn-query-error"] = f"{code};{'Sender' if failure.sender else 'Receiver'}"
        return answer

    def _answer(self, status: int, document: Any) -> Answer:
        return Answer(status, {"content-type": _TYPE, "smithy-protocol": "rpc-v2-cbor"}, cbor2.dumps(document, default=_plain))


def _plain(encoder: Any, value: Any) -> None:
    if isinstance(value, datetime):
        encoder.encode(cbor2.CBORTag(1, seconds_of(value)))
    elif isinstance(value, Mapping):
        encoder.encode(dict(value))
    else:
        raise TypeError(f"a {type(value).__name__} is not a document")

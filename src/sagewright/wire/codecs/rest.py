"""The REST protocols: members in the path, the query string, headers and the body."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any

import orjson

from ..eventstream import event_frames
from ..http import Answer, Request
from ..models import Member, OperationModel, Service, Shape
from ..types import Body, FileSlice
from .base import Codec, Failure
from .json import Documents, error_body
from .values import RFC, text_reader, text_writer
from .xml import XmlReader, XmlWriter, escape, parse_xml

S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

Bind = Callable[[Request, Mapping[str, str], dict[str, Any]], None]


class RestCodec(Codec):
    """What both REST protocols share; a subclass reads and writes documents."""

    def __init__(self) -> None:
        self._binds: dict[OperationModel, list[Bind]] = {}
        self._outputs: dict[OperationModel, tuple[list[Member], Member | None, str]] = {}

    # documents, by protocol

    def read_document(self, shape: Shape, body: bytes) -> Any:
        raise NotImplementedError

    def write_document(self, op: OperationModel, shape: Shape, value: Any, name: str) -> bytes:
        raise NotImplementedError

    document_type = ""

    # requests

    def streams(self, op: OperationModel) -> bool:
        payload = op.input.payload if op.input is not None else None
        return payload is not None and payload.type == "blob" and bool(payload.trait("streaming"))

    def parse(self, op: OperationModel, request: Request, labels: Mapping[str, str], body: bytes | Body) -> dict[str, Any]:
        params: dict[str, Any] = {}
        if op.input is None:
            return params
        binds = self._binds.get(op)
        if binds is None:
            binds = self._binds[op] = [_bind(m) for m in op.input.members.values() if m.location]
        payload = op.input.payload
        if payload is None:
            assert isinstance(body, bytes)
            if body:
                read = self.read_document(op.input, body)
                params.update(read if isinstance(read, dict) else {})
        elif not isinstance(body, bytes):
            params[payload.name] = body
        elif payload.type == "blob":
            if body or payload.name in op.input.required:
                params[payload.name] = body
        elif payload.type == "string":
            if body:
                params[payload.name] = body.decode("utf-8", "replace")
        elif body:
            params[payload.name] = self.read_document(payload.shape, body)
        for bind in binds:
            bind(request, labels, params)
        return params

    # answers

    def _output(self, op: OperationModel, shape: Shape) -> tuple[list[Member], Member | None, str]:
        """(members outside the body, the member that is the body, the name of the document that the body is, if it is one)."""
        located = [m for m in shape.members.values() if m.location]
        document = len(located) < len(shape.members) or self.document_type.endswith("json")
        root = str(op.output_traits.get("locationName") or shape.traits.get("locationName") or shape.name)
        return located, shape.payload, root if document else ""

    def serialize(self, op: OperationModel, result: Mapping[str, Any], request_id: str) -> Answer:
        answer = Answer(op.status, {})
        if op.output is None:
            return answer
        known = self._outputs.get(op)
        if known is None:
            known = self._outputs[op] = self._output(op, op.output)
        located, payload, root = known
        for member in located:
            value = result.get(member.name)
            if value is not None:
                _place(answer, member, value)
        if payload is None:
            if root:
                answer.body = self.write_document(op, op.output, result, root)
                answer.headers.setdefault("content-type", self.document_type)
            return answer
        value = result.get(payload.name)
        if payload.shape.traits.get("eventstream"):
            answer.headers["content-type"] = "application/vnd.amazon.eventstream"
            answer.body = event_frames(
                payload.shape, value or _nothing(), lambda shape, item: self.write_document(op, shape, item, shape.name),
                self.document_type,
            )
        elif payload.type in {"blob", "string"}:
            answer.body = value.encode() if isinstance(value, str) else _raw(value)
            answer.headers.setdefault("content-type", "application/octet-stream")
        elif value is not None:
            root = str(payload.traits.get("locationName") or payload.shape.traits.get("locationName") or payload.shape.name)
            answer.body = self.write_document(op, payload.shape, value, root)
            answer.headers.setdefault("content-type", self.document_type)
        return answer


async def _nothing() -> AsyncIterable[Mapping[str, Any]]:
    return
    yield


def _raw(value: Any) -> bytes | FileSlice | AsyncIterable[bytes]:
    if value is None:
        return b""
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    result: bytes | FileSlice | AsyncIterable[bytes] = value
    return result


def _bind(member: Member) -> Bind:
    name, key, location = member.name, member.wire_name, member.location
    if location == "headers":
        return _bind_prefix(name, key.lower())
    if location == "header":
        read = _header_reader(member)
        lower = key.lower()

        def from_header(request: Request, labels: Mapping[str, str], params: dict[str, Any]) -> None:
            text = request.headers.get(lower)
            if text is not None:
                params[name] = read(text)

        return from_header
    convert = text_reader(member.type)
    if location == "uri":

        def from_path(request: Request, labels: Mapping[str, str], params: dict[str, Any]) -> None:
            if key in labels:
                params[name] = convert(labels[key])

        return from_path
    return _bind_query(member)


def _bind_prefix(name: str, prefix: str) -> Bind:
    def from_headers(request: Request, labels: Mapping[str, str], params: dict[str, Any]) -> None:
        found = {k[len(prefix) :]: v for k, v in request.headers.items() if k.startswith(prefix)}
        if found:
            params[name] = found

    return from_headers


def _bind_query(member: Member) -> Bind:
    name, key = member.name, member.wire_name
    if member.type == "list":
        assert member.shape.element is not None
        each = text_reader(member.shape.element.type)

        def many(request: Request, labels: Mapping[str, str], params: dict[str, Any]) -> None:
            found = [each(v) for k, v in request.args if k == key]
            if found:
                params[name] = found

        return many
    if member.type == "map":

        def rest(request: Request, labels: Mapping[str, str], params: dict[str, Any]) -> None:
            found = {k: v for k, v in request.args if not k.lower().startswith("x-amz-")}
            if found:
                params[name] = found

        return rest
    convert = text_reader(member.type)

    def one(request: Request, labels: Mapping[str, str], params: dict[str, Any]) -> None:
        text = request.arg.get(key)
        # A key that stands bare in the URL is there, but says nothing of a number or a date.
        if text is not None and (text or member.type == "string"):
            params[name] = convert(text)

    return one


def _header_reader(member: Member) -> Callable[[str], Any]:
    if member.trait("jsonvalue"):
        return _read_json_header
    if member.type == "list":
        assert member.shape.element is not None
        convert = text_reader(member.shape.element.type)
        return lambda text: [convert(part.strip()) for part in text.split(",") if part.strip()]
    return text_reader(member.type)


def _read_json_header(text: str) -> Any:
    try:
        return orjson.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, orjson.JSONDecodeError):
        return text


def _place(answer: Answer, member: Member, value: Any) -> None:
    if member.location == "statusCode":
        answer.status = int(value)
    elif member.location == "headers":
        prefix = member.wire_name.lower()
        for key, item in value.items():
            answer.headers[prefix + key] = str(item)
    elif member.location == "header":
        key = member.wire_name.lower()
        if member.trait("jsonvalue"):
            answer.headers[key] = base64.b64encode(orjson.dumps(value)).decode()
        elif member.type == "list":
            assert member.shape.element is not None
            text = text_writer(member.shape.element, RFC)
            answer.headers[key] = ",".join(text(item) for item in value)
        else:
            answer.headers[key] = text_writer(member, RFC)(value)


class RestJsonCodec(RestCodec):
    name = "rest-json"
    document_type = "application/json"

    def __init__(self) -> None:
        super().__init__()
        self._documents = Documents()

    def read_document(self, shape: Shape, body: bytes) -> Any:
        return self._documents.read(shape, body)

    def write_document(self, op: OperationModel, shape: Shape, value: Any, name: str) -> bytes:
        return self._documents.write(shape, value)

    def error(self, service: Service | None, failure: Failure, request_id: str) -> Answer:
        headers = {"content-type": self.document_type, "x-amzn-errortype": failure.code}
        return Answer(failure.status, headers, orjson.dumps(error_body(self._documents, service, failure)))


class RestXmlCodec(RestCodec):
    """S3."""

    name = "rest-xml"
    document_type = "application/xml"

    def __init__(self) -> None:
        super().__init__()
        self._reader = XmlReader()
        self._writer = XmlWriter()

    def read_document(self, shape: Shape, body: bytes) -> Any:
        return self._reader.structure(shape, parse_xml(body))

    def write_document(self, op: OperationModel, shape: Shape, value: Any, name: str) -> bytes:
        out: list[str] = []
        bare = shape.traits.get("bareMember")
        if bare:  # the root element is the member itself: GetBucketLocation
            out.append(escape(str(value.get(bare) or "")))
        else:
            self._writer.structure(shape)(value, out)
        text = f'{_XML_HEAD}<{name} xmlns="{S3_NAMESPACE}">{"".join(out)}</{name}>'
        return text.encode("utf-8", "surrogatepass")

    def error(self, service: Service | None, failure: Failure, request_id: str) -> Answer:
        more = "".join(
            f"<{k}>{escape(str(v))}</{k}>" for k, v in failure.members.items() if isinstance(v, (str, int, float))
        )
        text = (
            f"{_XML_HEAD}<Error><Code>{escape(failure.xml or failure.query or failure.code)}</Code>"
            f"<Message>{escape(failure.message)}</Message>{more}<Resource>{escape(failure.resource)}</Resource>"
            f"<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>"
        )
        return Answer(failure.status, {"content-type": self.document_type}, text.encode("utf-8", "surrogatepass"))



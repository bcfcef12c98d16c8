"""The query protocol: a form with dotted names in, XML out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..http import Answer, Request, WireFault, split_query
from ..models import Member, OperationModel, Service, Shape
from ..types import Body
from .base import Codec, Failure
from .values import text_reader
from .xml import XmlWriter, escape, flattened

_MOST_FIELDS = 20_000
_DEEPEST = 64


def read_form(request: Request, body: bytes) -> dict[str, str]:
    """Fields of the body and of the query string, the body's first. Raises WireFault for text that is no form."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise WireFault("SerializationException", "The request body is not UTF-8.", query="MalformedInput") from None
    if text.count("&") >= _MOST_FIELDS:
        raise WireFault("SerializationException", "The request has too many fields.", query="MalformedInput")
    fields = dict(split_query(text, form=True))
    for key, value in split_query(request.query, form=True):
        fields.setdefault(key, value)
    return fields


class QueryCodec(Codec):
    """``Action=...&Version=...&Tags.member.1.Key=...``."""

    name = "query"

    def __init__(self) -> None:
        self._writer = XmlWriter()

    def parse(self, op: OperationModel, request: Request, labels: Mapping[str, str], body: bytes | Body) -> dict[str, Any]:
        assert isinstance(body, bytes)
        if op.input is None:
            return {}
        tree: dict[str, Any] = {}
        for key, value in read_form(request, body).items():
            if key not in {"Action", "Version"}:
                _plant(tree, key.split("."), value)
        params: dict[str, Any] = _structure(op.input, tree)
        return params

    def serialize(self, op: OperationModel, result: Mapping[str, Any], request_id: str) -> Answer:
        out: list[str] = []
        if op.output is not None:
            wrapper = op.output_traits.get("resultWrapper", f"{op.name}Result")
            out.append(f"<{wrapper}>")
            self._writer.structure(op.output)(result, out)
            out.append(f"</{wrapper}>")
        inner = "".join(out)
        text = (
            f'<?xml version="1.0"?>\n<{op.name}Response xmlns="{_namespace(op.service)}">{inner}'
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{op.name}Response>"
        )
        return Answer(200, {"content-type": "text/xml"}, text.encode("utf-8", "surrogatepass"))

    def error(self, service: Service | None, failure: Failure, request_id: str) -> Answer:
        out: list[str] = []
        declared = service.find_error(failure.code) if service is not None else None
        if declared is not None and failure.members:
            self._writer.structure(declared.shape)(
                {k: v for k, v in failure.members.items() if k.lower() != "message"}, out
            )
        space = _namespace(service) if service is not None else "http://webservices.amazon.com/"
        text = (
            f'<?xml version="1.0"?>\n<ErrorResponse xmlns="{space}"><Error>'
            f"<Type>{'Sender' if failure.sender else 'Receiver'}</Type><Code>{escape(failure.query or failure.code)}</Code>"
            f"<Message>{escape(failure.message)}</Message>{''.join(out)}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return Answer(failure.status, {"content-type": "text/xml"}, text.encode("utf-8", "surrogatepass"))


def _namespace(service: Service) -> str:
    default = f"http://{service.metadata['endpointPrefix']}.amazonaws.com/doc/{service.metadata['apiVersion']}/"
    return str(service.metadata.get("xmlNamespace") or default)


def _plant(tree: dict[str, Any], path: list[str], value: str) -> None:
    if len(path) > _DEEPEST:
        raise WireFault("SerializationException", "The request is nested too deeply.", query="MalformedInput")
    for part in path[:-1]:
        inner = tree.get(part)
        if not isinstance(inner, dict):
            inner = tree[part] = {}
        tree = inner
    tree.setdefault(path[-1], value)


def _structure(shape: Shape, tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    out = {}
    for name, member in shape.members.items():
        found = tree.get(member.wire_name)
        if found is None and member.type == "list" and member.shape.element is not None and flattened(member):
            found = tree.get(str(member.shape.element.traits.get("locationName", "")))
        if found is not None:
            out[name] = _value(member, found)
    return out


def _value(member: Member, tree: Any) -> Any:
    shape = member.shape
    if shape.type == "structure":
        return _structure(shape, tree)
    if shape.type == "list":
        return _list(member, tree)
    if shape.type == "map":
        return _map(member, tree)
    return tree if isinstance(tree, dict) else text_reader(shape.type)(tree)


def _list(member: Member, tree: Any) -> Any:
    if tree == "":
        return []
    if not isinstance(tree, dict):
        return tree
    assert member.shape.element is not None
    element = member.shape.element
    if not flattened(member):
        tree = tree.get(str(element.traits.get("locationName", "member")), tree.get("member", tree))
    return [_value(element, tree[at]) for at in _ordered(tree)]


def _map(member: Member, tree: Any) -> Any:
    if tree == "":
        return {}
    if not isinstance(tree, dict):
        return tree
    shape = member.shape
    assert shape.key is not None
    assert shape.value is not None
    if not flattened(member):
        tree = tree.get("entry", tree)
    key_name = str(shape.key.traits.get("locationName", "key"))
    value_name = str(shape.value.traits.get("locationName", "value"))
    out = {}
    for at in _ordered(tree):
        entry = tree[at]
        if isinstance(entry, dict) and isinstance(entry.get(key_name), str) and value_name in entry:
            out[entry[key_name]] = _value(shape.value, entry[value_name])
    return out


def _ordered(tree: Any) -> list[str]:
    if not isinstance(tree, dict):
        return []
    return sorted((k for k in tree if k.isascii() and k.isdigit() and len(k) < 10), key=int)

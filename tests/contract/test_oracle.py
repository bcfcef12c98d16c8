"""botocore as the oracle of the wire.

For every operation of every service that we bind or may bind: botocore serializes a random valid document and we route
and parse it to the same values; we serialize a random result and botocore parses it to the same values; every declared
error comes back as itself; and an invalid document is refused by the name of the member that is wrong.
"""

from __future__ import annotations

import asyncio
import io
import math
import random
import string
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagewright.wire.body import MemoryBody
from sagewright.wire.codecs import Codec, Codecs, Failure
from sagewright.wire.http import Request
from sagewright.wire.models import Member, Models, OperationModel, Shape
from sagewright.wire.routing import Router
from sagewright.wire.types import Body
from sagewright.wire.validation import MOST_FAULTS, Validator, sentence

SERVICES = [
    "sagemaker", "sagemaker-runtime", "sagemaker-featurestore-runtime", "sagemaker-metrics", "sagemaker-a2i-runtime",
    "sagemaker-edge", "s3", "sts", "iam", "logs", "cloudwatch", "application-autoscaling", "events", "athena", "kms", "sqs",
    "sns", "secretsmanager", "ssm", "resource-groups", "scheduler", "service-quotas", "lambda", "glue", "ecr",
]
MODELS, CODECS = Models(), Codecs()
ROUTER = Router(MODELS, CODECS)
VALIDATOR = Validator()
EXAMPLES = settings(
    max_examples=3, deadline=None, derandomize=False, database=None, suppress_health_check=list(HealthCheck)
)


@lru_cache
def oracle(service: str) -> botocore.model.ServiceModel:
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


@lru_cache
def protocols(service: str) -> tuple[str, ...]:
    return tuple(MODELS.service(service).protocols)


def codec_of(service: str, protocol: str) -> Codec:
    if protocol == "json":
        return CODECS.json_10 if MODELS.service(service).json_version == "1.0" else CODECS.json_11
    known: dict[str, Codec] = {"query": CODECS.query, "smithy-rpc-v2-cbor": CODECS.cbor}
    return known.get(protocol) or CODECS.for_protocol(protocol)


def cases() -> Iterator[tuple[str, str]]:
    for service in SERVICES:
        for protocol in protocols(service):
            yield service, protocol


# random documents

_TEXT = string.ascii_letters + string.digits + " -_.:/+&<>\"'%=äß漢😀"
_PLAIN = string.ascii_letters + string.digits + "-_."


class Maker:
    """Values of a shape that obey its limits (not its pattern)."""

    def __init__(self, seed: int, protocol: str) -> None:
        self.random = random.Random(seed)
        # Protocols that flatten cannot write an empty collection.
        self.smallest = 0 if protocol in {"json", "smithy-rpc-v2-cbor"} else 1
        self.xml = protocol in {"rest-xml", "query"}

    def document(self, shape: Shape, depth: int = 0) -> dict[str, Any]:
        names = list(shape.members)
        if shape.traits.get("union"):
            names = [self.random.choice(names)]
        out = {}
        for name in names:
            member = shape.members[name]
            if member.shape.traits.get("eventstream"):
                continue
            optional = name not in shape.required and not shape.traits.get("union")
            if optional and (depth > 3 or self.random.random() < 0.4):
                continue
            out[name] = self.value(member, depth + 1)
        return out

    def value(self, member: Member, depth: int) -> Any:
        shape, kind = member.shape, member.type
        if member.location == "header" and member.trait("jsonvalue"):
            return {"a": [1, "b"]}
        if shape.document:
            return {"any": ["json", 1, None]}
        if kind == "structure":
            return self.document(shape, depth)
        if kind == "list":
            assert shape.element is not None
            return [self.value(self._located(shape.element, member), depth + 1) for _ in range(self._count(shape, depth))]
        if kind == "map":
            assert shape.key is not None
            assert shape.value is not None
            plain = bool(member.location)
            keys = {self.text(shape.key.shape, plain).lower() if plain else self.text(shape.key.shape, False)
                    for _ in range(self._count(shape, depth))}
            return {k: self.text(shape.value.shape, True) if plain else self.value(shape.value, depth + 1) for k in sorted(keys)}
        return self.scalar(member)

    @staticmethod
    def _located(element: Member, holder: Member) -> Member:
        return Member(element.service, element.name, {**element.traits, "location": holder.location}) if holder.location else element

    def _count(self, shape: Shape, depth: int) -> int:
        low = max(int(shape.minimum or 0), self.smallest)
        high = int(shape.maximum) if shape.maximum is not None else low + 3
        return self.random.randint(low, max(low, min(high, low + 3))) if depth < 6 else low

    def scalar(self, member: Member) -> Any:
        shape, kind, roll = member.shape, member.type, self.random
        if kind == "boolean":
            return roll.random() < 0.5
        if kind in {"integer", "long"}:
            low = int(shape.minimum) if shape.minimum is not None else -100
            high = int(shape.maximum) if shape.maximum is not None else max(low, 0) + 2**31 - 1 - max(low, 0)
            return roll.randint(low, min(high, low + 2**40))
        if kind in {"float", "double"}:
            low_, high_ = shape.minimum, shape.maximum
            return roll.uniform(low_ if low_ is not None else -1e3, high_ if high_ is not None else (low_ or 0) + 1e6)
        if kind == "timestamp":
            return float(roll.randint(0, 2_000_000_000))
        if kind == "blob":
            low = int(shape.minimum or 0)
            return roll.randbytes(roll.randint(max(low, 1), max(low, 1) + 20))
        return self.text(shape, bool(member.location), query=member.location in {"uri", "querystring"})

    def text(self, shape: Shape, plain: bool, query: bool = False) -> str:
        if shape.enum:
            return self.random.choice(shape.enum)
        low = max(int(shape.minimum or 0), 1)
        high = int(min(shape.maximum or low + 12, low + 12))
        length = self.random.randint(low, max(low, high))
        alphabet = _TEXT if query or not plain else _PLAIN
        made = "".join(self.random.choice(alphabet) for _ in range(length))
        return made if made == made.strip() else "x" + made[1:-1] + "x" * (length > 1)


def same(found: Any, expected: Any, prune: bool) -> bool:
    """Equal, when bodies are read, datetimes are seconds, and what a protocol cannot write is left out."""
    return _plain(found, prune) == _plain(expected, prune)


def _plain(value: Any, prune: bool) -> Any:
    if isinstance(value, dict):
        out = {k: _plain(v, prune) for k, v in value.items()}
        return {k: v for k, v in out.items() if not (prune and v in ({}, [], None))}
    if isinstance(value, (list, tuple)):
        made = [_plain(v, prune) for v in value]
        return [v for v in made if not (prune and v in ({}, [], None))]
    if isinstance(value, datetime):
        value = value.timestamp()
    if isinstance(value, io.BytesIO):
        return value.getvalue()
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.9g}")
    if isinstance(value, MemoryBody):
        return asyncio.run(value.read())
    return value


def sent(service: str, protocol: str, op: OperationModel, params: dict[str, Any]) -> tuple[Request, bytes]:
    """What botocore would put on the wire."""
    model = oracle(service).operation_model(op.name)
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    raw = serializer.serialize_to_request(params, model)
    botocore.awsrequest.prepare_request_dict(raw, "http://127.0.0.1:4566")
    prepared = botocore.awsrequest.create_request_object(raw).prepare()
    url = urlsplit(prepared.url)
    headers = {k.lower(): v if isinstance(v, str) else v.decode() for k, v in prepared.headers.items()}
    scope = f"Credential=AK/20260101/us-east-1/{MODELS.infos[service].signing}/aws4_request"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=00"
    headers["host"] = "127.0.0.1:4566"
    body = prepared.body
    if body is not None and hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    return Request(prepared.method, url.path or "/", url.query, headers), bytes(body or b"")


def parsed(service: str, request: Request, body: bytes) -> tuple[str, dict[str, Any]]:
    """What we read from it."""
    target = ROUTER.route(request)
    assert target.service == service
    if not target.operation:
        target.operation = ROUTER.operation_of(target, request, body)
    op = MODELS.operation(service, target.operation)
    content: bytes | Body = MemoryBody(body) if target.codec.streams(op) else body
    return target.operation, target.codec.parse(op, request, target.labels, content)


# Operations that the model itself cannot tell apart: same method and path, no member that must differ.
AMBIGUOUS = {
    ("s3", "ListDirectoryBuckets"): "GET / as ListBuckets; another endpoint",
    ("s3", "WriteGetObjectResponse"): "only on the object lambda host",
    ("s3", "GetBucketLifecycle"): "older name of GetBucketLifecycleConfiguration",
    ("s3", "PutBucketLifecycle"): "older name of PutBucketLifecycleConfiguration",
    ("s3", "GetBucketNotification"): "older name of GetBucketNotificationConfiguration",
    ("s3", "PutBucketNotification"): "older name of PutBucketNotificationConfiguration",
}


@pytest.mark.parametrize(("service", "protocol", "part"), [
    (s, p, part) for s, p in cases() for part in range(4 if len(MODELS.operations(s)) > 100 else 1)
])
@pytest.mark.parametrize("direction", ["in", "out"])
@EXAMPLES
@given(seed=st.integers(0, 2**32))
def test_round_trip(direction: str, service: str, protocol: str, part: int, seed: int) -> None:
    names = MODELS.operations(service)
    parts = 4 if len(names) > 100 else 1
    for name in names[part::parts]:
        op = MODELS.operation(service, name)
        (check_input if direction == "in" else check_output)(service, protocol, op, seed)


def check_input(service: str, protocol: str, op: OperationModel, seed: int) -> None:
    if (service, op.name) in AMBIGUOUS:
        return
    params = Maker(seed, protocol).document(op.input) if op.input is not None else {}
    params.pop("ContentLength", None)  # the HTTP library's, not the caller's
    request, body = sent(service, protocol, op, params)
    name, found = parsed(service, request, body)
    assert name == op.name
    if service == "s3":
        found.pop("ContentLength", None)
        if "Body" not in params:
            found.pop("Body", None)
    assert same(found, params, prune=protocol in {"query", "rest-xml", "rest-json"}), (op.name, found, params)
    faults = VALIDATOR.faults(op.input, found)
    vanished = _plain(params, True) != _plain(params, False)  # query cannot write an empty structure
    surprising = [f for f in faults if "pattern" not in f[2] and not (vanished and f[0] == "null")]
    assert not surprising, (op.name, surprising)


def check_output(service: str, protocol: str, op: OperationModel, seed: int) -> None:
    if op.name in {"GetBucketNotification", "GetBucketLifecycle"}:
        return  # answers of older names, whose members share element names
    if op.output is None:
        result: dict[str, Any] = {}
    elif op.output.events is not None:
        return  # streams are read over HTTP in tests/unit/wire/test_app.py
    else:
        result = Maker(seed, protocol).document(op.output)
    answer = codec_of(service, protocol).serialize(op, result, "the-request")
    assert isinstance(answer.body, bytes)
    answer.status = min(answer.status, 200)  # a random status would make it an error
    payload = op.output.payload if op.output is not None else None
    raw = {"status_code": answer.status, "headers": botocore.awsrequest.HeadersDict(answer.headers),
           "body": io.BytesIO(answer.body) if payload is not None and payload.type == "blob" else answer.body}
    parser = botocore.parsers.create_parser(protocol)
    shape = oracle(service).operation_model(op.name).output_shape
    if service == "s3" and op.name == "GetBucketLocation":
        return  # botocore reads this one by hand; test_bare_location below
    found = parser.parse(raw, shape)
    found.pop("ResponseMetadata", None)
    if payload is not None and payload.name not in result:  # botocore reads an absent payload as an empty one
        assert _plain(found.pop(payload.name, b""), False) in (b"", "", {}), op.name
    for member in op.output.members.values() if op.output is not None else ():
        if member.name not in result and (member.location == "statusCode" or member.wire_name.lower() == "content-type"):
            found.pop(member.name, None)  # HTTP always has one
        if member.location == "statusCode" and member.name in result:
            result[member.name] = answer.status
    assert same(found, result, prune=True), (op.name, found, result, answer.body)


@pytest.mark.parametrize(("service", "protocol"), list(cases()))
def test_errors_come_back_as_themselves(service: str, protocol: str) -> None:
    codec, model = codec_of(service, protocol), MODELS.service(service)
    parser = botocore.parsers.create_parser(protocol)
    for op_name in MODELS.operations(service):
        op = MODELS.operation(service, op_name)
        for error in op.errors:
            members = {k: v for k, v in Maker(1, protocol).document(error.shape).items() if k.lower() != "message"}
            members = {k: v for k, v in members.items() if not error.shape.members[k].location}
            failure = Failure(error.name, "what went <wrong>", error.status, error.code, members=members)
            answer = codec.error(model, failure, "the-request")
            headers = {**answer.headers, "x-amzn-requestid": "the-request"}
            raw = {"status_code": answer.status, "headers": botocore.awsrequest.HeadersDict(headers), "body": answer.body}
            found = parser.parse(raw, oracle(service).operation_model(op_name).output_shape)
            assert found["Error"]["Message"] == "what went <wrong>", (op_name, error.name, found)
            assert found["Error"]["Code"] in {error.name, error.code}, (op_name, error.name, found)
            assert found["ResponseMetadata"]["HTTPStatusCode"] == error.status
            if service != "s3" and protocol != "query":  # botocore itself reads no members of query errors
                modelled = parser.parse(raw, oracle(service).shape_for(error.name))
                assert all(same(modelled.get(k), v, True) for k, v in members.items()), (error.name, modelled, members)


INVALID = [(s, o) for s in ("sagemaker", "logs", "iam", "athena", "sagemaker-featurestore-runtime") for o in MODELS.operations(s)]


@EXAMPLES
@given(seed=st.integers(0, 2**32))
def test_what_is_wrong_is_named(seed: int) -> None:
    roll = random.Random(seed)
    for service, name in INVALID:
        op = MODELS.operation(service, name)
        if op.input is None or not op.input.members:
            continue
        params = Maker(seed, "json").document(op.input)
        spoiled = spoil(op.input, params, roll)
        if spoiled is None:
            continue
        path, rule = spoiled
        faults = VALIDATOR.faults(op.input, params)
        if len(faults) == MOST_FAULTS:
            continue  # the random document was so wrong by itself that the list ended before this fault
        assert any(f[1] == path and rule in f[2] for f in faults), (service, name, path, rule, faults)
        assert f"at '{path}' failed to satisfy constraint" in sentence(faults)


def spoil(shape: Shape, params: dict[str, Any], roll: random.Random) -> tuple[str, str] | None:
    """Break one member; (path, words of the rule it breaks)."""
    names = [n for n, m in shape.members.items() if not m.trait("streaming")]
    roll.shuffle(names)
    for name in names:
        member = shape.members[name]
        path = name[0].lower() + name[1:]
        if name in shape.required and roll.random() < 0.4:
            params.pop(name, None)
            return path, "must not be null"
        if member.type == "string" and member.shape.maximum is not None and member.shape.maximum < 10_000:
            params[name] = "x" * (int(member.shape.maximum) + 1)
            return path, "length less than or equal to"
        if member.type == "string" and member.shape.enum and not member.shape.name.endswith("InstanceType"):
            params[name] = "no such value"
            return path, "enum value set"
        if member.type == "integer" and member.shape.minimum is not None:
            params[name] = int(member.shape.minimum) - 1
            return path, "value greater than or equal to"
        if member.type == "string":
            params[name] = {"not": "a string"}
            return path, "must be of type string"
        if member.type == "list":
            params[name] = "not a list"
            return path, "must be of type list"
        if member.type == "structure" and not member.shape.document:
            params[name] = ["not a structure"]
            return path, "must be of type object"
    return None


def test_bare_location() -> None:
    answer = CODECS.rest_xml.serialize(MODELS.operation("s3", "GetBucketLocation"), {"LocationConstraint": "eu-west-1"}, "r")
    assert isinstance(answer.body, bytes)
    assert answer.body.endswith(b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>')

"""Every operation of every service, and every other route, called by nobody: refused, in the caller's protocol."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from sagewright.bootstrap.coverage import coverage

from .conftest import BUCKET, Fort, Wire

COVERAGE = coverage()
PUBLIC: set[tuple[str, str]] = set()
"""Operations that anybody may call: none."""
REFUSALS = {
    "MissingAuthenticationTokenException", "MissingAuthenticationToken", "AccessDenied", "AccessDeniedException", "403",
}


def least(shape: Any, depth: int = 0) -> Any:
    """The smallest document with all required members; its values need not be valid."""
    if shape.type_name == "structure":
        return {n: least(m, depth + 1) for n, m in shape.members.items() if n in shape.required_members and depth < 12}
    if shape.type_name == "list":
        return [least(shape.member, depth + 1)] if depth < 8 else []
    if shape.type_name == "map":
        return {}
    if shape.type_name in ("integer", "long", "float", "double"):
        return 1
    return {"boolean": True, "timestamp": 0, "blob": b"x"}.get(shape.type_name, BUCKET if shape.name == "BucketName" else "xxx")


def call_unsigned(fort: Fort, service: str, names: list[str]) -> dict[str, str]:
    """What was not refused as it should be: operation → what came instead."""
    config = Config(signature_version=UNSIGNED, parameter_validation=False, inject_host_prefix=False, retries={"max_attempts": 1, "mode": "standard"})
    client = boto3.client(service, endpoint_url=fort.server.url, region_name="us-east-1", config=config)
    methods = {v: k for k, v in client.meta.method_to_api_mapping.items()}
    wrong = {}
    for name in names:
        model = client.meta.service_model.operation_model(name)
        params = least(model.input_shape) if model.input_shape else {}
        try:
            getattr(client, methods[name])(**params)
            wrong[name] = "an answer"
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status != 403 or code not in REFUSALS:
                wrong[name] = f"{status} {code}"
            elif not error.response["ResponseMetadata"].get("RequestId") and service != "s3":
                wrong[name] = "no request id"
    return wrong


@pytest.mark.parametrize("service", sorted(COVERAGE))
def test_no_operation_answers_the_unknown(fort: Fort, sealed: None, service: str) -> None:
    """Bound or not: whoever has no key learns nothing, not even what exists."""
    # WriteGetObjectResponse has a host of its own, of Object Lambda; its path is no route here
    names = [n for n in COVERAGE[service] if (service, n) not in PUBLIC and n != "WriteGetObjectResponse"]
    assert names
    wrong = call_unsigned(fort, service, names)
    assert not wrong


OTHER_PROTOCOLS = [
    Wire("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=ListRoles&Version=2010-05-08"),
    Wire("GET", "/?Action=GetCallerIdentity&Version=2011-06-15"),
    Wire("POST", "/service/GraniteServiceVersion20100801/operation/ListMetrics", {"smithy-protocol": "rpc-v2-cbor"}, b"\xa0"),
    Wire("POST", "/", {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.0"}, b"{}"),
    Wire("POST", "/endpoints/e/invocations", {"Content-Type": "text/csv"}, b"1,2"),
    Wire("POST", f"/{BUCKET}", {"Content-Type": "multipart/form-data; boundary=b"},
         b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--b\r\n'
         b'Content-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'),
    Wire("PUT", f"/{BUCKET}/new", {}, b"x"),
    Wire("DELETE", f"/{BUCKET}/kept"),
    Wire("GET", "/"), Wire("GET", f"/{BUCKET}"), Wire("GET", f"/{BUCKET}/kept"), Wire("GET", f"/{BUCKET}?policy"),
    Wire("POST", f"/{BUCKET}?delete", {}, b"<Delete><Object><Key>kept</Key></Object></Delete>"),
]


@pytest.mark.parametrize("wire", OTHER_PROTOCOLS, ids=lambda w: f"{w.method} {w.path} {w.headers.get('Content-Type', '')}")
@pytest.mark.parametrize("header", [
    None, "", "Bearer abc", "Basic cm9vdDpyb290", "AWS root:sig", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b",
    "AWS4-HMAC-SHA512 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
    "AWS4-HMAC-SHA256 Credential=AKIAAAAAAAAAAAAAAAAA/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
])
def test_no_protocol_and_no_made_up_authorization_gets_in(fort: Fort, sealed: None, wire: Wire, header: str | None) -> None:
    headers = wire.headers if header is None else {**wire.headers, "Authorization": header}
    got = fort.send(Wire(wire.method, wire.path, headers, wire.body))
    assert got.status in (400, 401, 403, 404), got
    assert header or got.status == 403, got
    assert len(got.body) < 2000
    assert "kept" not in got.text.replace(wire.path, "")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
@pytest.mark.parametrize("path", [
    "/", "/_sagewright", "/_sagewright/", "/_sagewright/nothing", "/_sagewright/../records.sqlite", "/_sagewright/%2e%2e/x",
    "/favicon.ico", "/login", "/console", "/records.sqlite", "//", "/%00", "*",
])
def test_no_other_route_answers(fort: Fort, sealed: None, method: str, path: str) -> None:
    got = fort.send(Wire(method, path))
    assert 400 <= got.status < 500, got
    assert "x-amzn-requestid" in got.headers or got.status == 400


def test_what_is_public(fort: Fort, sealed: None) -> None:
    """Health says that the server lives; metrics are counts, and only for this machine."""
    health = fort.send(Wire("GET", "/_sagewright/health"))
    assert health.status == 200
    assert set(json.loads(health.body)) == {"status", "version"}
    metrics = fort.send(Wire("GET", "/_sagewright/metrics"))
    assert metrics.status == 200
    secret = fort.server.credentials()
    assert secret["access_key"] not in metrics.text
    assert secret["secret_key"] not in metrics.text
    for wire in (Wire("POST", "/_sagewright/health"), Wire("DELETE", "/_sagewright/metrics")):
        assert fort.send(wire).status in (200, 405)

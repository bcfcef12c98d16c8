"""Requests that botocore signed are believed; any change to a signed piece is refused."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagewright.wire.authentication import Authenticator
from sagewright.wire.http import Request, WireFault
from sagewright.wire.models import Models
from sagewright.wire.sigv4 import canonical_query

from .wireserver import KEY, ROOT, SECRET, Keys

INFOS = Models().infos


def authenticator(clock: Callable[[], float] = time.time) -> Authenticator:
    return Authenticator("strict", Keys, lambda: ROOT, clock, 900)


def sign(auth: type, service: str, method: str, url: str, body: bytes = b"", token: str | None = None, key: str = KEY,
         secret: str = SECRET, **headers: str) -> Request:
    request = AWSRequest(method, url, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    credentials = Credentials(key, secret, token)
    signer = auth(credentials) if auth in {HmacV1Auth, HmacV1QueryAuth} else auth(credentials, service, "eu-west-1")
    signer.add_auth(request)
    parts = urlsplit(request.url)
    sent = {k.lower(): v if isinstance(v, str) else v.decode() for k, v in request.headers.items()}
    sent.setdefault("host", parts.netloc)
    return Request(method, parts.path, parts.query, sent)


def check(request: Request, service: str, body: bytes = b"", clock: Callable[[], float] = time.time) -> Any:
    digest = None if service == "s3" else lambda: hashlib.sha256(body).hexdigest()
    return authenticator(clock).authenticate(request, INFOS[service], "", digest)


BODY = b'{"ModelName": "m"}'
HOST = "http://127.0.0.1:4566"
CASES: dict[str, tuple[Callable[[], Request], str, bytes]] = {
    "json": (lambda: sign(SigV4Auth, "sagemaker", "POST", HOST + "/", BODY, X_Amz_Target="SageMaker.ListModels"), "sagemaker", BODY),
    "rest": (lambda: sign(SigV4Auth, "sagemaker", "PUT", HOST + "/FeatureGroup/arn%3Aaws%3Ax%2Ffg?a=b%20c&A=&z=~", BODY), "sagemaker-featurestore-runtime", BODY),
    "s3": (lambda: sign(S3SigV4Auth, "s3", "PUT", HOST + "/bucket/a%20b%2Bc//%C3%BC/../x?x-id=PutObject", BODY, x_amz_meta_a="  b   c "), "s3", BODY),
    "s3 presigned": (lambda: sign(S3SigV4QueryAuth, "s3", "GET", HOST + "/bucket/a%20b?versionId=1"), "s3", b""),
    "sts presigned": (lambda: sign(SigV4QueryAuth, "sts", "GET", HOST + "/?Action=GetCallerIdentity&Version=2011-06-15"), "sts", b""),
    "s3 v2": (lambda: sign(HmacV1Auth, "s3", "PUT", HOST + "/bucket/k?acl&partNumber=1&other=2", BODY, x_amz_acl="private", Content_Type="text/x"), "s3", BODY),
    "s3 v2 presigned": (lambda: sign(HmacV1QueryAuth, "s3", "GET", HOST + "/bucket/k?response-content-type=text%2Fplain"), "s3", b""),
}


@pytest.mark.parametrize("case", CASES)
def test_signed_requests_are_believed(case: str) -> None:
    make, service, body = CASES[case]
    verified = check(make(), service, body)
    assert verified.principal == ROOT
    assert verified.region == ("" if "v2" in case else "eu-west-1")


def _header(name: str, value: str) -> Callable[[Request], Request]:
    return lambda r: replace(r, headers={**r.headers, name: value})


CHANGES: dict[str, Callable[[Request], Request]] = {
    "method": lambda r: replace(r, method="DELETE"),
    "path": lambda r: replace(r, path=r.path + "x"),
    "query": lambda r: replace(r, query=r.query + "&uploads"),
    "new amz header": _header("x-amz-copy-source", "/other/secret"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("case", CASES)
def test_changed_requests_are_refused(case: str, change: str) -> None:
    make, service, body = CASES[case]
    with pytest.raises(WireFault) as caught:
        check(CHANGES[change](make()), service, body)
    assert caught.value.status in {400, 403}


@pytest.mark.parametrize(("case", "header", "value"), [
    ("json", "host", "evil:1"), ("json", "x-amz-target", "SageMaker.DeleteModel"), ("json", "x-amz-date", "20200101T000000Z"),
    ("s3", "x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("s3", "x-amz-meta-a", "other"), ("s3 v2", "content-type", "text/html"),
    ("json", "authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request"), ("json", "authorization", "AWS4-ECDSA-P256-SHA256 x"),
    ("json", "authorization", "AWS4-HMAC-SHA256"), ("json", "authorization", "Basic abc"),
])
def test_changed_headers_are_refused(case: str, header: str, value: str) -> None:
    make, service, body = CASES[case]
    with pytest.raises(WireFault):
        check(_header(header, value)(make()), service, body)


def test_the_body_is_covered() -> None:
    make, service, _ = CASES["json"]
    with pytest.raises(WireFault, match="signature"):
        check(make(), service, BODY + b" ")
    make, service, body = CASES["s3"]
    assert check(make(), service).payload_sha256 == hashlib.sha256(body).hexdigest()  # the body itself proves it while read


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seconds", [86_400, -86_400])
def test_time_is_checked(case: str, seconds: int) -> None:
    make, service, body = CASES[case]
    request = make()
    if case == "s3 v2 presigned" and seconds < 0:
        return  # a V2 URL has an end and no beginning
    with pytest.raises(WireFault):
        check(request, service, body, lambda: time.time() + seconds)


@pytest.mark.parametrize("seconds", ["604801", "000000000999999999", "1e3", "\u0663"])
def test_a_presigned_url_lasts_a_week_at_most(seconds: str) -> None:
    request = AWSRequest("GET", HOST + "/bucket/k")
    S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", "eu-west-1", expires=seconds).add_auth(request)
    parts = urlsplit(request.url)
    with pytest.raises(WireFault, match="X-Amz-Expires"):
        check(Request("GET", parts.path, parts.query, {"host": parts.netloc}), "s3")


def test_session_tokens_must_match() -> None:
    def call(token: str | None) -> Any:
        return check(sign(SigV4Auth, "sagemaker", "POST", HOST + "/", BODY, token, "ASIASESSION", "other"), "sagemaker", BODY)

    assert call("the-token").principal.name == "Job"
    for token in (None, "another"):
        with pytest.raises(WireFault, match="token"):
            call(token)
    with pytest.raises(WireFault, match="token"):  # a token with keys that have none
        check(sign(SigV4Auth, "sagemaker", "POST", HOST + "/", BODY, "the-token"), "sagemaker", BODY)


def test_a_signature_for_one_service_does_not_open_another() -> None:
    make, _, body = CASES["json"]
    with pytest.raises(WireFault, match="scoped to correct service"):
        check(make(), "iam", body)


def test_canonical_query() -> None:
    assert canonical_query("b=2&a&c=%7e+x&a=1") == "a=&a=1&b=2&c=~%2Bx"

"""Signed requests with one thing changed, too old, too new, or sent elsewhere: refused, and nothing is written."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import botocore.auth
import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagewright.bootstrap.server import Server, UnsafeSettings
from sagewright.settings import Settings
from sagewright.testing.names import unique

from .conftest import BUCKET, Fort, Wire

CHANGED = {"InvalidSignatureException", "SignatureDoesNotMatch", "AccessDenied"}


def authorization(wire: Wire, old: str, new: str) -> Wire:
    before = wire.headers["Authorization"]
    assert old in before
    return with_headers(wire, Authorization=before.replace(old, new))


def with_headers(wire: Wire, **changes: str | None) -> Wire:
    names = {k.replace("_", "-").lower(): v for k, v in changes.items()}
    headers = {k: v for k, v in wire.headers.items() if k.lower() not in names}
    return dataclasses.replace(wire, headers=headers | {k: v for k, v in names.items() if v is not None})


def flipped(wire: Wire) -> Wire:
    text = wire.headers["Authorization"]
    return with_headers(wire, Authorization=text[:-1] + ("0" if text[-1] != "0" else "1"))


def unsigned_header(wire: Wire, name: str) -> Wire:
    """The header taken out of what is signed, as if it had never been."""
    return authorization(wire, f";{name}", "")


PUT = Wire("PUT", f"/{BUCKET}/made?tagging", {"Content-Type": "text/xml"},
           b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>")
STORE = Wire("PUT", f"/{BUCKET}/made", {"Content-Type": "text/plain", "x-amz-meta-who": "me"}, b"content")
JSON = Wire("POST", "/", {"X-Amz-Target": "SageMaker.CreateExperiment", "Content-Type": "application/x-amz-json-1.1"},
            b'{"ExperimentName":"e"}')
GROUP = Wire("POST", "/", {"X-Amz-Target": "Logs_20140328.CreateLogGroup", "Content-Type": "application/x-amz-json-1.1"},
             b'{"logGroupName":"made"}')
ROLE = Wire("POST", "/", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            b"Action=CreateUser&Version=2010-05-08&UserName=made")
INVOKE = Wire("POST", "/endpoints/e/invocations", {"Content-Type": "text/csv", "X-Amzn-SageMaker-Target-Variant": "a"}, b"1")

REQUESTS = {"s3": STORE, "logs": GROUP, "iam": ROLE, "sagemaker": INVOKE}

TAMPERED: dict[str, Callable[[Wire], Wire]] = {
    "method": lambda w: dataclasses.replace(w, method="PUT" if w.method == "POST" else "POST"),
    "path": lambda w: dataclasses.replace(w, path=w.path + "x" if w.path != "/" else "/x"),
    "query added": lambda w: dataclasses.replace(w, path=w.path + "?versionId=null"),
    "body": lambda w: dataclasses.replace(w, body=w.body.replace(w.body[-4:], b"evil")),
    "empty body": lambda w: dataclasses.replace(w, body=b""),
    "content type": lambda w: with_headers(w, Content_Type="text/html"),
    "later date": lambda w: with_headers(w, X_Amz_Date=_shift(w, 60)),
    "no date": lambda w: with_headers(w, X_Amz_Date=None),
    "date of scope": lambda w: authorization(w, _stamp(w)[:8], "20200101"),
    "region": lambda w: authorization(w, "us-east-1", "eu-west-1"),
    "service": lambda w: authorization(w, "/aws4_request", "x/aws4_request"),
    "signature": flipped,
    "no signature": lambda w: with_headers(w, Authorization=w.headers["Authorization"].partition(", Signature")[0]),
    "signature of nothing": lambda w: with_headers(w, Authorization=w.headers["Authorization"].rpartition("=")[0] + "="),
    "another key": lambda w: authorization(w, "Credential=A", "Credential=B"),
    "host": lambda w: with_headers(w, Host="evil.example:80"),
    "host of this machine": lambda w: with_headers(w, Host="localhost"),
    "host not signed": lambda w: authorization(w, "host", "hosts"),
    "a token": lambda w: with_headers(w, X_Amz_Security_Token="x" * 100),
    "an added amz header": lambda w: with_headers(w, X_Amz_Acl="public-read"),
    "date not signed": lambda w: unsigned_header(w, "x-amz-date"),
    "content type not signed": lambda w: authorization(w, "content-type;", ""),
    "algorithm": lambda w: authorization(w, "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
    "v2 with this key": lambda w: with_headers(w, Authorization=f"AWS {_key(w)}:{'A' * 27}="),
}


def _stamp(wire: Wire) -> str:
    return next(v for k, v in wire.headers.items() if k.lower() == "x-amz-date")


def _shift(wire: Wire, seconds: int) -> str:
    then = datetime.datetime.strptime(_stamp(wire), "%Y%m%dT%H%M%SZ") + datetime.timedelta(seconds=seconds)
    return then.strftime("%Y%m%dT%H%M%SZ")


def _key(wire: Wire) -> str:
    return wire.headers["Authorization"].partition("Credential=")[2].partition("/")[0]


@pytest.mark.parametrize("change", TAMPERED)
@pytest.mark.parametrize("service", REQUESTS)
def test_a_changed_request_is_refused(fort: Fort, service: str, change: str) -> None:
    honest = fort.sign(REQUESTS[service], service)
    with fort.untouched():
        got = fort.send(TAMPERED[change](honest))
        assert got.status in (400, 403, 404, 405, 421), got
        if got.status in (404, 405):
            assert change in ("method", "path", "service")
        assert fort.keys.secret_key not in got.text


def test_the_honest_requests_are_accepted(fort: Fort) -> None:
    """Else every refusal above proves nothing."""
    for service, wire in {**REQUESTS, "iam": Wire("POST", "/", ROLE.headers, b"Action=ListUsers&Version=2010-05-08")}.items():
        got = fort.send(fort.sign(wire, service))
        assert got.status in (200, 400), got
        if got.status == 400:
            assert service == "sagemaker", got
            assert "Could not find" in got.text or "not found" in got.text
    fort.client("s3").delete_object(Bucket=BUCKET, Key="made")
    fort.client("logs").delete_log_group(logGroupName="made")


def test_a_signed_header_cannot_change(fort: Fort, sealed: None) -> None:
    honest = fort.sign(STORE, "s3")
    for wire in (with_headers(honest, x_amz_meta_who="you"), with_headers(honest, x_amz_meta_who=None)):
        assert fort.send(wire).status == 403
    target = fort.sign(JSON, "sagemaker")
    assert fort.send(with_headers(target, X_Amz_Target="SageMaker.DeleteExperiment")).status == 403


def test_a_changed_query_is_refused(fort: Fort, sealed: None) -> None:
    honest = fort.sign(PUT, "s3")
    for path in (f"/{BUCKET}/made?acl", f"/{BUCKET}/made", f"/{BUCKET}/made?tagging&tagging", f"/{BUCKET}/made?tagging=1"):
        assert fort.send(dataclasses.replace(honest, path=path)).status == 403


@pytest.mark.parametrize("said", ["UNSIGNED-PAYLOAD", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "x", ""])
def test_the_payload_hash_cannot_be_talked_away(fort: Fort, sealed: None, said: str) -> None:
    for service, wire in (("s3", STORE), ("logs", GROUP)):
        if service == "logs" and not said:
            continue  # says nothing: the hash of the body itself is what counts
        honest = fort.sign(wire, service)
        assert fort.send(with_headers(honest, x_amz_content_sha256=said)).status in (400, 403)


@pytest.mark.parametrize("minutes", [-24 * 60, -16, 16, 24 * 60])
def test_clock_skew(fort: Fort, sealed: None, minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = botocore.auth.get_current_datetime
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: real(*a, **k) + datetime.timedelta(minutes=minutes))
    for service, wire in REQUESTS.items():
        got = fort.send(fort.sign(wire, service))
        assert got.status == 403, got
        assert any(word in got.text for word in ("RequestTimeTooSkewed", "Signature not yet current or expired"))


def test_a_session_token_belongs_to_its_key(fort: Fort) -> None:
    role = f"arn:aws:iam::{fort.account}:role/{fort.server.execution_role()}"
    sts = fort.client("sts")
    one, two = (sts.assume_role(RoleArn=role, RoleSessionName=n)["Credentials"] for n in ("one", "two"))
    token, other = one["SessionToken"], two["SessionToken"]
    key, secret = one["AccessKeyId"], one["SecretAccessKey"]
    with fort.untouched():
        listing = Wire("GET", f"/{BUCKET}")
        assert fort.send(fort.sign(listing, "s3", keys=Credentials(key, secret, token))).status == 200
        for wrong in (None, other, token[::-1], token + "x", ""):
            got = fort.send(fort.sign(listing, "s3", keys=Credentials(key, secret, wrong)))
            assert got.status in (400, 403), (wrong, got)
            assert token not in got.text
        honest = fort.sign(listing, "s3", keys=Credentials(key, secret, token))
        assert fort.send(with_headers(honest, X_Amz_Security_Token=None)).status == 403
        assert fort.send(with_headers(honest, X_Amz_Security_Token=other)).status == 403


# presigned


def presigned(fort: Fort, version: str, method: str = "PUT", *, expires: int = 60, shift: int = 0, key: str = "made") -> Wire:
    request = AWSRequest(method, f"http://{fort.netloc}/{BUCKET}/{key}")
    if version == "s3v4":
        real = botocore.auth.get_current_datetime
        patch = pytest.MonkeyPatch()
        patch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: real(*a, **k) + datetime.timedelta(seconds=shift))
        S3SigV4QueryAuth(fort.keys, "s3", "us-east-1", expires=expires).add_auth(request)
        patch.undo()
    else:
        HmacV1QueryAuth(fort.keys, expires=expires + shift).add_auth(request)
    url = urlsplit(request.url)
    return Wire(method, f"{url.path}?{url.query}", {}, b"content")


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(fort: Fort, version: str) -> None:
    assert fort.send(presigned(fort, version)).status == 200
    got = fort.send(dataclasses.replace(presigned(fort, version, "GET"), body=b""))
    assert got.body == b"content"
    fort.client("s3").delete_object(Bucket=BUCKET, Key="made")
    honest = presigned(fort, version)
    path, _, query = honest.path.partition("?")
    with fort.untouched():
        for name, value in parse_qsl(query):
            for other in (value + "1", "", value[:-1] + ("0" if value[-1] != "0" else "1")):
                changed = query.replace(f"{name}={quote(value, safe='')}", f"{name}={quote(other, safe='')}")
                assert changed != query
                got = fort.send(dataclasses.replace(honest, path=f"{path}?{changed}"))
                assert got.status in (400, 403), (name, other, got)
            pairs = [p for p in query.split("&") if not p.startswith(f"{name}=")]
            assert fort.send(dataclasses.replace(honest, path=f"{path}?{'&'.join(pairs)}")).status in (400, 403)
        for wire in (
            dataclasses.replace(honest, method="DELETE", body=b""),
            dataclasses.replace(honest, path=f"/{BUCKET}/other?{query}"),
            dataclasses.replace(honest, path=f"/other-bucket/made?{query}"),
            dataclasses.replace(honest, path=f"{path}?{query}&tagging"),
            dataclasses.replace(honest, path=f"{path}?{query}&uploadId=x&partNumber=1"),
            dataclasses.replace(honest, headers={"x-amz-acl": "public-read"}),
            dataclasses.replace(honest, headers={"x-amz-copy-source": f"/{BUCKET}/kept"}),
        ):
            assert fort.send(wire).status == 403, wire


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_expire(fort: Fort, sealed: None, version: str) -> None:
    got = fort.send(presigned(fort, version, expires=60, shift=-120))
    assert got.status == 403
    assert "expired" in got.text
    if version == "s3v4":
        assert fort.send(presigned(fort, version, expires=604801)).status == 400
        assert fort.send(presigned(fort, version, shift=3600)).status == 403, "not yet valid"
        assert fort.send(presigned(fort, version, expires=-5)).status in (400, 403)


def test_a_presigned_v4_url_is_for_its_host(fort: Fort, sealed: None) -> None:
    for host in ("localhost", "evil.example", f"{fort.host}:1", f"{BUCKET}.localhost:{fort.port}"):
        assert fort.send(with_headers(presigned(fort, "s3v4"), Host=host)).status == 403


def multipart(fields: dict[str, str], content: bytes = b"content") -> Wire:
    parts = [f'--edge\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    body = b"".join(parts) + b'--edge\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + content + b"\r\n--edge--\r\n"
    return Wire("POST", f"/{BUCKET}", {"Content-Type": "multipart/form-data; boundary=edge"}, body)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_post_policies(fort: Fort, version: str) -> None:
    from botocore.config import Config

    s3 = fort.server.client("s3", config={"signature_version": version})
    assert isinstance(s3.meta.config, Config)

    def form(expires: int = 60) -> dict[str, str]:
        fields: dict[str, str] = s3.generate_presigned_post(
            BUCKET, "up/${filename}", ExpiresIn=expires, Conditions=[["content-length-range", 1, 20], {"x-amz-meta-a": "b"}],
            Fields={"x-amz-meta-a": "b"},
        )["fields"]
        return fields

    assert fort.send(multipart(form())).status == 204
    fort.client("s3").delete_object(Bucket=BUCKET, Key="up/f")
    honest = form()
    policy = json.loads(base64.b64decode(honest["policy"]))
    policy["conditions"] = []
    wider = base64.b64encode(json.dumps(policy).encode()).decode()
    signature = "x-amz-signature" if "x-amz-signature" in honest else "signature"
    with fort.untouched():
        for fields, content in (
            (honest | {"policy": wider}, b"content"),
            (honest | {signature: honest[signature].swapcase()}, b"content"),
            ({k: v for k, v in honest.items() if k != signature}, b"content"),
            ({k: v for k, v in honest.items() if k not in (signature, "policy")}, b"content"),
            (honest | {"key": "elsewhere"}, b"content"),
            (honest | {"key": "../up/x"}, b"content"),
            (honest | {"x-amz-meta-a": "c"}, b"content"),
            (honest | {"x-amz-meta-new": "c"}, b"content"),
            (honest | {"acl": "public-read"}, b"content"),
            (honest, b""), (honest, b"x" * 21),
            (form(-120), b"content"),
        ):
            got = fort.send(multipart(fields, content))
            assert got.status in (400, 403, 413), got
        elsewhere = multipart(honest)
        assert fort.send(dataclasses.replace(elsewhere, path="/other-bucket")).status == 403


def test_the_payload_hash_of_a_presigned_request_holds_its_body(fort: Fort, sealed: None) -> None:
    honest = b"an honest body"
    said = hashlib.sha256(honest).hexdigest()

    class Signer(botocore.auth.SigV4QueryAuth):  # type: ignore[misc]
        def payload(self, request: Any) -> str:
            return said

    query = f"Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Content-Sha256={said}"
    request = AWSRequest("POST", f"http://{fort.netloc}/?{query}")
    Signer(fort.keys, "sts", "us-east-1").add_auth(request)
    path = request.url.removeprefix(f"http://{fort.netloc}")
    assert fort.send(Wire("POST", path, {}, honest)).status == 200
    got = fort.send(Wire("POST", path, {}, b"Tags=another"))
    assert got.status == 400, got
    assert "XAmzContentSHA256Mismatch" in got.text


# aws-chunked


def test_a_coding_that_nobody_signed_does_not_free_the_body(fort: Fort, sealed: None) -> None:
    """A header may be added that the signature does not cover; what it covers is the bytes that are sent."""
    wire, forged = fort.sign(Wire("PUT", f"/{BUCKET}/made", {}, b"content"), "s3"), b"6\r\nforged\r\n0\r\n\r\n"
    headers = {k: v for k, v in wire.headers.items() if k.lower() != "content-length"}
    got = fort.send(dataclasses.replace(wire, headers={**headers, "Content-Encoding": "aws-chunked"}, body=forged))
    assert got.status == 400, got
    assert "XAmzContentSHA256Mismatch" in got.text


def test_signed_chunks_cannot_change(fort: Fort, sealed: None) -> None:
    body = b"7;chunk-signature=" + b"0" * 64 + b"\r\ncontent\r\n0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n"
    wire = Wire("PUT", f"/{BUCKET}/made", {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length": "7",
        "Content-Encoding": "aws-chunked",
    }, body)
    got = fort.send(_sign_with_hash(fort, wire))
    assert got.status == 403, got
    assert "SignatureDoesNotMatch" in got.text


@pytest.mark.parametrize("body", [
    b"", b"7\r\ncontent\r\n", b"7\r\ncontent\r\n0\r\n\r\nmore", b"-7\r\ncontent\r\n0\r\n\r\n", b"+7\r\ncontent\r\n0\r\n\r\n",
    b"ffffffffffffffffff\r\ncontent", b"8\r\ncontent\r\n0\r\n\r\n", b"6\r\ncontent\r\n0\r\n\r\n", b"zz\r\n", b"7\r\ncontentXX0\r\n\r\n",
    b"x" * 20000, b"7\r\ncontent\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", b"0x7\r\ncontent\r\n0\r\n\r\n", b"0_7\r\ncontent\r\n0\r\n\r\n",
    b"7\ncontent\n0\n\n", b"\r\n\r\n", b"0\r\n" + b"a:b\r\n" * 100 + b"\r\n",
])
def test_malformed_chunks(fort: Fort, sealed: None, body: bytes) -> None:
    wire = Wire("PUT", f"/{BUCKET}/made", {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "7",
        "Content-Encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32",
    }, body)
    got = fort.send(_sign_with_hash(fort, wire))
    assert got.status == 400, got


def _sign_with_hash(fort: Fort, wire: Wire) -> Wire:
    """Signed with the payload hash that its own header gives."""
    class Signer(botocore.auth.SigV4Auth):  # type: ignore[misc]
        def payload(self, request: Any) -> str:
            return str(request.headers["x-amz-content-sha256"])

    request = AWSRequest(wire.method, f"http://{fort.netloc}{wire.path}", dict(wire.headers), wire.body)
    Signer(fort.keys, "s3", "us-east-1").add_auth(request)
    return dataclasses.replace(wire, headers={"Host": fort.netloc, **{k: str(v) for k, v in request.headers.items()}})


# keys that ended, modes that open


def test_ended_keys(fort: Fort) -> None:
    iam = fort.client("iam")
    name = unique("leaver")
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    keys = Credentials(made["AccessKeyId"], made["SecretAccessKey"])
    who = Wire("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=GetCallerIdentity&Version=2011-06-15")
    assert fort.send(fort.sign(who, "sts", keys=keys)).status == 200
    iam.update_access_key(UserName=name, AccessKeyId=keys.access_key, Status="Inactive")
    assert fort.send(fort.sign(who, "sts", keys=keys)).status == 403
    iam.update_access_key(UserName=name, AccessKeyId=keys.access_key, Status="Active")
    assert fort.send(fort.sign(who, "sts", keys=keys)).status == 200
    iam.delete_access_key(UserName=name, AccessKeyId=keys.access_key)
    with fort.untouched():
        assert fort.send(fort.sign(who, "sts", keys=keys)).status == 403
    iam.delete_user(UserName=name)


@pytest.mark.parametrize("given", [{"auth": "off"}, {"auth": "lenient"}, {"auth": "none"}, {"auth": ""}])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_modes_that_open_are_refused_off_loopback(tmp_path: Path, host: str, given: dict[str, str]) -> None:
    data = tmp_path / "data"
    with pytest.raises(UnsafeSettings, match=r"refused|must be"):
        Server(Settings(data=data, host=host, **given))  # type: ignore[arg-type]
    assert not data.exists()


def test_presigned_time_is_the_servers(fort: Fort) -> None:
    """The test above shifts the signer, not the server; both agree on now."""
    got = fort.send(Wire("GET", "/_sagewright/health"))
    date = datetime.datetime.strptime(got.headers["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=datetime.UTC)
    assert abs(date.timestamp() - time.time()) < 5

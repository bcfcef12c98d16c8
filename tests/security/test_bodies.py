"""Paths, heads and bodies that no client library would send: a clear error each, never a 500, and nothing is written."""

from __future__ import annotations

import gzip
import os
import socket
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import BUCKET, Fort, Got, Wire

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


# paths


@pytest.mark.parametrize("bucket", [
    "..", "%2e%2e", "..%2f..%2fetc", "%2fetc", ".", "a/../..", "%00", "a%00b", "UPPER", "a_b", "a", "x" * 64, "-a-", "a..b",
    "192.168.1.1", "xn--a", ".sagewright", "_sagewright", "ab%0a", "ab%5c..", "%c0%ae%c0%ae", "caf%C3%A9",
])
def test_buckets_that_cannot_be(fort: Fort, sealed: None, bucket: str) -> None:
    for path in (f"/{bucket}", f"/{bucket}/"):
        got = fort.send(fort.sign(Wire("PUT", path), "s3"))
        assert 400 <= got.status < 500, (path, got)


KEYS = ["../../escape", "a/../../../escape", "/abs", "//", "..", ".", "a//b", "a/./b", "%2e%2e/x", "..\\..\\x", "a\nb", "a\tb", "\x7f",
        ".sagewright/x", "é" * 300, "x" * 1024, "/".join("x" * 510), "a/", "a/b/", "con", "nul.txt", "~", "-rf", "$(id)", "`id`", "a'b\"c", "..;/"]


def test_any_key_stays_in_its_bucket(fort: Fort) -> None:
    """Legal keys are stored and come back; wherever they lie, it is below the bucket's own folder."""
    s3, root = fort.client("s3"), fort.server.data
    before = files(root.parent)
    for key in KEYS:
        wire = fort.sign(Wire("PUT", f"/{BUCKET}/{quote(key, safe='/~-')}", {}, key.encode()), "s3")
        got = fort.send(wire)
        assert got.status in (200, 400), (key, got)
        if got.status == 200:
            assert fort.send(fort.sign(Wire("GET", wire.path), "s3")).body == key.encode()
    new = files(root.parent) - before
    assert new
    assert all(path.startswith((f"{root.name}/objects/buckets/{BUCKET}/", f"{root.name}/objects/tmp/", f"{root.name}/objects/index")) for path in new)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for item in page["Contents"]:
            if item["Key"] != "kept":
                fort.send(fort.sign(Wire("DELETE", f"/{BUCKET}/{quote(item['Key'], safe='/~-')}"), "s3"))
    left = files(root.parent) - before
    assert not [path for path in left if "/buckets/" in path]


def files(folder: Path) -> set[str]:
    return {str(Path(place, name).relative_to(folder)) for place, _, names in os.walk(folder) for name in names}


@pytest.mark.parametrize("path", [f"/{BUCKET}/{'x' * 1025}", f"/{BUCKET}/a%00b", f"/{BUCKET}/%ff%fe", f"/{BUCKET}/%zz", f"/{BUCKET}/%"])
def test_keys_that_cannot_be(fort: Fort, path: str) -> None:
    got = fort.send(fort.sign(Wire("PUT", path, {}, b"x"), "s3"))
    assert got.status in (200, 400, 403), got  # a lone % is a character like others to some signers
    if got.status == 200:
        assert fort.send(fort.sign(Wire("DELETE", path), "s3")).status == 204


@pytest.mark.parametrize("name", ["../x", "..%2fx", "a/b", "", "x" * 300, "a\0b", "arn:aws:sagemaker:us-east-1:1:model/../../x", "*", "é"])
def test_names_that_cannot_be(fort: Fort, sealed: None, name: str) -> None:
    client = fort.server.client("sagemaker", config={"parameter_validation": False})
    error = client.exceptions.ClientError
    with pytest.raises(error) as caught:
        client.create_model(ModelName=name, PrimaryContainer={"Image": "x"})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    logs = fort.server.client("logs", config={"parameter_validation": False})
    if name not in ("../x", "a/b"):  # a log group may be called so: its file is not
        with pytest.raises(logs.exceptions.ClientError):
            logs.create_log_group(logGroupName=name + ":")


def test_log_groups_stay_in_their_folder(fort: Fort) -> None:
    logs, root = fort.client("logs"), fort.server.data
    before = files(root.parent)
    names = ["../../../escape", "/etc/cron.d/x", "..", ".", "a/../b"]
    for name in names:
        logs.create_log_group(logGroupName=name)
        for stream in ("../../s", "..", "x" * 500):
            logs.create_log_stream(logGroupName=name, logStreamName=stream)
            logs.put_log_events(logGroupName=name, logStreamName=stream, logEvents=[{"timestamp": int(time.time() * 1000), "message": "m"}])
            assert logs.get_log_events(logGroupName=name, logStreamName=stream)["events"][0]["message"] == "m"
    assert all(path.startswith(f"{root.name}/logs/") or "sqlite" in path for path in files(root.parent) - before)
    for name in names:
        logs.delete_log_group(logGroupName=name)


# bodies

PROTOCOLS = {
    "json": ("sagemaker", Wire("POST", "/", {"X-Amz-Target": "SageMaker.CreateModel", "Content-Type": "application/x-amz-json-1.1"})),
    "query": ("iam", Wire("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"})),
    "query with an action": ("iam", Wire("POST", "/?Action=CreateUser&Version=2010-05-08", {"Content-Type": "application/x-www-form-urlencoded"})),
    "xml": ("s3", Wire("PUT", f"/{BUCKET}/kept?tagging", {"Content-Type": "text/xml"})),
    "xml list": ("s3", Wire("POST", f"/{BUCKET}?delete", {"Content-Type": "text/xml"})),
    "complete": ("s3", Wire("POST", f"/{BUCKET}/kept?uploadId=none", {"Content-Type": "text/xml"})),
    "rest json": ("sagemaker", Wire("PUT", "/BatchPutMetrics", {"Content-Type": "application/json"})),
    "cbor": ("monitoring", Wire("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData",
                                {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"})),
    "form": ("s3", Wire("POST", f"/{BUCKET}", {"Content-Type": "multipart/form-data; boundary=b"})),
}


def attack(fort: Fort, protocol: str, body: bytes) -> Got:
    service, wire = PROTOCOLS[protocol]
    return fort.send(fort.sign(Wire(wire.method, wire.path, dict(wire.headers), body), service))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_random_bodies(fort: Fort, sealed: None, protocol: str) -> None:
    @FUZZ
    @given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode), st.builds(_document, st.text(max_size=20))))
    def run(body: bytes) -> None:
        got = attack(fort, protocol, body)
        assert 400 <= got.status < 500 or (got.status == 501 and "not implemented" in got.text), (body, got)

    run()


def _document(text: str) -> bytes:
    return f'{{"ModelName": "{text}", "Tags": [{{}}], "x": 1e999}}'.encode()


DEEP = 100_000


@pytest.mark.parametrize(("protocol", "body"), [
    ("json", b"[" * DEEP), ("json", b'{"a":' * DEEP), ("json", b'{"ModelName":' + b"[" * 900 + b"]" * 900 + b"}"),
    ("json", b'{"ModelName": "' + b"x" * 2**20 + b'"}'), ("json", b'{"ModelName": 1' + b"0" * 10000 + b"}"), ("json", b"\xff\xfe{}"),
    ("json", b'{"ModelName":"a","ModelName":"b"}'), ("json", b'"\\ud800"'), ("json", b"nul"), ("json", b"NaN"),
    ("query", b"Action=CreateUser&Version=2010-05-08&UserName=" + b"%" * 1000), ("query", b"&" * DEEP), ("query", b"a=b&" * DEEP),
    ("query with an action", b"UserName=x&Tags.member.999999999.Key=a"), ("query with an action", b"Tags.member.-1.Key=a&UserName=../x"),
    ("query with an action", b"Tags" + b".member.1" * 5000 + b"=x&UserName=/"),
    ("xml", b"<a>" * DEEP), ("xml", b"<Tagging>" * 5000 + b"</Tagging>" * 5000), ("xml", b""), ("xml", b"<Tagging"),
    ("xml", b'<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
            b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><Tagging><TagSet><Tag><Key>&c;</Key><Value>v</Value></Tag></TagSet></Tagging>'),
    ("xml", b'<?xml version="1.0"?><!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><Tagging><TagSet><Tag><Key>&x;</Key><Value>v</Value></Tag></TagSet></Tagging>'),
    ("xml list", b"<Delete>" + b"<Object><Key>none</Key></Object>" * 1001 + b"</Delete>"),
    ("cbor", b"\x9f" * DEEP), ("cbor", b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"), ("cbor", b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"), ("cbor", b"\x81" * 5000),
    ("form", b"--b\r\n" * 1000), ("form", b"--b\r\nContent-Disposition: form-data; name=key\r\n\r\n" + b"x" * 200_000),
])
def test_bodies_made_to_hurt(fort: Fort, sealed: None, protocol: str, body: bytes) -> None:
    began = time.monotonic()
    got = attack(fort, protocol, body)
    assert 400 <= got.status < 500, got
    assert time.monotonic() - began < 5
    assert "root:" not in got.text
    assert len(got.body) < 2**21


def test_bodies_too_large(fort: Fort, sealed: None) -> None:
    headers = {"X-Amz-Target": "Logs_20140328.CreateLogGroup", "Content-Type": "application/x-amz-json-1.1"}
    got = fort.send(fort.sign(Wire("POST", "/", headers, bytes(65 * 2**20)), "logs"))
    assert got.status == 413, got
    invoke = Wire("POST", "/endpoints/none/invocations", {"Content-Type": "text/csv"}, bytes(7 * 2**20))
    assert fort.send(fort.sign(invoke, "sagemaker")).status == 413
    tagging = Wire("PUT", f"/{BUCKET}/kept?tagging", {}, bytes(65 * 2**20))
    assert fort.send(fort.sign(tagging, "s3")).status == 413


def memory(fort: Fort) -> int:
    import psutil

    assert fort.server.process is not None
    return int(psutil.Process(fort.server.process.pid).memory_info().rss)


def test_a_gzip_bomb_within_a_gzip_body(fort: Fort, sealed: None) -> None:
    headers = {"X-Amz-Target": "Logs_20140328.CreateLogGroup", "Content-Type": "application/x-amz-json-1.1", "Content-Encoding": "gzip"}
    before = memory(fort)
    got = fort.send(fort.sign(Wire("POST", "/", headers, gzip.compress(bytes(2**28))), "logs"))
    assert got.status == 413, got
    for body in (b"not gzip", gzip.compress(b'{"logGroupName":"made"}')[:-4], gzip.compress(gzip.compress(b"{}")),
                 gzip.compress(b'{"logGroupName":"made"}') * 2, gzip.compress(b'{"logGroupName":"made"}') + b"x"):
        assert fort.send(fort.sign(Wire("POST", "/", headers, body), "logs")).status == 400
    assert memory(fort) - before < 300 * 2**20


# heads, byte by byte


def raw(fort: Fort, data: bytes, seconds: float = 10.0) -> bytes:
    """What the server answers to these bytes before it closes or the time is up."""
    with socket.create_connection((fort.host, fort.port), timeout=seconds) as line:
        try:
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while piece := line.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


@pytest.mark.parametrize("head", [
    b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n", b"\r\n\r\n\r\n", b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /_sagewright/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n", b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET http://evil.example/ HTTP/1.1\r\nHost: a\r\n\r\n", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello", b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\nX-Amz-Target: \xff\r\n\r\n",
])
def test_malformed_heads(fort: Fort, sealed: None, head: bytes) -> None:
    answer = raw(fort, head, 3.0)
    statuses = [line.split()[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert all(b"400" <= status < b"500" or status == b"501" for status in statuses), answer
    assert b"\"status\"" not in answer, "a smuggled request was answered"
    assert b"Traceback" not in answer


@pytest.mark.parametrize("head", [
    b"GET /" + b"x" * 2**21 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2**21 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(100_000)) + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(5_000)) + b"\r\n",
    b"x" * 2**21,
], ids=["path", "header", "headers", "many headers", "no end"])
def test_absurd_heads(fort: Fort, sealed: None, head: bytes) -> None:
    """No more than a bounded head is kept."""
    before = memory(fort)
    answer = raw(fort, head, 5.0)
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b" 200 " not in answer[:20]
    assert memory(fort) - before < 64 * 2**20


def test_an_endless_head_is_cut_off(fort: Fort, sealed: None) -> None:
    before, end = memory(fort), time.monotonic() + 15
    with socket.create_connection((fort.host, fort.port), timeout=10) as line:
        line.sendall(b"GET / HTTP/1.1\r\n")
        try:
            while time.monotonic() < end:
                line.send(b"a: " + b"b" * 65536 + b"\r\n")
        except OSError:
            pass
    assert time.monotonic() < end, "the connection stays open"
    assert memory(fort) - before < 32 * 2**20


def test_silent_connections_block_nobody(fort: Fort, sealed: None) -> None:
    """Two hundred that say nothing, two hundred that stop in the middle of a head, and two hundred in a body."""
    lines = []
    try:
        for number in range(600):
            line = socket.create_connection((fort.host, fort.port), timeout=10)
            lines.append(line)
            if number % 3:
                line.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Tar")
            if number % 3 == 2:
                line.sendall(b"get: SageMaker.ListModels\r\nAuthorization: AWS x:y\r\nContent-Length: 1000\r\n\r\n{")
        began = time.monotonic()
        for _ in range(10):
            assert fort.client("sagemaker").list_models()["Models"] == []
        assert time.monotonic() - began < 5
        assert fort.send(Wire("GET", "/_sagewright/health")).status == 200
    finally:
        for line in lines:
            line.close()


def test_a_cut_off_body_writes_nothing(fort: Fort, sealed: None) -> None:
    wire = fort.sign(Wire("PUT", f"/{BUCKET}/cut", {}, b"x" * 1000), "s3")
    head = "".join(f"{k}: {v}\r\n" for k, v in {**wire.headers, "Content-Length": "1000"}.items())
    raw(fort, f"PUT {wire.path} HTTP/1.1\r\n{head}\r\n".encode() + b"x" * 500)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if not any(p.stat().st_size for p in (fort.server.data / "objects" / "tmp").rglob("*") if p.is_file()):
            return
        time.sleep(0.01)
    raise AssertionError("a half upload stays")

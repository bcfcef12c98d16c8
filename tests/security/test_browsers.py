"""What a web page of somebody else can do from the browser of a person at this machine: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagewright.testing.server import TestServer

from .conftest import BUCKET, Fort, Wire

STUDIO = "https://studio.example"


@pytest.fixture(scope="module")
def open_fort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fort]:
    """A server that asks nobody, with an origin that may call it."""
    with TestServer(tmp_path_factory.mktemp("open") / "data", {"auth": "off", "cors_origin": STUDIO}) as running:
        yield Fort(running)


@pytest.fixture(scope="module")
def studio_fort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fort]:
    with TestServer(tmp_path_factory.mktemp("studio") / "data", {"cors_origin": STUDIO}) as running:
        yield Fort(running)


REBOUND = ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost.example", "evil",
           "0x7f000001.example", "metadata.google.internal", ""]


@pytest.mark.parametrize("host", REBOUND)
def test_names_that_point_here_by_dns_rebinding(fort: Fort, open_fort: Fort, host: str) -> None:
    """The page's own name is in the Host header: it is not one of ours."""
    paths = ["/", f"/{BUCKET}", "/_sagewright/health", "/_sagewright/metrics", "/_sagewright/metrics?Signature=x",
             "/?X-Amz-Signature=x&AWSAccessKeyId=y&Signature=z"]
    for one in (fort, open_fort):
        with one.untouched():
            for path in paths:
                for headers in ({}, {"Authorization": "Bearer x"}):
                    got = one.send(Wire("GET", path, {"Host": host, **headers}))
                    assert got.status in (400, 403, 421), (path, headers, got)
                    assert BUCKET not in got.text.replace(path, "")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "s3.us-east-1.amazonaws.com", "bucket.localhost"])
def test_names_of_ours(open_fort: Fort, host: str) -> None:
    got = open_fort.send(Wire("GET", "/", {"Host": host}))
    assert got.status in (200, 404), got


@pytest.mark.parametrize("origin", ["https://evil.example", "http://evil.example", "null", "http://localhost.evil.example", "http://localhost:1",
                                    STUDIO + ".evil.example", STUDIO.replace("https", "http"), "file://", "chrome-extension://x"])
def test_pages_of_others_get_nothing(fort: Fort, open_fort: Fort, studio_fort: Fort, origin: str) -> None:
    simple = [
        Wire("GET", "/"), Wire("POST", f"/{BUCKET}", {"Content-Type": "text/plain"}, b"x"),
        Wire("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=CreateUser&Version=2010-05-08&UserName=evil"),
        Wire("POST", f"/{BUCKET}", {"Content-Type": "multipart/form-data; boundary=b"},
             b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nevil\r\n--b\r\n'
             b'Content-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'),
        Wire("PUT", f"/{BUCKET}/evil", {}, b"x"),
    ]
    preflight = Wire("OPTIONS", "/", {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-amz-target"})
    for one in (fort, open_fort, studio_fort):
        with one.untouched():
            for wire in (*simple, preflight):
                got = one.send(Wire(wire.method, wire.path, {**wire.headers, "Origin": origin}, wire.body))
                assert got.status in (400, 403, 405), (wire, got)
                assert "access-control-allow-origin" not in got.headers
                assert "access-control-allow-credentials" not in got.headers


def test_the_studio_may(studio_fort: Fort, fort: Fort) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-amz-target,authorization,evil"}
    got = studio_fort.send(Wire("OPTIONS", "/", {"Origin": STUDIO, **asked}))
    assert got.status == 204
    assert got.headers["access-control-allow-origin"] == STUDIO
    assert "evil" not in got.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in got.headers, "nothing rides on cookies"
    wire = studio_fort.sign(Wire("GET", f"/{BUCKET}", {}), "s3")
    got = studio_fort.send(Wire(wire.method, wire.path, {**wire.headers, "Origin": STUDIO}))
    assert got.status == 200
    assert got.headers["access-control-allow-origin"] == STUDIO
    assert fort.send(Wire("OPTIONS", "/", {"Origin": STUDIO, **asked})).status == 403, "off unless it is set"
    unsigned = studio_fort.send(Wire("GET", f"/{BUCKET}", {"Origin": STUDIO}))
    assert unsigned.status == 403, "the origin is no credential"


def test_objects_are_no_pages_of_ours(fort: Fort) -> None:
    """User content keeps its own type; the browser must not guess another."""
    s3 = fort.client("s3")
    s3.put_object(Bucket=BUCKET, Key="page.html", Body=b"<script>1</script>", ContentType="text/html")
    got = fort.send(fort.sign(Wire("GET", f"/{BUCKET}/page.html"), "s3"))
    assert got.headers["content-type"] == "text/html"
    for name in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'):
        refused = fort.send(fort.sign(Wire("GET", f"/{BUCKET}/{name.replace('<', '%3C').replace('>', '%3E').replace(' ', '%20').replace(chr(34), '%22')}"), "s3"))
        assert refused.status == 404
        assert "html" not in refused.headers["content-type"]
        assert "<script" not in refused.text
        assert "<img" not in refused.text
    s3.delete_object(Bucket=BUCKET, Key="page.html")


def test_loopback_by_default() -> None:
    from sagewright.settings import Settings

    assert (Settings().host, Settings().auth, Settings().cors_origin) == ("127.0.0.1", "strict", "")


def test_metrics_are_for_this_machine(tmp_path: Path) -> None:
    """Asked over another address of this machine, as from the network."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    with TestServer(tmp_path / "data", {"host": "0.0.0.0"}) as running:
        port = running.url.rpartition(":")[2]
        running.url = f"http://127.0.0.1:{port}"
        near = Fort(running)
        assert near.send(Wire("GET", "/_sagewright/metrics")).status == 200
        near.host = address
        assert near.send(Wire("GET", "/_sagewright/metrics")).status == 403
        assert near.send(Wire("GET", "/_sagewright/health")).status == 200

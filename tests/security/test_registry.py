"""The registry below /v2/ under attack: by nobody, by pages of other sites, by names that lead elsewhere, by endless bodies."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from .conftest import Fort, Wire

DIGEST = "sha256:" + "a" * 64
UPLOAD = "01234567-89ab-cdef-0123-456789abcdef"
PATHS = [
    "/v2/", "/v2", "/v2/_catalog", "/v2/held/tags/list", "/v2/held/manifests/1", f"/v2/held/manifests/{DIGEST}",
    "/v2/held/blobs/uploads/", f"/v2/held/blobs/uploads/{UPLOAD}", f"/v2/held/blobs/{DIGEST}", "/v2/held/blobs/uploads/?digest=" + DIGEST,
    "/v2/nothing", "/v2/../_sagewright/health", "/v2//held/tags/list", "/v2/%2e%2e/x",
]
METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "PROPFIND"]


@pytest.fixture(scope="module")
def token(fort: Fort) -> Iterator[str]:
    """The operator's token, and a repository that holds a blob."""
    ecr = fort.client("ecr")
    ecr.create_repository(repositoryName="gone")
    ecr.delete_repository(repositoryName="gone")  # leaves the store's lock file
    ecr.create_repository(repositoryName="held")
    said: str = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    blob = b"held"
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    made = fort.send(Wire("POST", f"/v2/held/blobs/uploads/?digest={digest}", {"Authorization": f"Basic {said}"}, blob))
    assert made.status == 201
    yield said
    ecr.delete_repository(repositoryName="held", force=True)


@pytest.mark.parametrize("header", [
    None, "Basic", "Basic !!!", "Bearer abc", "Basic " + base64.b64encode(b"AWS:x.y").decode(), "Basic " + base64.b64encode(b"\xff\xfe").decode(),
    "Basic " + base64.b64encode(b"AWS:bnVsbA==.x").decode(), "Basic " + base64.b64encode(b"AWS:W10=.x").decode(),
])
def test_nobody_gets_in(fort: Fort, token: str, sealed: None, header: str | None) -> None:
    for method in METHODS:
        for path in PATHS:
            got = fort.send(Wire(method, path, {"Authorization": header} if header else {}, b"x" if method in ("PUT", "POST", "PATCH") else b""))
            assert got.status in (400, 401), (method, path, got)
            assert b"held" not in got.body
    assert fort.send(Wire("GET", "/v2/")).headers["www-authenticate"].startswith("Basic ")


def test_pages_of_other_sites_reach_nothing(fort: Fort, token: str, sealed: None) -> None:
    assert fort.send(Wire("GET", "/v2/", {"Host": "evil.example"})).status == 421
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}
    assert fort.send(Wire("OPTIONS", "/v2/held/manifests/1", preflight)).status == 403


def test_signed_requests_are_not_the_registrys(fort: Fort, token: str, sealed: None) -> None:
    """The path is the registry's only for its own kind of credentials."""
    got = fort.send(fort.sign(Wire("GET", "/v2/held/tags/list", {}), "s3"))
    assert got.status in (400, 404)
    assert b"NoSuchBucket" in got.body or b"InvalidBucket" in got.body


@pytest.mark.parametrize("name", [
    "../../records.sqlite", "..", "held/../held", "held/_layers", "_repository.json", "held%00", "a" * 300, "HELD", "held//x", ".held",
    quote("held/../../x", safe=""),
])
def test_names_lead_nowhere(fort: Fort, token: str, sealed: None, name: str) -> None:
    wanted = {"Authorization": f"Basic {token}"}
    for method, rest in (("GET", "tags/list"), ("GET", "manifests/1"), ("POST", "blobs/uploads/"), ("PUT", "manifests/1"), ("GET", f"blobs/{DIGEST}")):
        got = fort.send(Wire(method, f"/v2/{name}/{rest}", wanted, b"{}" if method == "PUT" else b""))
        assert 400 <= got.status < 500, (name, rest, got)


@pytest.mark.parametrize("reference", ["..", ".hidden", "a/b", "%2e%2e", "sha256:..", "sha256:" + "A" * 64, "x" * 200, "a:b"])
def test_references_lead_nowhere(fort: Fort, token: str, sealed: None, reference: str) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        got = fort.send(Wire(method, f"/v2/held/manifests/{reference}", {"Authorization": f"Basic {token}"}, b"{}" if method == "PUT" else b""))
        assert 400 <= got.status < 500, (reference, method, got)


def test_bodies_have_an_end(fort: Fort, token: str, sealed: None) -> None:
    wanted = {"Authorization": f"Basic {token}"}
    got = fort.send(Wire("PUT", "/v2/held/manifests/1", {**wanted, "Content-Length": str(10**9)}, b"x" * 5_000_000))
    assert got.status == 413
    deep = b'{"schemaVersion":2,"config":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    got = fort.send(Wire("PUT", "/v2/held/manifests/1", wanted, deep))
    assert got.status == 400
    for body in (b"[]", b"null", b'{"schemaVersion": 2}', b'{"schemaVersion": 2, "config": 1, "layers": "x"}', b'{"schemaVersion": 1}', b"\xff"):
        assert fort.send(Wire("PUT", "/v2/held/manifests/1", wanted, body)).status == 400, body


def test_what_was_not_proven_is_not_kept(fort: Fort, token: str, sealed: None) -> None:
    wanted = {"Authorization": f"Basic {token}"}
    begun = fort.send(Wire("POST", "/v2/held/blobs/uploads/", wanted))
    where = begun.headers["location"]
    assert fort.send(Wire("PATCH", where, wanted, b"bytes")).status == 202
    other = where.replace("/held/", "/hold/")
    assert fort.send(Wire("GET", other, wanted)).status == 404, "an upload belongs to its repository"
    assert fort.send(Wire("PUT", f"{where}?digest={DIGEST}", wanted)).status == 400
    assert fort.send(Wire("GET", where, wanted)).status == 404
    assert fort.send(Wire("GET", f"/v2/held/blobs/{DIGEST}", wanted)).status == 404

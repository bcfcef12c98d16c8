"""The registry client against a registry that breaks off, lies, redirects and asks for tokens."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sagewright.agent.oci import remote
from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.documents import BadImage
from sagewright.agent.oci.reference import parse
from sagewright.agent.oci.remote import Puller, RegistryError, docker_credentials, fetch
from sagewright.testing.containers import Container, digest, tar


class Registry(ThreadingHTTPServer):
    """A registry of one image ``thing:1``; ``mood`` says how it misbehaves."""

    daemon_threads = True

    def __init__(self, image: Container) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.image = image
        self.mood: dict[str, Any] = {}
        self.asked: list[tuple[str, str, str]] = []
        """(path, Range, Authorization) of every request."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def log_message(self, *_: object) -> None:
        pass

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        mood, image = self.server.mood, self.server.image
        authorization = self.headers.get("Authorization", "")
        self.server.asked.append((self.path, self.headers.get("Range", ""), authorization))
        if self.path.startswith("/token"):
            self.say(200, json.dumps({"token": "letmein"}).encode())
            return
        if "bearer" in mood and authorization != "Bearer letmein":
            realm = mood["bearer"].replace("{host}", self.server.host)
            self.say(401, WWW_Authenticate=f'Bearer realm="{realm}",service="here",scope="repository:thing:pull"')
            return
        if "basic" in mood and authorization != "Basic " + base64.b64encode(mood["basic"].encode()).decode():
            self.say(401, WWW_Authenticate='Basic realm="x"')
            return
        kind, _, name = self.path.removeprefix("/v2/thing/").partition("/")
        if kind == "manifests":
            raw = mood.get("manifest", image.manifest)
            self.say(200 if name in ("1", digest(raw)) else 404, raw, Content_Type="application/vnd.oci.image.manifest.v1+json")
            return
        data = image.blobs[name]
        if len(data) > 1000 and "redirect" in mood:
            self.say(307, Location=mood["redirect"].replace("{host}", self.server.host))
            return
        if len(data) > 1000 and mood.get("errors", 0) > 0:
            mood["errors"] -= 1
            self.say(503)
            return
        if len(data) > 1000 and "lie" in mood:
            data = mood["lie"](data)
        first = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1]) if "no ranges" not in mood else 0
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        piece = data[first : first + mood["cut"]] if len(data) > 1000 and "cut" in mood else data[first:]
        self.wfile.write(piece)  # a connection that is cut ends before its time


@pytest.fixture
def registry() -> Iterator[Registry]:
    noise = bytes(range(256)) * 400
    server = Registry(Container([tar([("noise", noise)])], compress=False))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def store(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "oci")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.time, "sleep", lambda seconds: None)


def pull(store: Blobs, registry: Registry, credentials: tuple[str, str] | None = None, tag: str = ":1") -> list[str]:
    said: list[str] = []
    Puller(store, lambda host: credentials).pull(parse(f"{registry.host}/thing{tag}"), said.append)
    return said


def test_what_is_here_is_not_fetched_again(store: Blobs, registry: Registry) -> None:
    pull(store, registry)
    assert store.image("thing", "1").digest == digest(registry.image.manifest)
    registry.asked.clear()
    pull(store, registry)
    assert [path for path, _, _ in registry.asked] == ["/v2/thing/manifests/1"]


def test_a_broken_download_goes_on_where_it_broke(store: Blobs, registry: Registry) -> None:
    layer = registry.image.packed[0]
    registry.mood["cut"] = 30_000
    pull(store, registry)
    ranges = [r for path, r, _ in registry.asked if path.endswith(digest(layer))]
    assert ranges == ["", "bytes=30000-", "bytes=60000-", "bytes=90000-"]
    assert store.path(digest(layer)).read_bytes() == layer


def test_an_attempt_of_a_process_that_was_killed_is_continued(store: Blobs, registry: Registry) -> None:
    layer = registry.image.packed[0]
    store.partial(digest(layer)).write_bytes(layer[:50_000])
    pull(store, registry)
    assert ("bytes=50000-" in {r for path, r, _ in registry.asked if path.endswith(digest(layer))})
    assert store.path(digest(layer)).read_bytes() == layer


def test_a_registry_without_ranges_starts_over(store: Blobs, registry: Registry) -> None:
    layer = registry.image.packed[0]
    store.partial(digest(layer)).write_bytes(b"x" * 10)
    registry.mood["no ranges"] = True
    pull(store, registry)
    assert store.path(digest(layer)).read_bytes() == layer


def test_errors_of_the_moment_are_tried_again(store: Blobs, registry: Registry) -> None:
    registry.mood["errors"] = 3
    pull(store, registry)
    assert store.has(digest(registry.image.packed[0]))


@pytest.mark.parametrize(("lie", "says"), [
    (lambda data: data[:-1] + b"x", "came with the digest"), (lambda data: data + b"more", "sent more than"),
    (lambda data: data[:-1], "could not be fetched"),
], ids=["changed", "longer", "shorter"])
def test_lies_are_found_out(store: Blobs, registry: Registry, lie: Any, says: str) -> None:
    registry.mood["lie"] = lie
    with pytest.raises(RegistryError, match=says):
        pull(store, registry)
    assert not store.has(digest(registry.image.packed[0]))
    assert store.digest_of("thing", "1") is None


def test_a_digest_is_what_is_asked_for(store: Blobs, registry: Registry) -> None:
    key = digest(registry.image.manifest)
    pull(store, registry, tag=f"@{key}")
    assert store.image("thing", key).tags == ()
    registry.mood["manifest"] = Container([tar([("other", "x")])]).manifest
    with pytest.raises(BadImage, match="has no thing"):
        pull(store, registry, tag=f"@{key}")


def test_tokens_and_passwords(store: Blobs, registry: Registry, tmp_path: Path) -> None:
    registry.mood["bearer"] = "http://{host}/token"
    pull(store, registry, ("me", "secret"))
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    assert [(p.split("?")[0], a) for p, _, a in registry.asked][:3] == [
        ("/v2/thing/manifests/1", ""), ("/token", basic), ("/v2/thing/manifests/1", "Bearer letmein")]
    assert all(a == "Bearer letmein" for _, _, a in registry.asked[3:]), "one token for all of it"
    registry.mood = {"basic": "me:secret"}
    pull(Blobs(tmp_path / "second"), registry, ("me", "secret"))
    with pytest.raises(RegistryError, match="refuses thing"):
        pull(store, registry, ("me", "wrong"))
    with pytest.raises(RegistryError, match="docker login"):
        pull(store, registry)


@pytest.mark.parametrize(("where", "says"), [
    ("http://127.0.0.2:1/blob", "without encryption"), ("https://127.0.0.2:1/blob", "not on the public internet"),
    ("https://10.0.0.1/blob", "not on the public internet"), ("https://169.254.169.254/latest", "not on the public internet"),
    ("https://[::1]:1/blob", "not on the public internet"), ("file:///etc/passwd", "no place to fetch from"),
    ("https://user:pw@example.com/blob", "no place to fetch from"), ("/v2/thing/blobs/{self}", "redirects more than"),
], ids=lambda v: v.replace("/", "_"))
def test_redirects_lead_to_public_places_only(store: Blobs, registry: Registry, where: str, says: str) -> None:
    layer = digest(registry.image.packed[0])
    registry.mood["redirect"] = where.replace("{self}", layer)
    with pytest.raises(RegistryError, match=says):
        pull(store, registry)


def test_a_token_is_not_fetched_from_inside(store: Blobs, registry: Registry) -> None:
    registry.mood["bearer"] = "http://127.0.0.1:1/token"
    with pytest.raises(RegistryError, match="without encryption"):
        pull(store, registry, ("me", "secret"))


def test_credentials_stay_with_their_registry(store: Blobs, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect to another host carries no Authorization, and connects to the address that was looked at."""
    other = Registry(registry.image)
    thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    sent: list[dict[str, str]] = []

    def fetched(url: str, headers: Any, *, trusted: bool) -> remote.Answer:
        if url.startswith("https://cdn.example"):
            assert not trusted
            sent.append(dict(headers))
            url, trusted = url.replace("https://cdn.example", f"http://{other.host}"), True
        return fetch(url, headers, trusted=trusted)

    monkeypatch.setattr(remote, "fetch", fetched)
    registry.mood = {"basic": "me:secret", "redirect": "https://cdn.example/v2/thing/blobs/" + digest(registry.image.packed[0])}
    try:
        pull(store, registry, ("me", "secret"))
    finally:
        other.shutdown()
        other.server_close()
        thread.join(10)
    assert sent
    assert all("Authorization" not in headers for headers in sent)


def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port)), (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", port))]

    monkeypatch.setattr(remote.socket, "getaddrinfo", lookup)
    monkeypatch.setattr(remote, "getproxies", dict)
    with pytest.raises(RegistryError, match=r"10\.0\.0\.7"):
        fetch("https://cdn.example/blob", {}, trusted=False)


def test_too_large_manifests(store: Blobs, registry: Registry) -> None:
    registry.mood["manifest"] = b'{"schemaVersion": 2, "x": "' + b"x" * 5_000_000 + b'"}'
    with pytest.raises(BadImage, match="larger than"):
        pull(store, registry)


def test_dockers_own_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert docker_credentials("ghcr.io") is None
    auths = {"ghcr.io": {"auth": base64.b64encode(b"me:pass:word").decode()}, "https://index.docker.io/v1/": {"auth": "bWU6aHVi"}, "quay.io": {}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    assert docker_credentials("ghcr.io") == ("me", "pass:word")
    assert docker_credentials("docker.io") == ("me", "hub")
    assert docker_credentials("quay.io") is None

"""Studio's endpoints and files, asked by strangers in ways that no browser would."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sagewright.slices.studio.endpoints import Endpoints

from .conftest import Fort, Got, Wire

HOME = "/_sagewright/studio/"
NOTHING: Any = None
TABLE = Endpoints(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING).table
ENDPOINTS = [(method, path) for path, methods in TABLE.items() for method in methods]
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "studio-endpoints.md"
OPEN = {("POST", "api/session"), ("GET", "auth")}
"""The ways in; they take a proof instead of a session."""


def test_every_endpoint_is_in_the_docs_and_no_other() -> None:
    listed = re.findall(r"^\| `(GET|POST|DELETE|PUT) (api/\w+|auth)\S*` \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(ENDPOINTS)


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_nobody_gets_in_without_a_session(fort: Fort, method: str, path: str) -> None:
    """With the server's own origin and JSON, so that nothing but the missing session is in the way."""
    own = {"Origin": fort.server.url, "Content-Type": "application/json"}
    with fort.untouched():
        for cookie in (None, "sagewright-studio=", f"sagewright-studio={'0' * 64}", "sagewright-studio=%00", "sagewright-studio=a; sagewright-studio=b"):
            got = fort.send(Wire(method, HOME + path, own | ({"Cookie": cookie} if cookie else {}), b"" if method == "GET" else b'{"Token": "x"}'))
            assert got.status == (403 if (method, path) in OPEN else 401), got
            assert "set-cookie" not in got.headers
            assert got.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), [e for e in ENDPOINTS if e[0] != "GET"])
@pytest.mark.parametrize("origin", [None, "", "null", "http://evil.example", "https://{netloc}.evil.example", "http://{netloc}@evil.example"])
def test_changes_come_from_our_own_pages(fort: Fort, method: str, path: str, origin: str | None) -> None:
    headers = {"Content-Type": "application/json"} | ({"Origin": origin.format(netloc=fort.netloc)} if origin is not None else {})
    got = fort.send(Wire(method, HOME + path, headers, b"{}"))
    assert (got.status, json.loads(got.body)["__type"]) == (403, "AccessDeniedException")


@pytest.mark.parametrize("path", [
    "../health", "..%2f..%2fcredentials.json", "%2e%2e/%2e%2e/credentials.json", "....//credentials.json", "assets/..%2f..%2f..%2fpages.py", "../pages.py",
    "..%5c..%5cpages.py", "%2fetc%2fpasswd", "//etc/passwd", "assets/%00", "index.html%00.js", "%c0%ae%c0%ae/pages.py", "~root/x", "static.py", "web/index.html",
])  # fmt: skip
def test_no_path_leads_out_of_the_bundle(fort: Fort, path: str) -> None:
    got = fort.send(Wire("GET", HOME + path))
    assert got.status in (200, 400, 404, 503)
    for text in ("root:", "access_key", "from __future__"):
        assert text not in got.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_names_that_point_here_by_dns_rebinding_see_nothing(fort: Fort, host: str) -> None:
    for path in ("", "api/session", "auth?token=x", "api/session?Signature=x"):
        got = fort.send(Wire("GET", HOME + path, {"Host": host, "Accept": "text/html"}))
        assert got.status == 421, got
    assert fort.send(Wire("GET", "/", {"Host": host, "Accept": "text/html"})).status == 421


def guarded(got: Got) -> bool:
    policy = got.headers.get("content-security-policy", "")
    return policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy and got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["", "<script>alert(1)</script>", "%3Cscript%3Ealert(1)%3C/script%3E", "api/%3Cimg%20src=x%3E", "auth?token=<svg/onload=alert(1)>"])
def test_nothing_of_a_request_becomes_a_page(fort: Fort, path: str) -> None:
    got = fort.send(Wire("GET", HOME + path, {"Accept": "text/html"}))
    assert guarded(got), got
    if "html" in got.headers["content-type"]:
        for text in ("alert(1)", "onload", "<img"):
            assert text not in got.text


def test_a_long_body_is_not_read(fort: Fort) -> None:
    own = {"Origin": fort.server.url, "Content-Type": "application/json"}
    got = fort.send(Wire("POST", f"{HOME}api/session", own, b'{"Token": "' + b"x" * 3_000_000 + b'"}'))
    assert got.status == 413

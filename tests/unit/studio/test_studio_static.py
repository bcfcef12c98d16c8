"""The pages' files: what is inside the bundle, as small as the browser takes it, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from sagewright.slices.studio.static import BUNDLE, Static, codings
from sagewright.wire.errors import NotFound, ServiceError
from sagewright.wire.http import Answer, Request
from sagewright.wire.types import FileSlice

SCRIPT = b"export const answer = 42;\n" * 40


@pytest.fixture
def pages(tmp_path: Path) -> Static:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text('<!doctype html><meta name="nonce" content="__CSP_NONCE__"><script type=module src=assets/app-B7f_x9Qz.js></script>')
    (web / "assets" / "app-B7f_x9Qz.js").write_bytes(SCRIPT)
    (web / "assets" / "app-B7f_x9Qz.js.gz").write_bytes(gzip.compress(SCRIPT))
    (web / "assets" / "app-B7f_x9Qz.js.br").write_bytes(b"brotli")
    (web / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "secret.json").write_text("{}")
    (web / "way-out.json").symlink_to(tmp_path / "secret.json")
    return Static(web)


def get(pages: Static, path: str, method: str = "GET", **headers: str) -> Answer:
    request = Request(method, f"/_sagewright/studio/{path}", "", {k.replace("_", "-"): v for k, v in headers.items()})
    return asyncio.run(pages.answer(request, path))


def body(answer: Answer) -> bytes:
    assert isinstance(answer.body, FileSlice)
    return answer.body.path.read_bytes()


def test_scripts_come_compressed_and_for_ever(pages: Static) -> None:
    path = "assets/app-B7f_x9Qz.js"
    plain = get(pages, path)
    assert (plain.status, body(plain), plain.headers["content-type"]) == (200, SCRIPT, "text/javascript; charset=utf-8")
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in plain.headers
    small = get(pages, path, accept_encoding="gzip, deflate")
    assert (small.headers["content-encoding"], gzip.decompress(body(small))) == ("gzip", SCRIPT)
    smallest = get(pages, path, accept_encoding="gzip, deflate, br")
    assert (smallest.headers["content-encoding"], body(smallest)) == ("br", b"brotli")
    assert len({plain.headers["etag"], small.headers["etag"], smallest.headers["etag"]}) == 3


def test_what_has_no_hash_in_its_name_is_asked_for_again(pages: Static) -> None:
    first = get(pages, "logo.svg")
    assert first.headers["cache-control"] == "no-cache"
    again = get(pages, "logo.svg", if_none_match=f'"other", W/{first.headers["etag"]}')
    assert (again.status, again.body) == (304, b"")
    (pages.bundle / "logo.svg").write_text("<svg/>")
    assert get(pages, "logo.svg", if_none_match=first.headers["etag"]).status == 200


@pytest.mark.parametrize("path", ["", "jobs/training/a%20b", "index.html", "deep/link.with.dots", "settings", "x%00y", "jobs/..%5C..%5Cx"])
def test_every_other_path_is_the_start_page_with_a_nonce_of_its_own(pages: Static, path: str) -> None:
    answers = [get(pages, path) for _ in range(2)]
    nonces = []
    for answer in answers:
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        nonces.append(re.findall(r'content="([\w-]{20,})"', bytes(answer.body).decode())[0])  # type: ignore[arg-type]
        assert f"style-src 'self' 'nonce-{nonces[-1]}'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-cache"
    assert nonces[0] != nonces[1]


@pytest.mark.parametrize("path", ["assets/old-12345678.js", "assets/../assets/old.js", "%61ssets/gone.css"])
def test_scripts_that_are_gone_are_no_start_page(pages: Static, path: str) -> None:
    with pytest.raises(NotFound):
        get(pages, path)


@pytest.mark.parametrize("path", [
    "../secret.json", "..%2fsecret.json", "%2e%2e/secret.json", "%2e%2e%2fsecret.json", "x/../../secret.json", "/../secret.json", "//etc/hostname",
    "..%5csecret.json", "way-out.json", "%252e%252e%252fsecret.json", "assets/../../secret.json", "assets/%2e%2e/%2e%2e/secret.json", "/etc/passwd", "%2fetc%2fpasswd",
])  # fmt: skip
def test_nothing_outside_the_bundle_is_a_file(pages: Static, path: str) -> None:
    assert pages.find(path) is None


def test_pages_are_read_only(pages: Static) -> None:
    with pytest.raises(ServiceError) as error:
        get(pages, "", method="POST")
    assert (error.value.status, error.value.members) == (405, {"Allow": "GET, HEAD"})


def test_a_source_tree_without_a_bundle_says_how_to_build_it(tmp_path: Path) -> None:
    answer = get(Static(tmp_path / "none"), "jobs")
    assert answer.status == 503
    assert b"make web" in bytes(answer.body)
    assert BUNDLE.name == "web"


@pytest.mark.parametrize(("accepted", "found"), [
    ("", set()), ("gzip", {"gzip"}), ("GZIP;q=0.5, br ; q=1.0", {"gzip", "br"}), ("br;q=0, gzip;q=0.0", set()), ("*", {"*"}),
])  # fmt: skip
def test_what_a_browser_takes(accepted: str, found: set[str]) -> None:
    assert codings(accepted) == found


def test_every_answer_is_guarded(pages: Static) -> None:
    found: list[Any] = [get(pages, ""), get(pages, "logo.svg"), get(Static(Path("/nonexistent")), "")]
    for answer in found:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'; base-uri 'none'; form-action 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == answer.headers["cross-origin-resource-policy"] == "same-origin"

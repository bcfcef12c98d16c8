"""The pages' files: the built bundle, compressed beforehand, with the start page for every path that is no file."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from pathlib import Path
from urllib.parse import unquote

from ...wire.errors import NotFound, ServiceError
from ...wire.http import Answer, Request
from ...wire.types import FileSlice
from .answers import guarded

BUNDLE = Path(__file__).parent / "web"
START, ASSETS = "index.html", "assets"
NONCE = "__CSP_NONCE__"
FOREVER, CHECKED = "public, max-age=31536000, immutable", "no-cache"
_HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".json": "application/json", ".map": "application/json", ".svg": "image/svg+xml",
    ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".ico": "image/x-icon", ".woff2": "font/woff2", ".woff": "font/woff",
    ".wasm": "application/wasm", ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
}  # fmt: skip
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
"""In the order of preference."""
UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Studio</title>
<h1>Studio's pages are not built</h1>
<p>This server runs from a source tree. Build them once with <code>make web</code>, then load this page again.</p>
<p>The API works without them: see <code>sagewright env</code>.</p></html>"""


class Static:
    """The files of one bundle."""

    def __init__(self, bundle: Path = BUNDLE) -> None:
        self.bundle = bundle.resolve()

    async def answer(self, request: Request, path: str) -> Answer:
        """The file at a raw path below the pages' address, or the start page. Raises NotFound or ServiceError."""
        if request.method not in ("GET", "HEAD"):
            raise ServiceError("MethodNotAllowed", "Pages are read with GET.", 405, Allow="GET, HEAD")
        return await asyncio.to_thread(self._answer, request, path)

    def _answer(self, request: Request, path: str) -> Answer:
        file = self.find(path)
        if file is None and unquote(path).startswith(f"{ASSETS}/"):
            # a start page in the place of a script that is gone would only be harder to understand
            raise NotFound(f"There is no {request.path} here; load the page again.")
        if file is None or file.name == START:
            return self._start()
        return guarded(self._file(request, file))

    def find(self, path: str) -> Path | None:
        """The file that a raw path means: decoded once, resolved, and inside the bundle; else None."""
        name = unquote(path)
        if not name or "\0" in name or "\\" in name:
            return None
        file = (self.bundle / name.lstrip("/")).resolve()
        return file if file.is_relative_to(self.bundle) and file.suffix in TYPES and file.is_file() else None

    def _start(self) -> Answer:
        nonce = secrets.token_urlsafe(16)
        headers = {"content-type": TYPES[".html"], "cache-control": CHECKED}
        try:
            page = (self.bundle / START).read_text(encoding="utf-8").replace(NONCE, nonce)
        except FileNotFoundError:
            return guarded(Answer(503, headers, UNBUILT.encode()))
        return guarded(Answer(200, headers, page.encode()), nonce)

    def _file(self, request: Request, file: Path) -> Answer:
        accepted = codings(request.headers.get("accept-encoding", ""))
        served, coding = file, ""
        for name, suffix in ENCODINGS:
            beside = file.with_name(file.name + suffix)
            if name in accepted and beside.is_file():
                served, coding = beside, name
                break
        about = served.stat()
        tag = '"' + hashlib.sha256(f"{served.name} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:24] + '"'
        immutable = file.parent.name == ASSETS and _HASHED.search(file.name) is not None
        headers = {
            "content-type": TYPES[file.suffix], "etag": tag, "vary": "Accept-Encoding", "cache-control": FOREVER if immutable else CHECKED,
        }  # fmt: skip
        if tag in [t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")]:
            return Answer(304, headers)
        if coding:
            headers["content-encoding"] = coding
        return Answer(200, headers, FileSlice(served, 0, about.st_size))


def codings(accepted: str) -> set[str]:
    """The content codings that an Accept-Encoding header takes, ``q=0`` left out."""
    found = set()
    for piece in accepted.lower().split(","):
        name, _, rest = piece.strip().partition(";")
        weight = rest.strip().removeprefix("q=")
        if name and not (rest and re.fullmatch(r"0(\.0*)?", weight)):
            found.add(name.strip())
    return found

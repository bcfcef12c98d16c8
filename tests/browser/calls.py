"""Which public operation a request of the browser is: told from AWS's own models, not by the server's router.

What a page asks for has to be a file of the pages, one of the documented endpoints of Studio, or a signed call of an operation that the
coverage page names as working. Everything else would be a private back door.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.loaders

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"
STUDIO = "/_sagewright/studio"
SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=ASIA\w+/\d{8}/[\w-]+/([\w-]+)/aws4_request")
CBOR = re.compile(r"/service/(\w+)/operation/(\w+)")


@cache
def covered() -> dict[str, frozenset[str]]:
    """service → operations that work or keep their document, as the coverage page says."""
    found: dict[str, set[str]] = {}
    for part in (REFERENCE / "coverage.md").read_text().split("\n## ")[1:]:
        service = part.split("\n", 1)[0].strip()
        for names in re.findall(r"^\*\*(?:Works|Metadata only)\*\* \(\d+\): (.*)$", part, re.M):
            found.setdefault(service, set()).update(names.split(", "))
    return {service: frozenset(names) for service, names in found.items()}


@cache
def documented() -> frozenset[str]:
    """"METHOD path" of Studio's endpoints as the reference lists them."""
    text = (REFERENCE / "studio-endpoints.md").read_text()
    return frozenset(f"{method} {STUDIO}/{path}" for method, path in re.findall(r"^\| `(GET|POST|DELETE) (api/[a-z-]+|auth)", text, re.M))


@cache
def model(service: str) -> dict[str, Any]:
    return botocore.loaders.Loader().load_service_model(service, "service-2")  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Rest:
    """An operation of a REST service: what a request of it has."""

    name: str
    method: str
    path: re.Pattern[str]
    query: frozenset[tuple[str, str]]
    """Query that the template itself has; an empty value asks only for the key."""
    needs: frozenset[tuple[str, str]]
    """(place, name) of required members."""


@cache
def rest(service: str) -> tuple[Rest, ...]:
    made, shapes = [], model(service)["shapes"]
    for name, operation in model(service)["operations"].items():
        path, _, query = operation["http"]["requestUri"].partition("?")
        # a label is a segment, a greedy one is the rest; S3's bucket may be followed by a slash
        pattern = "".join(".+" if p.endswith("+}") else "[^/]+" if p[0] == "{" else re.escape(p) for p in re.split(r"(\{[^}]+\})", path) if p)
        input_ = shapes.get(operation.get("input", {}).get("shape", ""), {})
        needs = {(m.get("location", ""), m.get("locationName", "").lower()) for n, m in input_.get("members", {}).items() if n in input_.get("required", ())}
        literal = frozenset((key, values[0]) for key, values in parse_qs(query, keep_blank_values=True).items())
        made.append(Rest(name, operation["http"]["method"], re.compile(f"{pattern}/?"), literal, frozenset(n for n in needs if n[0] in ("querystring", "header"))))
    return tuple(made)


def rest_operation(service: str, request: dict[str, Any]) -> str | None:
    """The operation with the most of the request in its template and its required members."""
    url = urlsplit(request["url"])
    query = {key.lower(): values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
    there = {("querystring", key) for key in query} | {("header", key.lower()) for key in request["headers"]}
    fitting = [
        r for r in rest(service)
        if r.method == request["method"] and r.path.fullmatch(url.path) and r.needs <= there and all(k.lower() in query and v in ("", query[k.lower()]) for k, v in r.query)
    ]
    # the most particular template; of two that are the same, S3's own before that of its directory buckets
    best = max(fitting, key=lambda r: (len(r.query) + len(r.needs), len(r.path.pattern), -len(r.name)), default=None)
    return best.name if best else None


def operation(request: dict[str, Any]) -> tuple[str, str] | None:
    """(service, operation) of a signed call; None when it is unsigned, or no call that AWS's models know."""
    url, headers = urlsplit(request["url"]), {k.lower(): v for k, v in request["headers"].items()}
    query = parse_qs(url.query)
    signed = SIGNED.match(headers.get("authorization", "")) or SIGNED.match("AWS4-HMAC-SHA256 Credential=" + query.get("X-Amz-Credential", [""])[0])
    if not signed:
        return None
    services = [s for s in covered() if signing(s) == signed[1]]
    said = headers.get("x-amz-target", "").rpartition(".")
    if found := CBOR.fullmatch(url.path):
        said = (found[1], ".", found[2])
    if said[2]:
        return known(services, said[2], [s for s in services if model(s)["metadata"].get("targetPrefix") == said[0]])
    if action := parse_qs(request.get("postData", "")).get("Action"):
        return known(services, action[0], [s for s in services if model(s)["metadata"]["protocol"] == "query"])
    for service in services:
        if model(service)["metadata"]["protocol"].startswith("rest") and (name := rest_operation(service, request)):
            return service, name
    return None


def signing(service: str) -> str:
    about = model(service)["metadata"]
    return str(about.get("signingName") or about["endpointPrefix"])


def known(services: Iterable[str], name: str, of: list[str]) -> tuple[str, str] | None:
    return next(((s, name) for s in services if s in of and name in model(s)["operations"]), None)


def private(requests: Iterable[dict[str, Any]], origin: str) -> Iterator[str]:
    """What pages of ``origin`` asked for that nobody else could, or that is not built: one line for each."""
    for request in requests:
        url = urlsplit(request["url"])
        if url.scheme in ("blob", "about", "data"):
            continue
        said = f"{request['method']} {request['url']}"
        if f"{url.scheme}://{url.netloc}" != origin:
            yield f"{said}: another origin"
        elif url.path.startswith(f"{STUDIO}/"):
            file = request["method"] == "GET" and not url.path.startswith(f"{STUDIO}/api/")
            if not file and f"{request['method']} {url.path}" not in documented():
                yield f"{said}: no documented endpoint of Studio"
        elif url.path == "/" and request["method"] == "GET" and not url.query and "authorization" not in {k.lower() for k in request["headers"]}:
            continue  # the bare address, which leads to the pages
        elif (called := operation(request)) is None:
            yield f"{said}: no signed call of the public API"
        elif called[1] not in covered()[called[0]]:
            yield f"{said}: {called[0]} {called[1]} is not built, says the coverage page"

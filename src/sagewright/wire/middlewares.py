"""What every request passes, in the order of ``app.App``. Each wraps the next and does one thing.

Most only look at the head and hand on the next one's awaitable: a coroutine for each would cost more than what it does.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from .answers import PEER, ZEROCOPY, Receive, Send, respond
from .body import Incoming
from .exchange import KEY, Asgi, Exchange, Scope, WireSettings, exchange_of
from .http import Answer, Request

INTERNAL = "/_sagewright/"
FRONT = ("/", "/studio", "/studio/")
_REFUSED_DRAIN = 1 << 20
_OWN = frozenset({"connection", "content-length", "transfer-encoding"})
"""Headers that say how an answer travels."""
_AWS_HOST = re.compile(r"(.+\.)?amazonaws\.com(\.cn)?")
_ALLOWED_HEADERS = (
    "authorization, content-type, content-md5, content-encoding, x-amz-target, x-amz-date, x-amz-security-token, "
    "x-amz-content-sha256, x-amz-user-agent, amz-sdk-invocation-id, amz-sdk-request, smithy-protocol, x-amzn-query-mode"
)
_EXPOSED_HEADERS = "x-amzn-requestid, x-amz-request-id, x-amz-id-2, etag, x-amzn-errortype, x-amzn-query-error"


class Entrance:
    """Reads the request's head, gives it an id and sends that back with the answer."""

    def __init__(self, app: Asgi, settings: WireSettings) -> None:
        self._app, self._settings = app, settings

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        request = _request(scope, trust=self._settings.trust_forwarded)
        request_id = new_id()
        extensions = scope.get("extensions") or {}
        peer = extensions.get(PEER)
        incoming = Incoming(receive, _declared(request), peer)
        exchange = scope[KEY] = Exchange(request, request_id, incoming, receive, ZEROCOPY in extensions, peer)

        def labelled(message: MutableMapping[str, Any]) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()), *((name.encode(), value.encode()) for name, value in _labels(request_id)),
                ]
                exchange.started = True
            return send(message)

        return self._app(scope, receive, labelled)


def new_id() -> str:
    """A random id in the form of a UUID, version 4, a few times faster than ``uuid.uuid4``."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def _labels(request_id: str) -> tuple[tuple[str, str], ...]:
    """The headers of every answer."""
    return ("x-amzn-requestid", request_id), ("x-amz-request-id", request_id), ("x-amz-id-2", request_id)


def _request(scope: Scope, *, trust: bool) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    scheme = scope.get("scheme", "http")
    if trust:
        headers["host"] = headers.get("x-forwarded-host", headers.get("host", ""))
        scheme = headers.get("x-forwarded-proto", scheme)
    path = scope.get("raw_path") or scope["path"].encode()
    client = scope.get("client") or ("", 0)
    return Request(scope["method"], path.partition(b"?")[0].decode("latin-1"), scope["query_string"].decode("latin-1"),
                   headers, scheme, client[0])


def _declared(request: Request) -> int | None:
    """Length of the body as announced; None when it comes in chunks."""
    text = request.headers.get("content-length")
    if text is not None and text.isascii() and text.isdigit():
        return int(text)
    return None if "transfer-encoding" in request.headers else 0


class Hosts:
    """Refuses requests that a page of another site could have made: unknown names in Host, foreign Origins.

    A verified signature covers the Host, so signed requests may use any name; whoever holds a key is no stranger.
    """

    def __init__(self, app: Asgi, settings: WireSettings) -> None:
        self._app, self._settings = app, settings
        self._known = {"localhost", settings.host.lower()}
        if settings.public_url:
            self._known.add((urlsplit(settings.public_url).hostname or "").lower())
        self._origins = _origins(settings)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        exchange = exchange_of(scope)
        headers = exchange.request.headers
        origin = headers.get("origin")
        if origin and self._settings.auth != "strict" and origin not in self._origins and not _own(origin, headers):
            return _refuse(exchange, 403, f"Requests from pages of {origin} are not accepted", send)
        if not self._fits(headers, exchange.request):
            return _refuse(exchange, 421, "This server does not answer for that Host; set public_url to its name", send)
        return self._app(scope, receive, send)

    def _fits(self, headers: Mapping[str, str], request: Request) -> bool:
        signed = "authorization" in headers or "Signature=" in request.query
        if self._settings.auth == "strict" and signed and not request.path.startswith(INTERNAL):
            return True  # our own endpoints look at no signature
        name = _host_name(headers.get("host", ""))
        if name in self._known or any(name.endswith("." + k) for k in self._known) or _AWS_HOST.fullmatch(name):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


def _host_name(host: str) -> str:
    host = host.lower()
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _origins(settings: WireSettings) -> set[str]:
    return {o.strip().rstrip("/") for o in settings.cors_origin.split(",") if o.strip()}


def _own(origin: str, headers: Mapping[str, str]) -> bool:
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


async def _refuse(exchange: Exchange, status: int, message: str, send: Send) -> None:
    body = orjson.dumps({"__type": "AccessDeniedException", "message": message})
    await finish(exchange, Answer(status, {"content-type": "application/json"}, body), send)


class Cors:
    """Lets the pages of the configured origin call the API. Off unless ``cors_origin`` is set."""

    def __init__(self, app: Asgi, settings: WireSettings) -> None:
        self._app = app
        self._origins = _origins(settings)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        exchange = exchange_of(scope)
        headers = exchange.request.headers
        origin = headers.get("origin", "")
        allowed = origin in self._origins
        if exchange.request.method == "OPTIONS" and "access-control-request-method" in headers:
            return self._preflight(exchange, origin, allowed, send)
        if allowed:
            exchange.peer = None  # the answer's head has to pass here
            return self._app(scope, receive, _with_origin(send, origin))
        return self._app(scope, receive, send)

    @staticmethod
    async def _preflight(exchange: Exchange, origin: str, allowed: bool, send: Send) -> None:
        if not allowed:
            await _refuse(exchange, 403, f"Pages of {origin} may not call this server; see the setting cors_origin", send)
            return
        asked = exchange.request.headers.get("access-control-request-headers", "")
        extra = [h for h in (p.strip().lower() for p in asked.split(",")) if re.fullmatch(r"(x-amzn?|amz)-[\w-]+", h)]
        await finish(exchange, Answer(204, {
            "access-control-allow-origin": origin, "vary": "Origin",
            "access-control-allow-methods": "GET, HEAD, PUT, POST, DELETE, PATCH",
            "access-control-allow-headers": ", ".join([_ALLOWED_HEADERS, *extra]), "access-control-max-age": "3600",
        }), send)


def _with_origin(send: Send, origin: str) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            names = {k.decode("latin-1").lower() for k, _ in message["headers"]}
            more = sorted(n for n in names if n.startswith(("x-amz-", "x-amzn-")) and n not in _EXPOSED_HEADERS)
            message["headers"] = [
                *message["headers"], (b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"),
                (b"access-control-expose-headers", ", ".join([_EXPOSED_HEADERS, *more]).encode("latin-1")),
            ]
        await send(message)

    return sent


class Front:
    """Sends a person's browser on to the pages: unsigned, without a query, at ``/`` or ``/studio``, and asking for HTML.

    What it catches could only be a list of buckets, or of a bucket called studio, that nobody signed.
    """

    def __init__(self, app: Asgi, home: str) -> None:
        self._app, self._home = app, home

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        exchange = exchange_of(scope)
        request = exchange.request
        if request.path not in FRONT or request.method not in ("GET", "HEAD") or request.query:
            return self._app(scope, receive, send)
        if "text/html" not in request.headers.get("accept", "") or "authorization" in request.headers:
            return self._app(scope, receive, send)
        return finish(exchange, Answer(303, {"location": self._home, "cache-control": "no-store", "vary": "Accept"}), send)


class Internal:
    """Our own endpoints below ``/_sagewright/``: no bucket can be called that."""

    def __init__(self, app: Asgi, handlers: Mapping[str, Callable[..., Any]]) -> None:
        self._app, self._handlers = app, handlers

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        exchange = exchange_of(scope)
        path = exchange.request.path
        if not path.startswith(INTERNAL) and path != INTERNAL.rstrip("/"):
            return self._app(scope, receive, send)
        name = path[len(INTERNAL) :].partition("/")[0]
        handler = self._handlers.get(name)
        if handler is None:
            body = orjson.dumps({"__type": "NotFound", "message": f"There is no {path} here"})
            return finish(exchange, Answer(404, {"content-type": "application/json"}, body), send)
        answering: Awaitable[None] = handler(scope, receive, send)
        return answering


class Paths:
    """Protocols whose paths are fixed: the first component of a path decides. Requests signed as AWS's never go there.

    ``apps``: component → ASGI app, which authenticates its callers itself; looked at anew for each request. No bucket has so
    short a name as those components.
    """

    def __init__(self, app: Asgi, apps: Mapping[str, Asgi]) -> None:
        self._app, self._apps = app, apps

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        request = exchange_of(scope).request
        found = self._apps.get(request.path[1:].partition("/")[0])
        if found is None or request.headers.get("authorization", "").startswith("AWS") or "X-Amz-" in request.query:
            return self._app(scope, receive, send)
        return found(scope, receive, send)


async def finish(exchange: Exchange, answer: Answer, send: Send) -> None:
    """Send an answer; a request body that nobody read is let in for a moment, or the connection ends with the answer."""
    incoming, body = exchange.incoming, answer.body
    if incoming.finished and exchange.peer is not None and isinstance(body, bytes) and _OWN.isdisjoint(answer.headers):
        headers = (*answer.headers.items(), *_labels(exchange.request_id))
        if exchange.peer.answer(answer.status, headers, body):
            exchange.started = True
            return
    if not incoming.finished:
        # Who waits for "100 Continue" has sent nothing; reading would invite the whole body.
        if "expect" not in exchange.request.headers and (incoming.declared or 0) <= _REFUSED_DRAIN and not incoming.started:
            await incoming.drain(_REFUSED_DRAIN, 1.0)
        if not incoming.finished:
            answer.headers["connection"] = "close"
    await respond(answer, exchange.request.method, exchange.receive, send, zerocopy=exchange.zerocopy)

"""The way in for browsers: each workspace has a host name of its own on the port of the workspaces.

What runs there is its users' code, so that nothing of ours may be within its reach: another host name than Studio's keeps
cookies, storage and documents apart (a port alone would not keep cookies apart), and no cookie passes in either direction.
A session, opened by a URL that is good once, is the only way past this.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import AsyncIterable, Mapping
from typing import cast
from urllib.parse import unquote

from ...gateway.answer import Broken
from ...resources.browsers import check_origin, cookie
from ...resources.platform import Platform
from ...wire.answers import PEER, Receive, Send
from ...wire.errors import AccessDenied, DomainError, ServiceError
from ...wire.exchange import Exchange, Scope, exchange_of
from ...wire.http import Answer, Request
from ...wire.middlewares import Entrance, finish
from .relay import Switch, relay, wanted
from .sessions import AUTH, COOKIE, Sessions
from .table import Table, Workspace

SECONDS, TOTAL = 300.0, 3_600.0
"""Until an answer begins, and until it ends."""
WHOLE = 1 << 20
"""Bytes of a request's body up to which it is read before it is passed on."""
SOCKETS = 128
"""WebSockets that one workspace has at a time: each kernel and each terminal that somebody looks at has one."""
VISITOR = "X-Sagewright-User"
_NAME = re.compile(r"w-[0-9a-f]{16}")
_SENT = (
    "accept", "accept-encoding", "accept-language", "content-type", "content-encoding", "if-modified-since", "if-none-match", "if-range",
    "range", "user-agent", "x-requested-with", "cache-control",
)
_KEPT_OUT = {
    "connection", "keep-alive", "transfer-encoding", "server", "date", "set-cookie", "content-security-policy",
    "strict-transport-security", "clear-site-data",
}
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "worker-src 'self' blob:; connect-src 'self' data: blob: ws://{host} wss://{host}; frame-src 'self' data: blob:; "
    "object-src 'self' blob:; form-action 'self'; base-uri 'self'; frame-ancestors 'self'"
)
"""JupyterLab makes code from text (schemas, charts), hence 'unsafe-eval'; nothing comes from or goes to another origin."""
GUARDS = {
    "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin", "x-frame-options": "SAMEORIGIN",
}


class Proxy:
    """The workspaces of one platform. An ASGI app."""

    def __init__(self, platform: Platform, table: Table, sessions: Sessions) -> None:
        self.platform, self.table, self.sessions = platform, table, sessions
        self._sockets: Counter[str] = Counter()

    def install(self) -> None:
        self.platform.workspaces = Entrance(self, self.platform.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        try:
            answer = await self._answer(exchange, scope)
        except DomainError as error:
            answer = _refused(error)
        if answer is not None:
            answer.headers = {**GUARDS, "content-security-policy": "default-src 'none'; frame-ancestors 'none'", **answer.headers}
            await finish(exchange, answer, send)

    async def _answer(self, exchange: Exchange, scope: Scope) -> Answer | None:
        request = exchange.request
        host = request.headers.get("host", "").lower()
        workspace = self._meant(host)
        if request.path == AUTH:
            return await self._open(request, workspace)
        _check_origin(request, host)
        session = cookie(request.headers, COOKIE)
        who = await self.sessions.who(workspace.id, workspace.born, session)
        if who is None:
            return _page(403, "This page needs a session. Open the workspace from Studio, or by a fresh presigned URL: each is good once.")
        if request.path == "/":
            return Answer(302, {"location": f"{workspace.base}{workspace.landing}"})
        if not request.path.startswith(workspace.base) or ".." in unquote(request.path).split("/"):
            return _page(404, "There is no such page here.")
        if wanted(request.method, request.headers):
            return await self._socket(workspace, request, who, cast(Switch, scope["extensions"][PEER]))
        return await self._forward(workspace, exchange, who, host)

    def _meant(self, host: str) -> Workspace:
        """The workspace of a host name. Raises ServiceError for another server's name, and where nothing runs."""
        first, _, rest = host.partition(".")
        if rest != self.platform.workspace_url.partition("*.")[2].lower() or not _NAME.fullmatch(first):
            raise ServiceError("MisdirectedRequest", "No workspace has this host name.", 421)
        workspace = self.table.get(first)
        if workspace is None:
            raise ServiceError("ServiceUnavailable", "This workspace is not running. Start it in Studio, then open it from there.", 503)
        return workspace

    async def _open(self, request: Request, workspace: Workspace) -> Answer:
        if request.method != "GET":
            raise ServiceError("MethodNotAllowed", f"{request.method} opens no session.", 405)
        opened = await self.sessions.open(workspace.id, workspace.born, request.arg.get("authToken", ""))
        if opened is None:
            return _page(403, "This URL was good once and for a few minutes. Open the workspace again, from Studio or by a fresh presigned URL.")
        secure = "; Secure" if self.platform.workspace_url.startswith("https:") else ""
        said = f"{COOKIE}={opened.session}; Path=/; Max-Age={opened.seconds}; HttpOnly; SameSite=Lax{secure}"
        return Answer(303, {"location": opened.path, "set-cookie": said, "cache-control": "no-store", "referrer-policy": "no-referrer"})

    async def _socket(self, workspace: Workspace, request: Request, who: str, peer: Switch) -> Answer | None:
        if self._sockets[workspace.id] >= SOCKETS:
            raise ServiceError("TooManyRequests", f"This workspace has {SOCKETS} open WebSockets; close some of its pages.", 503)
        self._sockets[workspace.id] += 1
        try:
            return await relay(peer, workspace.worker.path, _target(request), request.headers, {VISITOR: who})
        finally:
            self._sockets[workspace.id] -= 1

    async def _forward(self, workspace: Workspace, exchange: Exchange, who: str, host: str) -> Answer:
        request, incoming = exchange.request, exchange.incoming
        content: bytes | AsyncIterable[bytes] = incoming
        if incoming.declared is not None and incoming.declared <= WHOLE:
            content = await incoming.read(WHOLE)
        sent = {name: request.headers[name] for name in _SENT if name in request.headers} | {VISITOR: who}
        try:
            answer, chunks = await workspace.worker.stream(
                request.method, _target(request), sent, content, seconds=SECONDS, total=TOTAL
            )
        except (Broken, TimeoutError) as error:
            raise ServiceError("ServiceUnavailable", f"The workspace does not answer: {error}. It may be starting again.", 503) from None
        headers = {name: value for name, value in answer.headers.items() if name not in _KEPT_OUT}
        headers["content-security-policy"] = _policy(host, answer.headers)
        if request.method == "HEAD" or answer.status in (204, 304):
            await chunks.aclose()
            return Answer(answer.status, headers)
        return Answer(answer.status, headers, chunks)


def _target(request: Request) -> str:
    return f"{request.path}?{request.query}" if request.query else request.path


def _policy(host: str, headers: Mapping[str, str]) -> str:
    """Ours and the workspace's own, which sandboxes the files that it shows: a browser obeys both."""
    own = headers.get("content-security-policy", "")
    return ", ".join(filter(None, (POLICY.format(host=host), own)))


def _check_origin(request: Request, host: str) -> None:
    """Raises AccessDenied for what a page of another site asks for. A WebSocket is a change, whatever its method."""
    check_origin(request)
    headers = request.headers
    if wanted(request.method, headers) and headers.get("origin", "").partition("://")[2].lower() != host:
        raise AccessDenied("WebSockets are for pages of the workspace itself.")
    site = headers.get("sec-fetch-site", "none")
    if site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
        raise AccessDenied("Pages of other sites may take nothing from here.")


def _refused(error: DomainError) -> Answer:
    if isinstance(error, ServiceError):
        return _page(error.status, error.message)
    return _page(403 if isinstance(error, AccessDenied) else 400, error.message)


def _page(status: int, text: str) -> Answer:
    """What a person sees instead of the workspace."""
    body = f"<!doctype html><meta charset=utf-8><title>Workspace</title><p>{html.escape(text)}</p>".encode()
    return Answer(status, {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"}, body)

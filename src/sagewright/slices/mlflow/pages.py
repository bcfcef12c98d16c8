"""The way in for browsers and plain MLflow clients: ``/_sagewright/mlflow/<id>/``, behind a session.

A presigned URL opens the session: GET sets a cookie of these pages alone, POST answers with the session as a bearer token
(``MLFLOW_TRACKING_TOKEN``). State-changing requests of other sites' pages are refused, cookie or not.
"""

from __future__ import annotations

import html
import json
import re

from ...resources.browsers import check_origin, cookie
from ...resources.platform import Platform
from ...wire.answers import Receive, Send
from ...wire.errors import AccessDenied, DomainError, ServiceError
from ...wire.exchange import Exchange, Scope, exchange_of
from ...wire.http import Answer
from ...wire.middlewares import finish
from .access import ABSENT, action, decoded
from .forward import forward, refused
from .register import Registrar
from .servers import Server, Servers
from .sessions import Sessions

ROOT = re.compile(r"/_sagewright/mlflow/(t-[0-9a-f]{16})(/.*)?")
COOKIE = "sagewright-mlflow"


class Pages:
    """The pages of every server of one platform. An ASGI app."""

    def __init__(self, platform: Platform, servers: Servers, sessions: Sessions, registrar: Registrar) -> None:
        self.platform, self.servers, self.sessions, self.registrar = platform, servers, sessions, registrar

    def install(self) -> None:
        self.platform.pages["mlflow"] = self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        try:
            answer = await self._answer(exchange)
        except DomainError as error:
            answer = refused(error)
        await finish(exchange, answer, send)

    async def _answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        found = ROOT.fullmatch(request.path)
        server = self.servers.by_id(found[1]) if found else None
        if found is None or server is None:
            return refusal_page(403)
        path = found[2] or ""
        if not path:
            return Answer(308, {"location": request.path + "/"})
        if path == "/auth":
            return await self._open(exchange, server)
        said = decoded(path)
        absent = ABSENT.get(said) if request.method == "GET" else None
        if absent is None:
            action(request.method, said)
        check_origin(request)
        if not await self._known(exchange, server):
            wants_page = "text/html" in request.headers.get("accept", "")
            return refusal_page(403) if wants_page else refused(AccessDenied("Open a session first, by a presigned URL of this server."))
        if absent is not None:
            return Answer(200, {"content-type": "application/json"}, json.dumps(absent).encode())
        answer = await forward(
            server, request.method, path, request.query, request.headers, exchange.incoming, exchange.incoming.declared,
            decoded=said, limit=self.platform.settings.max_body,
        )
        if "html" in answer.headers.get("content-type", "") and said == "/":
            answer.headers["cache-control"] = "no-store"
        return await self.registrar.noticed(server, request.method, said, answer)

    async def _open(self, exchange: Exchange, server: Server) -> Answer:
        request = exchange.request
        if request.method not in ("GET", "POST"):
            raise ServiceError("METHOD_NOT_ALLOWED", f"{request.method} opens no session", 405)
        opened = await self.sessions.redeem(server.id, request.arg.get("authToken", ""))
        if opened is None:
            return refusal_page(403)
        session, seconds = opened
        if request.method == "POST":
            body = json.dumps({"token": session, "expires_in": seconds}).encode()
            return Answer(200, {"content-type": "application/json", "cache-control": "no-store"}, body)
        home = f"/_sagewright/mlflow/{server.id}/"
        secure = "; Secure" if request.scheme == "https" else ""
        cookie = f"{COOKIE}={session}; Path={home}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
        return Answer(303, {"location": home, "set-cookie": cookie, "cache-control": "no-store", "referrer-policy": "no-referrer"})

    async def _known(self, exchange: Exchange, server: Server) -> bool:
        headers = exchange.request.headers
        bearer = headers.get("authorization", "")
        if bearer.lower().startswith("bearer "):
            return await self.sessions.who(server.id, bearer[7:].strip()) is not None
        session = cookie(headers, COOKIE)
        return session != "" and await self.sessions.who(server.id, session) is not None


def refusal_page(status: int) -> Answer:
    """What a person sees who has no session."""
    text = (
        "This page needs a session. Open it with a fresh presigned URL: each is good once, for a few minutes. Ask for one with "
        "aws sagemaker create-presigned-mlflow-tracking-server-url --tracking-server-name NAME, or "
        "create-presigned-mlflow-app-url --arn ARN."
    )
    body = f"<!doctype html><meta charset=utf-8><title>MLflow</title><p>{html.escape(text)}</p>".encode()
    return Answer(status, {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"}, body)

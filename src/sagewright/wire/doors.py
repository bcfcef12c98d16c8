"""Doors: signed HTTP that is no AWS operation, such as MLflow's REST API, told apart by a header of its client.

A door sees a request only once its signature has been verified; what it is then asked to do, it authorises itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass

from .answers import Receive, Send
from .authentication import Authenticator
from .body import StreamBody
from .errors import DomainError, ServiceError
from .exchange import Asgi, Exchange, Scope, exchange_of
from .http import Answer, Request, WireFault
from .middlewares import finish
from .sigv4 import header_scope
from .types import Principal


@dataclass(frozen=True, slots=True)
class Visit:
    """A verified request. The body raises while it is read if it is not what was signed."""

    request: Request
    principal: Principal
    body: AsyncIterable[bytes]
    length: int | None
    """Of the body in bytes; None when the client did not say."""


@dataclass(frozen=True, slots=True)
class Door:
    """What answers signed requests that carry a header.

    Args:
        services: what their credential scope may name.
        answer: the answer; raises DomainError or ServiceError.
        refuse: (status, code, message) → the answer for a request that is refused, in the client's own form.
    """

    services: frozenset[str]
    answer: Callable[[Visit], Awaitable[Answer]]
    refuse: Callable[[int, str, str], Answer]


class Doors:
    """The middleware. ``doors``: lower-cased header name → door; looked at anew for each request."""

    def __init__(self, app: Asgi, doors: Mapping[str, Door], authenticator: Authenticator, limit: int) -> None:
        self._app, self._doors, self._authenticator, self._limit = app, doors, authenticator, limit

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        exchange = exchange_of(scope)
        headers = exchange.request.headers
        for name, door in self._doors.items():
            if name in headers:
                return self._pass(exchange, door, send)
        return self._app(scope, receive, send)

    async def _pass(self, exchange: Exchange, door: Door, send: Send) -> None:
        await finish(exchange, await self._open(exchange, door), send)

    async def _open(self, exchange: Exchange, door: Door) -> Answer:
        try:
            return await door.answer(await self._visit(exchange, door))
        except WireFault as fault:
            return door.refuse(fault.status, fault.code, fault.message)
        except ServiceError as error:
            return door.refuse(error.status, error.code, error.message)
        except DomainError as error:
            return door.refuse(403 if type(error).__name__ == "AccessDenied" else 400, type(error).__name__, error.message)

    async def _visit(self, exchange: Exchange, door: Door) -> Visit:
        request, incoming = exchange.request, exchange.incoming
        if self._authenticator.verifies and not self._authenticator.signed(request):
            raise WireFault("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        found = header_scope(request.headers.get("authorization", ""))
        if self._authenticator.verifies and found is not None and found.service not in door.services:
            wanted = " or ".join(sorted(door.services))
            raise WireFault("InvalidSignatureException", f"Credential should be scoped to {wanted}, not '{found.service}'.", 403)
        if "x-amz-content-sha256" in request.headers:
            verified = self._authenticator.authenticate(request, None, "", None)
            body: AsyncIterable[bytes] = StreamBody(incoming, request, verified.payload_sha256, verified.chunks)
        else:
            data = await incoming.read(self._limit)
            verified = self._authenticator.authenticate(request, None, "", lambda: hashlib.sha256(data).hexdigest())
            body = _once(data)
        if verified.principal.kind == "anonymous":
            raise WireFault("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        return Visit(request, verified.principal, body, incoming.declared)


async def _once(data: bytes) -> AsyncIterable[bytes]:
    yield data

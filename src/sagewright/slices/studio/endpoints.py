"""The endpoints that are no part of AWS's API: signing in and out, keys, the stream. docs/reference/studio-endpoints.md lists them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from ... import __version__
from ...resources.browsers import check_origin, cookie
from ...resources.platform import Platform
from ...wire.errors import AccessDenied, Invalid, NotFound, ServiceError
from ...wire.exchange import Exchange
from ...wire.http import Answer
from .answers import SECRET, said
from .defaults import Defaults
from .events import Events
from .lifecycle import PROFILE
from .passwords import Passwords
from .places import HOME
from .sessions import FRESH, SESSION_SECONDS, Session, Sessions
from .trail import Trail

COOKIE = "sagewright-studio"
LARGEST = 16 * 1024
SHORTEST, LONGEST = 12, 256
"""Characters of a password."""

Handler = Callable[[Exchange], Awaitable[Answer]]


class Endpoints:
    """The endpoints of one platform."""

    def __init__(self, platform: Platform, sessions: Sessions, passwords: Passwords, events: Events, defaults: Defaults) -> None:
        self.platform, self.sessions, self.passwords = platform, sessions, passwords
        self.events, self.defaults, self.trail = events, defaults, Trail(platform)
        self.table: dict[str, dict[str, Handler]] = {
            "auth": {"GET": self.auth},
            "api/session": {"POST": self.sign_in, "GET": self.session, "DELETE": self.sign_out},
            "api/password": {"POST": self.set_password},
            "api/credentials": {"POST": self.credentials},
            "api/events": {"GET": self.stream},
        }

    async def answer(self, exchange: Exchange, path: str) -> Answer:
        """``path``: below the pages' address. Raises DomainError."""
        request = exchange.request
        handlers = self.table.get(path)
        if handlers is None:
            raise NotFound(f"There is no {request.path} here.")
        handler = handlers.get(request.method)
        if handler is None:
            allowed = ", ".join(handlers)
            raise ServiceError("MethodNotAllowed", f"{request.path} takes {allowed}.", 405, Allow=allowed)
        check_origin(request, said=True)
        if request.method != "GET" and request.content_type.partition(";")[0].strip().lower() != "application/json":
            raise ServiceError("UnsupportedMediaType", "A change needs Content-Type: application/json.", 415)
        return await handler(exchange)

    # -- ways in

    async def auth(self, exchange: Exchange) -> Answer:
        secret, session, landing = await self.sessions.redeem(exchange.request.arg.get("token", ""))
        await self.trail.signed_in(exchange, session)
        return Answer(303, {"location": HOME + landing, **SECRET, **self._cookie(exchange, secret, session)})

    async def sign_in(self, exchange: Exchange) -> Answer:
        body = await self._body(exchange)
        if "Token" in body:
            secret, session, _ = await self.sessions.redeem(_text(body, "Token"))
        else:
            secret, session = await self._by_password(exchange, body)
        await self.trail.signed_in(exchange, session)
        return said(await self._about(exchange, session), **self._cookie(exchange, secret, session))

    async def _by_password(self, exchange: Exchange, body: dict[str, Any]) -> tuple[str, Session]:
        name, password = _text(body, "UserProfileName"), _text(body, "Password")
        domain = _text(body, "DomainId") if "DomainId" in body else await self.defaults.domain()
        s = self.platform.settings
        scope, profile = f"{s.account}/{s.region}", f"{domain}/{name}".lower()
        if not await self.passwords.check(scope, profile, password):
            if known := await self.platform.records.get(PROFILE, scope, profile):
                await self.trail.refused(exchange, known)
            raise AccessDenied("The user profile or the password is wrong.")
        return await self.sessions.open(scope, profile, SESSION_SECONDS, {"How": "password", "Who": ""})

    # -- what needs a session

    async def session(self, exchange: Exchange) -> Answer:
        return said(await self._about(exchange, await self._known(exchange)))

    async def sign_out(self, exchange: Exchange) -> Answer:
        await self.sessions.end((await self._known(exchange)).record)
        return said(None, **{"set-cookie": f"{COOKIE}=; Path={HOME}; Max-Age=0; HttpOnly; SameSite=Strict"})

    async def set_password(self, exchange: Exchange) -> Answer:
        session = await self._known(exchange)
        body = await self._body(exchange)
        password = _text(body, "Password")
        if not SHORTEST <= len(password) <= LONGEST:
            raise Invalid(f"A password has {SHORTEST} to {LONGEST} characters.")
        scope, profile = session.doc["Scope"], session.profile.key
        if not self._fresh(session) and not await self.passwords.check(scope, profile, _text(body, "Current")):
            raise AccessDenied("The current password is wrong.")
        await self.passwords.set(scope, profile, password)
        await self.sessions.end_all(scope, profile, but=session.record.key, how="password")
        await self.trail.password(exchange, session)
        return said(None)

    async def credentials(self, exchange: Exchange) -> Answer:
        session = await self._known(exchange)
        await self._body(exchange)
        return said(await self.sessions.credentials(session))

    async def stream(self, exchange: Exchange) -> Answer:
        session = await self._known(exchange)
        # a browser that takes the stream up again knows better than the address that it began with
        last = exchange.request.headers.get("last-event-id") or exchange.request.arg.get("after", "")
        headers = {"content-type": "text/event-stream", "x-accel-buffering": "no", **SECRET}
        return Answer(200, headers, self.events.stream(session, last))

    # -- parts

    async def _known(self, exchange: Exchange) -> Session:
        """Raises ServiceError NotSignedIn (401)."""
        session = await self.sessions.who(cookie(exchange.request.headers, COOKIE))
        if session is None:
            raise ServiceError("NotSignedIn", "There is no session, or it has ended: sign in.", 401)
        return session

    async def _body(self, exchange: Exchange) -> dict[str, Any]:
        """The members of the request. Raises Invalid."""
        if (exchange.incoming.declared or 0) > LARGEST:
            raise ServiceError("RequestEntityTooLarge", f"A body may have {LARGEST} bytes.", 413)
        try:
            body = json.loads(await exchange.incoming.read(LARGEST))
        except ValueError:
            raise Invalid("The body is no JSON.") from None
        if not isinstance(body, dict):
            raise Invalid("The body must be a JSON object.")
        return body

    def _fresh(self, session: Session) -> bool:
        return bool(session.doc["How"] == "link" and self.platform.clock() < session.doc["Opened"] + FRESH)

    async def _about(self, exchange: Exchange, session: Session) -> dict[str, Any]:
        account, _, region = session.doc["Scope"].partition("/")
        about = {
            "DomainId": session.domain.key, "DomainName": session.domain.doc["DomainName"], "DomainArn": session.domain.doc["DomainArn"],
            "UserProfileName": session.profile.doc["UserProfileName"], "UserProfileArn": session.profile.doc["UserProfileArn"],
            "ExecutionRole": session.role, "SignInRole": session.acts_as[0], "SpaceName": session.doc.get("SpaceName"),
            "HasPassword": await self.passwords.exists(session.doc["Scope"], session.profile.key),
            "MaySetPassword": self._fresh(session), "Opened": session.doc["Opened"], "Expires": session.doc["Until"],
            "AppTypes": [{"AppType": kind, "Lacks": runner.lacks()} for kind, runner in sorted(self.platform.app_runners.items())],
            "Region": region, "Account": account, "Endpoint": self.platform.settings.public_url or exchange.base, "Version": __version__,
            "LastEvent": self.events.now,
        }  # fmt: skip
        return {member: value for member, value in about.items() if value is not None}

    def _cookie(self, exchange: Exchange, secret: str, session: Session) -> dict[str, str]:
        seconds = round(session.doc["Until"] - self.platform.clock())
        secure = "; Secure" if exchange.request.scheme == "https" else ""
        return {"set-cookie": f"{COOKIE}={secret}; Path={HOME}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"}


def _text(body: dict[str, Any], member: str) -> str:
    """A member that must be text of a reasonable length. Raises Invalid."""
    value = body.get(member)
    # half a pair, which JSON can hold, is no character: neither a record's key nor a hash can be made of it
    if not isinstance(value, str) or not 0 < len(value) <= 1024 or any("\ud800" <= c <= "\udfff" for c in value):
        raise Invalid(f"{member} must be given, as text of at most 1024 characters.")
    return value

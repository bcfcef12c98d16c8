"""Presigned URLs, which open a session once, and sessions, which let a browser or a plain MLflow client in.

A presigned URL's token is a record of its own, deleted by whoever uses it first. A session is a signed statement: which
server, until when. It is a cookie of the server's pages, or a bearer token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

from ...resources.platform import Platform
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.types import Call
from .resources import arn_of
from .servers import Servers

KIND, KEYS = "MlflowPresignedUrl", "MlflowSessionKey"
URL_SECONDS, SESSION_SECONDS = 300, 43_200
"""Defaults: how long a URL may be used, and how long what it opens lasts."""
STALE = 3_600.0
"""Seconds after which an unused URL's record is swept."""


class Sessions:
    """Sessions of one platform."""

    def __init__(self, platform: Platform, servers: Servers) -> None:
        self.platform, self.servers = platform, servers
        self._key = b""

    async def presign(self, call: Call, record: Record) -> str:
        """A URL that opens a session once. Raises AccessDenied unless the caller may use the pages."""
        if self.platform.authority and call.principal.kind != "root":
            self.platform.authority.authorize(call.principal, "sagemaker-mlflow:AccessUI", arn_of(record.doc), {})
        token, now = secrets.token_urlsafe(32), self.platform.clock()
        doc = {
            "Server": record.doc["_id"],
            "Expires": now + call.params.get("ExpiresInSeconds", URL_SECONDS),
            "Seconds": call.params.get("SessionExpirationDurationInSeconds", SESSION_SECONDS),
            "Who": call.principal.arn,
        }
        stale = await self.platform.records.find(KIND, "", Query(created_before=now - STALE, limit=100))
        await self.platform.records.commit(
            Put(KIND, "", _digest(token), doc, 0, created=now), *(Delete(KIND, "", old.key) for old in stale)
        )
        return f"{self.servers.url(record.doc, call.endpoint)}/auth?authToken={token}"

    async def redeem(self, server: str, token: str) -> tuple[str, int] | None:
        """(session, seconds it lasts) for a presigned URL's token, the first time and in time; else None."""
        record = await self.platform.records.get(KIND, "", _digest(token))
        if record is None or record.doc["Server"] != server:
            return None
        try:
            await self.platform.records.commit(Delete(KIND, "", record.key, record.version))
        except Conflict:
            return None  # somebody else was first
        if self.platform.clock() >= record.doc["Expires"]:
            return None
        seconds = int(record.doc["Seconds"])
        about = {"Server": server, "Until": int(self.platform.clock()) + seconds, "Who": record.doc["Who"]}
        text = base64.urlsafe_b64encode(json.dumps(about).encode()).decode().rstrip("=")
        return f"{text}.{await self._sign(text)}", seconds

    async def who(self, server: str, session: str) -> str | None:
        """The ARN of whoever opened a session that is good for this server now; None if it is not."""
        text, _, signature = session.partition(".")
        if not text or not hmac.compare_digest(signature.encode(), (await self._sign(text)).encode()):
            return None
        about: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return about["Who"] if about["Server"] == server and self.platform.clock() < about["Until"] else None

    async def _sign(self, text: str) -> str:
        return hmac.new(await self._secret(), text.encode(), hashlib.sha256).hexdigest()

    async def _secret(self) -> bytes:
        """The key that signs sessions: made once, kept with the records."""
        while not self._key:
            record = await self.platform.records.get(KEYS, "", "key")
            if record is not None:
                self._key = bytes.fromhex(record.doc["Key"])
                break
            try:
                await self.platform.records.commit(Put(KEYS, "", "key", {"Key": secrets.token_hex(32)}, 0))
            except Conflict:
                continue
        return self._key


def _digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()

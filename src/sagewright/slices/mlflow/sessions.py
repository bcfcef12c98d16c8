"""Presigned URLs, which open a session once, and sessions, which let a browser or a plain MLflow client in.

A presigned URL's token is a ticket. A session is a signed statement: which server, until when. It is a cookie of the server's
pages, or a bearer token.
"""

from __future__ import annotations

from ...resources.platform import Platform
from ...resources.seals import Seals
from ...resources.tickets import Tickets
from ...stores.records import Record
from ...wire.types import Call
from .resources import arn_of
from .servers import Servers

KIND, KEYS = "MlflowPresignedUrl", "MlflowSessionKey"
URL_SECONDS, SESSION_SECONDS = 300, 43_200
"""Defaults: how long a URL may be used, and how long what it opens lasts."""


class Sessions:
    """Sessions of one platform."""

    def __init__(self, platform: Platform, servers: Servers) -> None:
        self.platform, self.servers = platform, servers
        self.tickets, self.seals = Tickets(platform, KIND), Seals(platform, KEYS)

    async def presign(self, call: Call, record: Record) -> str:
        """A URL that opens a session once. Raises AccessDenied unless the caller may use the pages."""
        if self.platform.authority and call.principal.kind != "root":
            self.platform.authority.authorize(call.principal, "sagemaker-mlflow:AccessUI", arn_of(record.doc), {})
        about = {
            "Server": record.doc["_id"], "Who": call.principal.arn,
            "Seconds": call.params.get("SessionExpirationDurationInSeconds", SESSION_SECONDS),
        }  # fmt: skip
        token = await self.tickets.issue(about, call.params.get("ExpiresInSeconds", URL_SECONDS))
        return f"{self.servers.url(record.doc, call.endpoint)}/auth?authToken={token}"

    async def redeem(self, server: str, token: str) -> tuple[str, int] | None:
        """(session, seconds it lasts) for a presigned URL's token, the first time and in time; else None."""
        said = await self.tickets.redeem(token, Server=server)
        if said is None:
            return None
        seconds = int(said["Seconds"])
        return await self.seals.seal({"Server": server, "Who": said["Who"]}, seconds), seconds

    async def who(self, server: str, session: str) -> str | None:
        """The ARN of whoever opened a session that is good for this server now; None if it is not."""
        said = await self.seals.opened(session, Server=server)
        return None if said is None else str(said["Who"])

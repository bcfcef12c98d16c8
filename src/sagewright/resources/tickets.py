"""Tickets: secrets that are good once and for a while, as in presigned URLs of pages.

Each is a record of its own, deleted by whoever uses it first; what is kept of the secret is its digest.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from ..stores.records import Conflict, Delete, Put, Query
from .platform import Platform

STALE = 3_600.0
"""Seconds after which an unused ticket's record is swept; none is good for so long."""


class Tickets:
    """Tickets of one kind on one platform."""

    def __init__(self, platform: Platform, kind: str) -> None:
        self.platform, self.kind = platform, kind

    async def issue(self, about: dict[str, Any], seconds: float) -> str:
        """A new ticket for what ``about`` says, good once within ``seconds``."""
        token, now = secrets.token_urlsafe(32), self.platform.clock()
        stale = await self.platform.records.find(self.kind, "", Query(created_before=now - STALE, limit=100))
        await self.platform.records.commit(
            Put(self.kind, "", digest(token), {**about, "Expires": now + seconds}, 0, created=now),
            *(Delete(self.kind, "", old.key) for old in stale),
        )
        return token

    async def redeem(self, token: str, **must: Any) -> dict[str, Any] | None:
        """What a ticket is about, the first time and in time, if these members are as given; else None."""
        record = await self.platform.records.get(self.kind, "", digest(token))
        if record is None or any(record.doc.get(member) != value for member, value in must.items()):
            return None
        try:
            await self.platform.records.commit(Delete(self.kind, "", record.key, record.version))
        except Conflict:
            return None  # somebody else was first
        return record.doc if self.platform.clock() < record.doc["Expires"] else None


def digest(token: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(token.encode()).hexdigest()

"""Passwords of user profiles: scrypt hashes in the records, and a count of the wrong ones there too."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from typing import Any, ClassVar

from ...resources.platform import Platform
from ...resources.tickets import digest
from ...stores.records import Conflict, Delete, Put, Query
from ...wire.errors import ServiceError

ATTEMPTS = "StudioSignInAttempts"
MOST, WITHIN = 5, 900.0
"""Wrong passwords of a profile within so many seconds, after which none is looked at."""
N, R, P = 2**15, 8, 1
"""Cost of scrypt: about 100 ms and 32 MiB."""
AT_ONCE = 2
"""Hashes computed at a time: guessing costs memory and cores."""


class Passwords:
    """Passwords of one platform."""

    KIND: ClassVar[str] = "StudioPassword"

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def exists(self, scope: str, profile: str) -> bool:
        return await self.platform.records.get(self.KIND, scope, profile) is not None

    async def set(self, scope: str, profile: str, password: str) -> None:
        salt = secrets.token_bytes(16)
        doc = {"Salt": salt.hex(), "Hash": await self._hash(password, salt, N, R, P), "N": N, "R": R, "P": P, "Set": self.platform.clock()}
        await self.platform.records.commit(Put(self.KIND, scope, profile, doc))
        await self.platform.records.commit(Delete(ATTEMPTS, scope, _attempts(profile)))

    async def check(self, scope: str, profile: str, password: str) -> bool:
        """Whether it is the profile's password. A profile that does not exist takes as long, and counts as well.

        Raises:
            ServiceError: TooManyRequests (429) with ``RetryAfter`` seconds, after too many wrong ones.
        """
        await self._count(scope, profile)
        record = await self.platform.records.get(self.KIND, scope, profile)
        kept: dict[str, Any] = record.doc if record else {"Salt": "00" * 16, "Hash": "", "N": N, "R": R, "P": P}
        found = await self._hash(password, bytes.fromhex(kept["Salt"]), kept["N"], kept["R"], kept["P"])
        right = hmac.compare_digest(found, kept["Hash"])
        if right:
            await self.platform.records.commit(Delete(ATTEMPTS, scope, _attempts(profile)))
        return right

    async def _count(self, scope: str, profile: str) -> None:
        """Count an attempt before it is made, so that many at once are no more than one after another."""
        records, key = self.platform.records, _attempts(profile)
        while True:
            now = self.platform.clock()
            record = await records.get(ATTEMPTS, scope, key)
            times = [t for t in record.doc["Times"] if t > now - WITHIN] if record else []
            if len(times) >= MOST:
                wait = int(times[0] + WITHIN - now) + 1
                raise ServiceError("TooManyRequests", f"Too many wrong passwords; try again in {wait} seconds.", 429, RetryAfter=wait)
            stale = await records.find(ATTEMPTS, scope, Query(modified_before=now - WITHIN, limit=20)) if record is None else []
            put = Put(ATTEMPTS, scope, key, {"Times": [*times, now]}, record.version if record else 0)
            try:
                await records.commit(put, *(Delete(ATTEMPTS, scope, old.key) for old in stale))
            except Conflict:
                continue
            return

    async def _hash(self, password: str, salt: bytes, n: int, r: int, p: int) -> str:
        async with self._turn:
            made = await asyncio.to_thread(
                hashlib.scrypt, password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32
            )
        return made.hex()


def _attempts(profile: str) -> str:
    """Names come from strangers: their length and letters are kept out of the keys."""
    return digest(profile.lower())

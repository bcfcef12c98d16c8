"""Sealed statements: what this server has said, carried by somebody else, and known again. Sessions of pages are such.

Readable by whoever carries one; only the seal is secret. The key is made once and kept with the records.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

from ..stores.records import Conflict, Put
from .platform import Platform


class Seals:
    """Statements of one kind on one platform; ``kind`` is that of the record that holds the key."""

    def __init__(self, platform: Platform, kind: str) -> None:
        self.platform, self.kind = platform, kind
        self._key = b""

    async def seal(self, about: dict[str, Any], seconds: float) -> str:
        """A statement, good for so long; letters, digits, ``-``, ``_`` and a dot."""
        said = {**about, "Until": int(self.platform.clock() + seconds)}
        text = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        return f"{text}.{await self._sign(text)}"

    async def opened(self, statement: str, **must: Any) -> dict[str, Any] | None:
        """What it says, if the seal is ours, its time has not passed and these members are as given; else None."""
        text, _, signature = statement.partition(".")
        if not text or not hmac.compare_digest(signature.encode(), (await self._sign(text)).encode()):
            return None
        said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if any(said.get(member) != value for member, value in must.items()):
            return None
        return said if self.platform.clock() < said["Until"] else None

    async def _sign(self, text: str) -> str:
        return hmac.new(await self._secret(), text.encode(), hashlib.sha256).hexdigest()

    async def _secret(self) -> bytes:
        while not self._key:
            record = await self.platform.records.get(self.kind, "", "key")
            if record is not None:
                self._key = bytes.fromhex(record.doc["Key"])
                break
            try:
                await self.platform.records.commit(Put(self.kind, "", "key", {"Key": secrets.token_hex(32)}, 0))
            except Conflict:
                continue
        return self._key

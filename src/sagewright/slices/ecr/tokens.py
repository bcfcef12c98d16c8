"""Authorization tokens: what `docker login` sends as its password. Whose they are is looked up anew at each use."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from pathlib import Path

from ...resources.platform import Platform
from ...resources.private import write_private
from ...wire.errors import DomainError, Invalid
from ...wire.types import Principal

USER = "AWS"
LIFETIME = 12 * 3600.0
"""Seconds, as in AWS."""
SECRET = 32
"""Bytes of the key that tokens are signed with."""


class Tokens:
    """A token names an access key and an end, under a key of this server's; it is good while the access key is.

    Taking a user's key or a session away takes its tokens away; what the user may do is asked at each request.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._key = _secret(platform.settings.data / "ecr.key")

    def make(self, principal: Principal) -> tuple[str, float]:
        """(password, end in epoch seconds). Raises Invalid for a caller without keys of its own."""
        if not principal.access_key and self._platform.settings.auth == "strict":
            raise Invalid("Call GetAuthorizationToken with keys: a token is good for as long as they are.")
        end = self._platform.clock() + LIFETIME
        body = base64.urlsafe_b64encode(json.dumps([principal.access_key, int(end)]).encode()).decode()
        return f"{body}.{self._sign(body)}", end

    def principal(self, header: str) -> Principal | None:
        """Whom an Authorization header of `docker login` stands for; None if nobody."""
        authority, mode = self._platform.authority, self._platform.settings.auth
        operator = getattr(authority, "operator", None)
        kind, _, said = header.partition(" ")
        if mode == "off":
            return operator
        try:
            user, _, password = base64.b64decode(said, validate=True).decode().partition(":")
            body, _, signature = password.rpartition(".")
            access_key, end = json.loads(base64.urlsafe_b64decode(body))
        except (ValueError, TypeError):
            return operator if mode == "lenient" else None
        good = kind.lower() == "basic" and user == USER and hmac.compare_digest(signature.encode(), self._sign(body).encode())
        if not good or self._platform.clock() > end:
            return operator if mode == "lenient" else None
        found = authority.secret(access_key) if authority is not None else None
        return found[2] if found is not None else operator if mode == "lenient" else None

    def _sign(self, body: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, body.encode(), hashlib.sha256)).decode()


def _secret(path: Path) -> bytes:
    """The server's own key, made at first use, for its owner alone. Raises DomainError for a file that holds none."""
    if not path.exists():
        write_private(path, secrets.token_bytes(SECRET))
    key = path.read_bytes()
    if len(key) != SECRET:  # with an empty key anybody could make tokens
        raise DomainError(f"{path} holds no key of {SECRET} bytes. Remove it so that the next start makes a new one; who is logged in must do so again.")
    return key

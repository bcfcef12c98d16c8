"""Secrets at rest: the operator's keys and the key that encrypts all other secrets, each in a file only its owner reads.

``<data>/credentials.json`` holds the operator's keys. ``<data>/secrets.key`` encrypts access keys and session tokens
in the records, so that a copy of the records alone opens nothing. Servers that share records share this file.
"""

from __future__ import annotations

import base64
import json
import secrets
import string
from dataclasses import dataclass
from pathlib import Path

from ...resources.private import write_private
from ...wire.errors import DomainError

_ID = string.ascii_uppercase + "234567"
_SECRET = string.ascii_letters + string.digits + "+/"


def new_id(prefix: str, length: int = 20) -> str:
    """An id as AWS makes them: ``AKIA`` access key, ``ASIA`` temporary key, ``AIDA`` user, ``AROA`` role ..."""
    return prefix + "".join(secrets.choice(_ID) for _ in range(length - len(prefix)))


def new_secret(length: int = 40) -> str:
    return "".join(secrets.choice(_SECRET) for _ in range(length))


@dataclass(frozen=True, slots=True)
class RootKeys:
    access_key: str
    secret_key: str


def root_keys(data: Path) -> RootKeys:
    """The operator's keys, generated on first use.

    Raises:
        DomainError: the file cannot be read as keys.
    """
    path = data / "credentials.json"
    if not path.exists():
        made = {"access_key": new_id("AKIA"), "secret_key": new_secret()}
        write_private(path, json.dumps(made, indent=2).encode() + b"\n")
    try:
        read = json.loads(path.read_text())
        return RootKeys(read["access_key"], read["secret_key"])
    except (ValueError, KeyError, TypeError):
        raise DomainError(
            f"{path} holds no operator keys: it needs access_key and secret_key. "
            "Restore it from a backup, or remove it so that the next start generates new keys."
        ) from None


class Vault:
    """Encrypts short secrets with AES-256-GCM; the text's owner is authenticated along, so none can be swapped."""

    def __init__(self, data: Path) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        path = data / "secrets.key"
        if not path.exists():
            write_private(path, base64.b64encode(AESGCM.generate_key(256)) + b"\n")
        try:
            self._cipher = AESGCM(base64.b64decode(path.read_bytes(), validate=False))
        except ValueError:
            raise DomainError(f"{path} holds no key of 256 bits; restore it from a backup.") from None

    def seal(self, secret: str, owner: str) -> str:
        nonce = secrets.token_bytes(12)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), owner.encode())).decode()

    def open(self, sealed: str, owner: str) -> str | None:
        """None if it was sealed with another key or for another owner."""
        from cryptography.exceptions import InvalidTag

        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:12], raw[12:], owner.encode()).decode()
        except InvalidTag:
            return None

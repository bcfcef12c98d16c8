"""S3's checksum algorithms as running hashes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import crc32c
from zlib_ng import zlib_ng


class Running(Protocol):
    def update(self, data: bytes) -> None: ...

    def base64(self) -> str: ...


class _Crc:
    def __init__(self, step: Callable[[bytes, int], int], width: int) -> None:
        self._step, self._width, self._value = step, width, 0

    def update(self, data: bytes) -> None:
        self._value = self._step(data, self._value)

    def base64(self) -> str:
        return base64.b64encode(self._value.to_bytes(self._width, "big")).decode()


class _Hash:
    def __init__(self, name: str) -> None:
        self._hash = hashlib.new(name, usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def base64(self) -> str:
        return base64.b64encode(self._hash.digest()).decode()


@lru_cache(maxsize=1)
def _crc64nvme() -> Callable[[bytes, int], int]:
    from anycrc import Model  # at its first use: it knows all CRCs there are

    step: Callable[[bytes, int], int] = Model("CRC64-NVME").calc
    return step


_MAKERS: dict[str, Callable[[], Running]] = {
    "crc32": lambda: _Crc(zlib_ng.crc32, 4),
    "crc32c": lambda: _Crc(crc32c.crc32c, 4),
    "crc64nvme": lambda: _Crc(_crc64nvme(), 8),
    "sha1": lambda: _Hash("sha1"),
    "sha256": lambda: _Hash("sha256"),
    "sha512": lambda: _Hash("sha512"),
    "md5": lambda: _Hash("md5"),
}
ALGORITHMS = tuple(_MAKERS)


def running(algorithm: str) -> Running | None:
    """A fresh checksum; None for an algorithm we do not have."""
    maker = _MAKERS.get(algorithm.lower())
    return maker() if maker else None

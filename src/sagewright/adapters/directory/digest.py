"""MD5 for ETags and S3's checksums: computed over a stream, combined over parts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import crc32c as _crc32c
from zlib_ng import zlib_ng


def _crc64nvme(data: bytes | memoryview, value: int) -> int:
    return _model()(data, value)


@lru_cache(maxsize=1)
def _model() -> Callable[..., int]:
    from anycrc import Model  # at its first use: it knows all CRCs there are

    step: Callable[..., int] = Model("CRC64-NVME").calc
    return step


_CRC: dict[str, tuple[Callable[..., int], int, int]] = {
    # name: function(data, crc), width in bits, polynomial in reflected form
    "crc32": (zlib_ng.crc32, 32, 0xEDB88320),
    "crc32c": (_crc32c.crc32c, 32, 0x82F63B78),
    "crc64nvme": (_crc64nvme, 64, 0x9A6C9329AC4BC9B5),
}
_SHA = ("sha1", "sha256")
ALGORITHMS = (*_CRC, *_SHA)


class Digest:
    """MD5 and the named checksums of bytes fed in order."""

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc = {name: 0 for name in algorithms if name in _CRC}
        self._sha: dict[str, Any] = {name: hashlib.new(name) for name in algorithms if name in _SHA}

    def update(self, data: bytes | memoryview) -> None:
        self._md5.update(data)
        for name, value in self._crc.items():
            self._crc[name] = _CRC[name][0](data, value)
        for sha in self._sha.values():
            sha.update(data)

    @property
    def etag(self) -> str:
        return self._md5.hexdigest()

    def checksums(self) -> dict[str, str]:
        """Algorithm → base64 text, as S3 writes it."""
        found = {name: _text(value.to_bytes(_CRC[name][1] // 8, "big")) for name, value in self._crc.items()}
        return found | {name: _text(sha.digest()) for name, sha in self._sha.items()}


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def multipart_etag(etags: Iterable[str]) -> str:
    """S3's ETag of an object made of parts: MD5 over the parts' MD5s, and their number."""
    raw = [bytes.fromhex(etag) for etag in etags]
    return f"{hashlib.md5(b''.join(raw), usedforsecurity=False).hexdigest()}-{len(raw)}"


def multipart_type(algorithm: str, wanted: str | None) -> str:
    """The checksum type of a multipart object: only CRCs can speak for the whole, only crc64nvme must."""
    if algorithm == "crc64nvme":
        return "FULL_OBJECT"
    return "COMPOSITE" if algorithm in _SHA else wanted or "COMPOSITE"


def multipart_checksum(algorithm: str, kind: str, parts: list[tuple[int, Mapping[str, str]]]) -> str | None:
    """The checksum of an object from its parts' (size, checksums); None if a part lacks the algorithm."""
    raw = [base64.b64decode(checksums[algorithm]) for _, checksums in parts if algorithm in checksums]
    if len(raw) != len(parts):
        return None
    if kind == "COMPOSITE":
        whole = Digest([algorithm])
        whole.update(b"".join(raw))
        return f"{whole.checksums()[algorithm]}-{len(raw)}"
    width = _CRC[algorithm][1]
    crc = 0
    for (size, _), value in zip(parts, raw, strict=True):
        crc = combine(algorithm, crc, int.from_bytes(value, "big"), size)
    return _text(crc.to_bytes(width // 8, "big"))


def combine(algorithm: str, first: int, second: int, length: int) -> int:
    """CRC of A followed by B, from the CRC of each and the bytes of B.

    A CRC is a remainder modulo a polynomial over GF(2), so appending B multiplies A's remainder by x^(8·length).
    """
    _, width, polynomial = _CRC[algorithm]
    return _multiply(first, _shift(algorithm, length), width, polynomial) ^ second


@lru_cache(maxsize=256)
def _shift(algorithm: str, length: int) -> int:
    """x^(8·length) modulo the polynomial, reflected: the highest bit is x^0."""
    _, width, polynomial = _CRC[algorithm]
    result, square, n = 1 << (width - 1), 1 << (width - 2), 8 * length
    while n:
        if n & 1:
            result = _multiply(result, square, width, polynomial)
        square = _multiply(square, square, width, polynomial)
        n >>= 1
    return result


def _multiply(a: int, b: int, width: int, polynomial: int) -> int:
    product = 0
    for bit in range(width - 1, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (polynomial if b & 1 else 0)
    return product

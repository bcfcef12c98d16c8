"""Writing to an external S3. Small objects are one PutObject, large ones a multipart upload of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from ...stores.objects import NewObject, ObjectInfo, Part
from .errors import translated

SPOOL = 16 * 2**20
"""Bytes kept in memory before an object is sent in parts."""
_MEMBERS = {
    "Content-Encoding": "ContentEncoding", "Cache-Control": "CacheControl", "Content-Disposition": "ContentDisposition",
    "Content-Language": "ContentLanguage", "Expires": "Expires",
}  # fmt: skip


def _checksum(name: str) -> str:
    return f"Checksum{name.upper()}"


def arguments(new: NewObject, *, multipart: bool = False) -> dict[str, Any]:
    """The parameters that say of an object what ``new`` says."""
    named: dict[str, Any] = {"ContentType": new.content_type, "Metadata": dict(new.metadata)}
    named |= {_MEMBERS[header]: value for header, value in new.headers.items() if header in _MEMBERS}
    if new.tags:
        named["Tagging"] = urlencode(new.tags)
    if new.checksum_algorithm:
        named["ChecksumAlgorithm"] = new.checksum_algorithm.upper()
        if multipart and new.checksum_type:
            named["ChecksumType"] = new.checksum_type
    return named


def promises(checksums: Mapping[str, str]) -> dict[str, str]:
    """Expected checksums, for the other side to check."""
    return {"ContentMD5" if name == "md5" else _checksum(name): value for name, value in checksums.items()}


class S3Writer:
    """See ``stores.objects.Writer``."""

    def __init__(self, client: Any, head: Callable[[str, str], ObjectInfo], bucket: str, key: str, new: NewObject) -> None:
        self._head = head
        self._client, self._bucket, self._key, self._new = client, bucket, key, new
        self._buffer = bytearray()
        self._upload = ""
        self._parts: list[dict[str, Any]] = []

    def _named(self) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key}

    def write(self, data: bytes | memoryview) -> None:
        self._buffer += data
        if len(self._buffer) >= SPOOL and not self._new.checksums:  # a promise is about the whole: one PutObject checks it
            self._send()

    def _send(self) -> None:
        if not self._upload:
            self._upload = self._client.create_multipart_upload(**self._named(), **arguments(self._new))["UploadId"]
        number = len(self._parts) + 1
        named: dict[str, Any] = {"ChecksumAlgorithm": self._new.checksum_algorithm.upper()} if self._new.checksum_algorithm else {}
        answer = self._client.upload_part(**self._named(), UploadId=self._upload, PartNumber=number, Body=bytes(self._buffer), **named)
        kept = {name: value for name, value in answer.items() if name.startswith("Checksum") and name != "ChecksumType"}
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], **kept})
        self._buffer.clear()

    def commit(self) -> ObjectInfo:
        conditions: dict[str, str] = {}
        if self._new.if_match:
            conditions["IfMatch"] = self._new.if_match if self._new.if_match == "*" else f'"{self._new.if_match}"'
        if self._new.if_none_match:
            conditions["IfNoneMatch"] = "*"
        try:
            with translated(self._key):
                self._publish(conditions)
        except BaseException:
            self.abort()
            raise
        self._upload = ""
        return self._head(self._bucket, self._key)

    def _publish(self, conditions: dict[str, str]) -> None:
        if not self._upload:
            said = promises(self._new.checksums)
            named = {**arguments(self._new), **said}
            if any(name.startswith("Checksum") for name in said):
                named.pop("ChecksumAlgorithm", None)
            self._client.put_object(**self._named(), Body=bytes(self._buffer), **named, **conditions)
            return
        if self._buffer:
            self._send()
        self._client.complete_multipart_upload(
            **self._named(), UploadId=self._upload, MultipartUpload={"Parts": self._parts}, **conditions
        )

    def abort(self) -> None:
        self._buffer.clear()
        if self._upload:
            self._client.abort_multipart_upload(**self._named(), UploadId=self._upload)
            self._upload = ""


class S3PartWriter:
    """See ``stores.objects.PartWriter``. A part is kept in memory: S3 wants its length and digest beforehand."""

    def __init__(self, client: Any, named: dict[str, Any], expected: Mapping[str, str], algorithm: str | None) -> None:
        self._client, self._named, self._expected, self._algorithm = client, named, expected, algorithm
        self._buffer = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        self._buffer += data

    def commit(self) -> Part:
        named: dict[str, Any] = promises(self._expected)
        if self._algorithm and not self._expected:
            named["ChecksumAlgorithm"] = self._algorithm.upper()
        with translated(self._named["UploadId"]):
            answer = self._client.upload_part(**self._named, Body=bytes(self._buffer), **named)
        kept = {name: answer[_checksum(name)] for name in ("crc32", "crc32c", "crc64nvme", "sha1", "sha256") if answer.get(_checksum(name))}
        when = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        return Part(self._named["PartNumber"], len(self._buffer), answer["ETag"].strip('"'), _epoch(when), kept)

    def abort(self) -> None:
        self._buffer.clear()


def _epoch(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() if date else 0.0


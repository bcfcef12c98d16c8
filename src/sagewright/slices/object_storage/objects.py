"""PutObject, GetObject, HeadObject, GetObjectAttributes."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

from ...stores.objects import ObjectInfo
from ...wire.errors import ServiceError
from ...wire.types import Call, FileSlice, Reply
from .common import (
    HEADERS,
    LARGE,
    Store,
    bare,
    checksums,
    key_of,
    new_object,
    object_arn,
    precondition,
    quoted,
    s3_errors,
)

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_OVERRIDES = {
    f"Response{name}": name
    for name in ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")
}
_MEMBERS = {header: member for member, header in HEADERS.items()} | {"Expires": "Expires"}


class ObjectOperations:
    """One object at a time."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def install(self) -> None:
        bind = self.store.platform.operations.bind
        bind("s3", "PutObject", self.put, resources=object_arn)
        bind("s3", "GetObject", self.get, resources=object_arn)
        bind("s3", "HeadObject", self.head, action="s3:GetObject", resources=object_arn)
        bind("s3", "GetObjectAttributes", self.attributes, resources=object_arn)

    async def put(self, call: Call) -> dict[str, Any]:
        body = call.params.get("Body")
        length = getattr(body, "length", None)
        if length is not None and length > 5 * 2**30:
            raise ServiceError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, ProposedSize=length, MaxSizeAllowed=5 * 2**30)
        with s3_errors(call):
            await self.store.expect_owner(call)
            writer = await self.store.run(self.store.objects.writer, call.params["Bucket"], key_of(call), new_object(call))
            await self.store.pour(body, writer)
            info = await self.store.run(writer.commit)
        return {"ETag": quoted(info.etag), **checksums(info.checksums), **_type(info)}

    async def head(self, call: Call) -> dict[str, Any] | Reply:
        with s3_errors(call):
            await self.store.expect_owner(call)
            info = await self.store.run(self.store.objects.head, call.params["Bucket"], call.params["Key"])
        if not_modified := _conditions(call, info):
            return not_modified
        _offset, length, said = _wanted(call, info)
        result = _describe(call, info, whole=length == info.size)
        result["ContentLength"] = length
        if said:
            return Reply({**result, **said}, 206)
        return result

    async def get(self, call: Call) -> dict[str, Any] | Reply:
        with s3_errors(call):
            await self.store.expect_owner(call)
            info, file = await self.store.run(self.store.objects.open, call.params["Bucket"], call.params["Key"])
        try:
            if not_modified := _conditions(call, info):
                file.close()
                return not_modified
            offset, length, said = _wanted(call, info)
            result = _describe(call, info, whole=length == info.size)
        except BaseException:
            file.close()
            raise
        body = result["Body"] = await self._body(file, offset, length)
        if not isinstance(body, bytes):
            result["ContentLength"] = length  # the length of bytes is known, and they leave in one step with their head
        return Reply({**result, **said}, 206) if said else result

    async def _body(self, file: Any, offset: int, length: int) -> Any:
        """The content, held by its open file: nothing that happens to the key meanwhile can tear it."""
        try:
            descriptor = file.fileno()
        except (AttributeError, io.UnsupportedOperation):
            return _stream(self.store, file, offset, length)
        if length <= LARGE // 16:
            with file:
                data = os.pread(descriptor, length, offset)
            if len(data) != length:
                raise EOFError("the file became shorter while it was read")
            return data
        return FileSlice(Path(), offset, length, file)

    async def attributes(self, call: Call) -> dict[str, Any]:
        with s3_errors(call):
            await self.store.expect_owner(call)
            info = await self.store.run(self.store.objects.head, call.params["Bucket"], call.params["Key"])
        wanted = set(call.params.get("ObjectAttributes", ()))
        result: dict[str, Any] = {"LastModified": info.modified}
        if "ETag" in wanted:
            result["ETag"] = info.etag
        if "Checksum" in wanted and info.checksums:
            result["Checksum"] = {**checksums(info.checksums), **_type(info)}
        if "ObjectSize" in wanted:
            result["ObjectSize"] = info.size
        if "StorageClass" in wanted:
            result["StorageClass"] = "STANDARD"
        if "ObjectParts" in wanted and info.parts:
            after, most = int(call.params.get("PartNumberMarker") or 0), call.params.get("MaxParts", 1000)
            numbers = range(after + 1, min(len(info.parts), after + most) + 1)
            result["ObjectParts"] = {
                "TotalPartsCount": len(info.parts), "PartNumberMarker": str(after), "MaxParts": most,
                "IsTruncated": after + most < len(info.parts), "NextPartNumberMarker": str(numbers[-1] if numbers else after),
                "Parts": [{"PartNumber": n, "Size": info.parts[n - 1]} for n in numbers],
            }  # fmt: skip
        return result


def _type(info: ObjectInfo) -> dict[str, str]:
    return {"ChecksumType": info.checksum_type} if info.checksums else {}


def _describe(call: Call, info: ObjectInfo, *, whole: bool) -> dict[str, Any]:
    """The headers of an object; its checksums only with the very bytes that they are of."""
    p = call.params
    result: dict[str, Any] = {
        "ETag": quoted(info.etag), "LastModified": info.modified, "ContentType": info.content_type,
        "AcceptRanges": "bytes", "Metadata": dict(info.metadata),
        **{_MEMBERS[header]: value for header, value in info.headers.items() if header in _MEMBERS},
    }  # fmt: skip
    if info.tags:
        result["TagCount"] = len(info.tags)
    if whole and p.get("ChecksumMode") == "ENABLED":
        result |= {**checksums(info.checksums), **_type(info)}
    if info.parts and "PartNumber" in p:
        result["PartsCount"] = len(info.parts)
    for asked in _OVERRIDES.keys() & p.keys():
        if p[asked]:
            result[_OVERRIDES[asked]] = p[asked]
    return result


def _conditions(call: Call, info: ObjectInfo) -> Reply | None:
    """RFC 9110's order. Raises PreconditionFailed; a Reply says 304."""
    p, modified = call.params, int(info.modified)
    if match := p.get("IfMatch"):
        if not _any(match, info.etag):
            raise precondition("If-Match")
    elif "IfUnmodifiedSince" in p and modified > p["IfUnmodifiedSince"]:
        raise precondition("If-Unmodified-Since")
    if none := p.get("IfNoneMatch"):
        unchanged = _any(none, info.etag)
    else:
        unchanged = "IfModifiedSince" in p and modified <= p["IfModifiedSince"]
    return Reply({"ETag": quoted(info.etag), "LastModified": info.modified}, 304) if unchanged else None


def _any(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (bare(one) for one in header.split(","))


def _wanted(call: Call, info: ObjectInfo) -> tuple[int, int, dict[str, str]]:
    """(offset, length, Content-Range) of what a GET asks for; the last is empty for the whole object.

    Raises:
        ServiceError: InvalidRange (416), InvalidPartNumber (416).
    """
    number, text = call.params.get("PartNumber"), call.params.get("Range")
    if number is not None:
        parts = info.parts or (info.size,)
        if text:
            raise ServiceError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter", 400)
        if not 1 <= number <= len(parts):
            raise ServiceError("InvalidPartNumber", "The requested partnumber is not satisfiable", 416, ActualPartCount=len(parts))
        start = sum(parts[: number - 1])
        return _range(start, parts[number - 1], info.size)
    found = _RANGE.fullmatch(text.replace(" ", "")) if text else None
    if found is None or found.groups() == ("", ""):
        return 0, info.size, {}  # a range that cannot be read is as if it were not there
    first, last = found.groups()
    if first:
        start, stop = int(first), min(int(last) + 1 if last else info.size, info.size)
        if last and int(last) < start:
            return 0, info.size, {}
    else:
        start, stop = max(0, info.size - int(last)), info.size
    if start >= stop:
        raise ServiceError("InvalidRange", "The requested range is not satisfiable", 416, RangeRequested=text, ActualObjectSize=info.size)
    return _range(start, stop - start, info.size)


def _range(start: int, length: int, size: int) -> tuple[int, int, dict[str, str]]:
    return start, length, {"ContentRange": f"bytes {start}-{start + length - 1}/{size}"} if length else {}


async def _stream(store: Store, file: Any, offset: int, length: int) -> Any:
    """Content that is no file of this machine, such as an answer of an external S3."""
    try:
        await store.run(file.seek, offset)
        while length > 0:
            data = await store.run(file.read, min(length, LARGE))
            if not data:
                raise EOFError("the object is shorter than it was said to be")
            length -= len(data)
            yield data
    finally:
        await store.run(file.close)

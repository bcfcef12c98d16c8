"""ListObjects, ListObjectsV2, ListObjectVersions."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import quote

from ...stores.objects import ObjectInfo, Page
from ...wire.errors import ServiceError
from ...wire.types import Call
from .common import Store, bucket_arn, quoted, s3_errors


class ListingOperations:
    """Keys of a bucket, page by page."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def install(self) -> None:
        bind = self.store.platform.operations.bind
        bind("s3", "ListObjects", self.first, action="s3:ListBucket", resources=bucket_arn)
        bind("s3", "ListObjectsV2", self.second, action="s3:ListBucket", resources=bucket_arn)
        bind("s3", "ListObjectVersions", self.versions, effect="metadata", action="s3:ListBucketVersions", resources=bucket_arn)

    async def first(self, call: Call) -> dict[str, Any]:
        marker = call.params.get("Marker", "")
        page, result = await self._page(call, marker)
        text = _text(call)
        result["Marker"] = text(marker)
        if page.next and call.params.get("Delimiter"):
            result["NextMarker"] = text(page.next)
        return result

    async def second(self, call: Call) -> dict[str, Any]:
        p = call.params
        token, start = p.get("ContinuationToken"), p.get("StartAfter", "")
        page, result = await self._page(call, _decode(token) if token else start)
        result["KeyCount"] = len(page.objects) + len(page.prefixes)
        if token:
            result["ContinuationToken"] = token
        if start:
            result["StartAfter"] = _text(call)(start)
        if page.next:
            result["NextContinuationToken"] = base64.urlsafe_b64encode(page.next.encode()).decode()
        return result

    async def versions(self, call: Call) -> dict[str, Any]:
        marker = call.params.get("KeyMarker", "")
        page, result = await self._page(call, marker)
        text = _text(call)
        result["KeyMarker"] = text(marker)
        result["Versions"] = [{**entry, "VersionId": "null", "IsLatest": True} for entry in result.pop("Contents", [])]
        if page.next:
            result |= {"NextKeyMarker": text(page.next), "NextVersionIdMarker": "null"}
        return result

    async def _page(self, call: Call, after: str) -> tuple[Page, dict[str, Any]]:
        p = call.params
        bucket = await self.store.bucket(call)
        prefix, delimiter, asked = p.get("Prefix", ""), p.get("Delimiter", ""), p.get("MaxKeys", 1000)
        if asked < 0:
            raise ServiceError("InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647", 400, ArgumentName="maxKeys")
        limit = min(asked, 1000)
        with s3_errors(call):
            page = Page([], [], None)
            if limit:
                page = await self.store.run(self.store.objects.list, bucket.name, prefix, after, delimiter, limit)
        text = _text(call)
        owner = call.operation != "ListObjectsV2" or p.get("FetchOwner")
        result: dict[str, Any] = {
            "Name": bucket.name, "Prefix": text(prefix), "MaxKeys": asked, "IsTruncated": page.next is not None,
            "Contents": [_entry(info, text(info.key), bucket.owner if owner else "") for info in page.objects],
            "CommonPrefixes": [{"Prefix": text(found)} for found in page.prefixes],
        }  # fmt: skip
        if delimiter:
            result["Delimiter"] = text(delimiter)
        if p.get("EncodingType"):
            result["EncodingType"] = p["EncodingType"]
        return page, result


def _entry(info: ObjectInfo, key: str, owner: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Key": key, "LastModified": info.modified, "ETag": quoted(info.etag), "Size": info.size, "StorageClass": "STANDARD",
    }  # fmt: skip
    if info.checksums:
        entry |= {"ChecksumAlgorithm": [name.upper() for name in info.checksums], "ChecksumType": info.checksum_type}
    if owner:
        entry["Owner"] = {"ID": owner, "DisplayName": owner}
    return entry


def _text(call: Call) -> Any:
    """How keys are written: plainly, or URL-encoded when the client asks for it (XML cannot hold every character)."""
    return quote if call.params.get("EncodingType") == "url" else str


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token, b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise ServiceError("InvalidArgument", "The continuation token provided is incorrect", 400, ArgumentName="continuation-token") from None

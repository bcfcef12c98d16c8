"""Multipart uploads: create, parts (sent or copied), list, complete, abort."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Any
from urllib.parse import quote

from ...stores.objects import Part, Upload
from ...wire.errors import ServiceError
from ...wire.types import Call, Reply
from .common import (
    CHECKSUMS,
    LARGE,
    Store,
    algorithm,
    bare,
    bucket_arn,
    checksums,
    key_of,
    new_object,
    object_arn,
    promised,
    quoted,
    s3_errors,
)
from .copying import check_source, source_of

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class MultipartOperations:
    """Large objects in parts."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def install(self) -> None:
        bind = self.store.platform.operations.bind
        bind("s3", "CreateMultipartUpload", self.create, action="s3:PutObject", resources=object_arn)
        bind("s3", "UploadPart", self.part, action="s3:PutObject", resources=object_arn)
        bind("s3", "UploadPartCopy", self.part_copy, action="s3:PutObject", resources=object_arn)
        bind("s3", "CompleteMultipartUpload", self.complete, action="s3:PutObject", resources=object_arn)
        bind("s3", "AbortMultipartUpload", self.abort, resources=object_arn)
        bind("s3", "ListParts", self.parts, action="s3:ListMultipartUploadParts", resources=object_arn)
        bind("s3", "ListMultipartUploads", self.uploads, action="s3:ListBucketMultipartUploads", resources=bucket_arn)

    async def create(self, call: Call) -> dict[str, Any]:
        with s3_errors(call):
            await self.store.expect_owner(call)
            new = new_object(call)
            upload = await self.store.run(self.store.objects.begin_upload, call.params["Bucket"], key_of(call), new)
        result: dict[str, Any] = {"Bucket": upload.bucket, "Key": upload.key, "UploadId": upload.id}
        if new.checksum_algorithm:
            result["ChecksumAlgorithm"] = new.checksum_algorithm.upper()
            if new.checksum_type:
                result["ChecksumType"] = new.checksum_type
        return result

    async def _upload(self, call: Call) -> Upload:
        """The upload that a call names, which is one of its bucket and key."""
        await self.store.expect_owner(call)
        upload = await self.store.run(self.store.objects.upload, _id(call))
        if (upload.bucket, upload.key) != (call.params["Bucket"], call.params["Key"]):
            raise ServiceError("NoSuchUpload", "The specified multipart upload does not exist.", 404, UploadId=upload.id)
        return upload

    async def part(self, call: Call) -> dict[str, Any]:
        p = call.params
        with s3_errors(call):
            upload = await self._upload(call)
            body = p.get("Body")
            length = getattr(body, "length", None)
            kept = algorithm(call) or upload.new.checksum_algorithm
            writer = await self.store.run(
                self.store.objects.part_writer, upload.id, _number(p["PartNumber"]), promised(p), kept, length
            )
            await self.store.pour(body, writer)
            part = await self.store.run(writer.commit)
        return {"ETag": quoted(part.etag), **checksums(part.checksums)}

    async def part_copy(self, call: Call) -> dict[str, Any]:
        p = call.params
        with s3_errors(call):
            upload = await self._upload(call)
        bucket, key = source_of(p["CopySource"])
        info = await check_source(self.store, call, bucket, key)
        start, stop = 0, info.size
        if p.get("CopySourceRange"):
            found = _RANGE.fullmatch(p["CopySourceRange"])
            start, stop = (int(found[1]), int(found[2]) + 1) if found else (0, -1)
            if not 0 <= start < stop <= info.size:
                raise ServiceError("InvalidRange", "The specified copy range is not valid for the source object", 416, ActualObjectSize=info.size)
        with s3_errors(call):
            part = await asyncio.to_thread(self._copy, bucket, key, info.etag, upload, _number(p["PartNumber"]), start, stop)
        return {"CopyPartResult": {"ETag": quoted(part.etag), "LastModified": part.modified, **checksums(part.checksums)}}

    def _copy(self, bucket: str, key: str, etag: str, upload: Upload, number: int, start: int, stop: int) -> Part:
        info, file = self.store.objects.open(bucket, key)
        with file:
            if info.etag != etag:
                raise ServiceError("PreconditionFailed", "The copy source changed while it was copied", 412, Condition="x-amz-copy-source")
            writer = self.store.objects.part_writer(upload.id, number, {}, upload.new.checksum_algorithm, stop - start)
            try:
                file.seek(start)
                while start < stop and (data := file.read(min(LARGE, stop - start))):
                    writer.write(data)
                    start += len(data)
                return writer.commit()
            except BaseException:
                writer.abort()
                raise

    async def complete(self, call: Call) -> dict[str, Any]:
        p = call.params
        chosen = p.get("MultipartUpload", {}).get("Parts") or []
        if not chosen:
            raise ServiceError("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema", 400)
        numbers = [part.get("PartNumber", 0) for part in chosen]
        if any(b <= a for a, b in itertools.pairwise(numbers)):
            raise ServiceError("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.", 400, UploadId=p["UploadId"])
        with s3_errors(call):
            upload = await self._upload(call)
            await self._check_parts(upload, chosen)
            info = await asyncio.to_thread(
                self.store.objects.complete_upload, upload.id, [(part["PartNumber"], bare(part.get("ETag")) or "") for part in chosen],
                if_match=bare(p.get("IfMatch")), if_none_match=p.get("IfNoneMatch") == "*",
            )  # fmt: skip
        where = f"{call.endpoint}/{info.bucket}/{quote(info.key)}"
        kind = {"ChecksumType": info.checksum_type} if info.checksums else {}
        return {"Location": where, "Bucket": info.bucket, "Key": info.key, "ETag": quoted(info.etag), **checksums(info.checksums), **kind}

    async def _check_parts(self, upload: Upload, chosen: list[dict[str, Any]]) -> None:
        """Checksums that a completion names must be those of the parts. Raises ServiceError InvalidPart."""
        if not any(member in part for part in chosen for member in CHECKSUMS.values()):
            return
        stored = {part.number: checksums(part.checksums) for part in await self.store.run(self.store.objects.parts, upload.id)}
        for part in chosen:
            for member in CHECKSUMS.values():
                there = stored.get(part["PartNumber"], {}).get(member)
                if member in part and there is not None and part[member] != there:
                    raise ServiceError("InvalidPart", f"The checksum of part {part['PartNumber']} is not the one it was uploaded with", 400, UploadId=upload.id)

    async def abort(self, call: Call) -> Reply:
        with s3_errors(call):
            upload = await self._upload(call)
            await self.store.run(self.store.objects.abort_upload, upload.id)
        return Reply({}, 204)

    async def parts(self, call: Call) -> dict[str, Any]:
        p = call.params
        with s3_errors(call):
            upload = await self._upload(call)
            found = await self.store.run(self.store.objects.parts, upload.id)
        after, most = int(p.get("PartNumberMarker") or 0), min(p.get("MaxParts", 1000), 1000)
        rest = [part for part in found if part.number > after]
        page = rest[:most]
        who = {"ID": call.account, "DisplayName": call.account}
        return {
            "Bucket": upload.bucket, "Key": upload.key, "UploadId": upload.id, "Initiator": who, "Owner": who,
            "PartNumberMarker": str(after), "MaxParts": most, "IsTruncated": len(rest) > most, "StorageClass": "STANDARD",
            "NextPartNumberMarker": str(page[-1].number if page else after),
            "Parts": [
                {"PartNumber": part.number, "Size": part.size, "ETag": quoted(part.etag), "LastModified": part.modified,
                 **checksums(part.checksums)} for part in page
            ],
        }  # fmt: skip

    async def uploads(self, call: Call) -> dict[str, Any]:
        p = call.params
        bucket = await self.store.bucket(call)
        prefix, delimiter, most = p.get("Prefix", ""), p.get("Delimiter", ""), min(p.get("MaxUploads", 1000), 1000)
        marker = (p.get("KeyMarker", ""), p.get("UploadIdMarker", ""))
        found = sorted(await self.store.run(self.store.objects.uploads, bucket.name, prefix), key=lambda u: (u.key.encode(), u.started, u.id))
        start = 0
        if marker[0]:
            passed = [n for n, u in enumerate(found, 1) if u.key.encode() < marker[0].encode() or (u.key == marker[0] and not marker[1]) or u.id == marker[1]]
            start = max(passed, default=0)
        rest = found[start:]
        text = quote if p.get("EncodingType") == "url" else str
        groups = sorted({g for u in rest if (g := _group(u.key, prefix, delimiter))})
        page = [u for u in rest if not _group(u.key, prefix, delimiter)][:most]
        whole = len(page) + sum(1 for u in rest if _group(u.key, prefix, delimiter)) == len(rest)
        who = {"ID": bucket.owner, "DisplayName": bucket.owner}
        result: dict[str, Any] = {
            "Bucket": bucket.name, "KeyMarker": text(marker[0]), "UploadIdMarker": marker[1], "MaxUploads": most, "Prefix": text(prefix),
            "IsTruncated": not whole, "CommonPrefixes": [{"Prefix": text(g)} for g in groups],
            "Uploads": [
                {"Key": text(u.key), "UploadId": u.id, "Initiated": u.started, "Owner": who, "Initiator": who, "StorageClass": "STANDARD"}
                for u in page
            ],
        }  # fmt: skip
        if p.get("EncodingType"):
            result["EncodingType"] = p["EncodingType"]
        if not whole and page:
            result |= {"NextKeyMarker": text(page[-1].key), "NextUploadIdMarker": page[-1].id}
        return result


def _id(call: Call) -> str:
    upload_id: str = call.params["UploadId"]
    return upload_id


def _number(number: int) -> int:
    if not 1 <= number <= 10_000:
        raise ServiceError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", 400, ArgumentName="partNumber", ArgumentValue=str(number))
    return number


def _group(key: str, prefix: str, delimiter: str) -> str:
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: at + len(delimiter)] if at >= 0 else ""

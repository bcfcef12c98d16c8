"""The ``Objects`` port over an external S3, through boto3."""

from __future__ import annotations

import base64
import builtins
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlencode

from ...stores.objects import (
    Bucket,
    BucketExists,
    NewObject,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    ObjectInfo,
    Page,
    Part,
    Upload,
)
from .errors import translated
from .reading import RangedFile, Ranges
from .writing import SPOOL, S3PartWriter, S3Writer, arguments

HEADERS = {
    "ContentEncoding": "Content-Encoding", "CacheControl": "Cache-Control", "ContentDisposition": "Content-Disposition",
    "ContentLanguage": "Content-Language", "ExpiresString": "Expires",
}  # fmt: skip
CHECKSUMS = {"crc32": "ChecksumCRC32", "crc32c": "ChecksumCRC32C", "crc64nvme": "ChecksumCRC64NVME", "sha1": "ChecksumSHA1", "sha256": "ChecksumSHA256"}


class S3Objects:
    """Objects of an S3 endpoint. Safe for many threads and processes; guarantees are those of the other side.

    Args:
        url: the endpoint, ``https://host``; credentials may stand in it as ``https://key:secret@host``, else boto3's
            usual chain finds them.
        region: for signatures, and of buckets that say nothing else.
        owner: account id that buckets are said to belong to (S3 itself tells none).
    """

    def __init__(self, url: str, *, region: str, owner: str = "123456789012", client: Any = None) -> None:
        self.region, self.owner = region, owner
        self.client = client if client is not None else _client(url, region)
        self._ranges = Ranges(self.client)

    # buckets

    def create_bucket(self, name: str, owner: str, region: str) -> Bucket:
        if self.bucket(name) is not None:  # in us-east-1 S3 would let the owner create it again
            raise BucketExists(owner)
        named: dict[str, Any] = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with translated(owner):
            self.client.create_bucket(Bucket=name, **named)
        return Bucket(name, owner, region, 0.0)

    def bucket(self, name: str) -> Bucket | None:
        try:
            with translated(name):
                answer = self.client.head_bucket(Bucket=name)
        except NoSuchKey:
            return None
        region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", self.region)
        return Bucket(name, self.owner, region, 0.0)

    def buckets(self) -> list[Bucket]:
        found = self.client.list_buckets().get("Buckets", [])
        return [Bucket(b["Name"], self.owner, b.get("BucketRegion", self.region), b["CreationDate"].timestamp()) for b in found]

    def delete_bucket(self, name: str) -> None:
        with translated(name):
            for upload in self._uploads(name, ""):
                self.client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
            self.client.delete_bucket(Bucket=name)

    # reading

    def head(self, bucket: str, key: str) -> ObjectInfo:
        try:
            with translated(key):
                answer = self.client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except NoSuchKey:
            self._need(bucket)  # HEAD says 404 for either
            raise
        return self._info(bucket, key, answer)

    def _need(self, bucket: str) -> None:
        if self.bucket(bucket) is None:
            raise NoSuchBucket(bucket)

    def _info(self, bucket: str, key: str, answer: dict[str, Any]) -> ObjectInfo:
        count = answer.get("TagCount", 0)
        tags: dict[str, str] = {}
        if count:
            tags = {t["Key"]: t["Value"] for t in self.client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}
        return ObjectInfo(
            bucket, key, answer["ContentLength"], answer["ETag"].strip('"'), answer["LastModified"].timestamp(),
            answer.get("ContentType", "binary/octet-stream"), answer.get("Metadata", {}),
            {header: answer[member] for member, header in HEADERS.items() if answer.get(member)},
            {name: answer[member] for name, member in CHECKSUMS.items() if answer.get(member)},
            answer.get("ChecksumType", "FULL_OBJECT"), (), tags,
        )  # fmt: skip

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        info = self.head(bucket, key)
        with translated(key):
            return info, cast(BinaryIO, RangedFile(self.client, info))

    def local_path(self, bucket: str, key: str) -> Path | None:
        self.head(bucket, key)
        return None

    def local_tree(self, bucket: str, prefix: str) -> Path | None:
        self._need(bucket)
        return None

    def read(self, info: ObjectInfo, start: int, size: int) -> bytes:
        size = min(size, info.size - start)
        return self._ranges.read(info, start, size) if size > 0 else b""

    def list(self, bucket: str, prefix: str = "", after: str = "", delimiter: str = "", limit: int = 1000) -> Page:
        with translated(bucket):
            # version 1, because its marker may be a common prefix
            answer = self.client.list_objects(Bucket=bucket, Prefix=prefix, Marker=after, Delimiter=delimiter, MaxKeys=limit)
        objects = [
            ObjectInfo(bucket, o["Key"], o["Size"], o["ETag"].strip('"'), o["LastModified"].timestamp()) for o in answer.get("Contents", [])
        ]
        prefixes = [p["Prefix"] for p in answer.get("CommonPrefixes", [])]
        last = max([*(o.key for o in objects[-1:]), *prefixes[-1:]], key=str.encode, default=None)
        return Page(objects, prefixes, (answer.get("NextMarker") or last) if answer["IsTruncated"] else None)

    # writing

    def writer(self, bucket: str, key: str, new: NewObject = NewObject()) -> S3Writer:
        self._need(bucket)
        return S3Writer(self.client, self.head, bucket, key, new)

    def put_file(self, bucket: str, key: str, path: Path, new: NewObject = NewObject(), *, move: bool = False) -> ObjectInfo:
        writer = self.writer(bucket, key, new)
        try:
            with path.open("rb") as file:
                while data := file.read(SPOOL):
                    writer.write(data)
            info = writer.commit()
        except BaseException:
            writer.abort()
            raise
        if move:
            path.unlink()
        return info

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str, new: NewObject | None = None) -> ObjectInfo:
        info = self.head(bucket, key)
        if new is None:
            new = NewObject(info.content_type, info.metadata, info.headers, tags=info.tags)
        named = arguments(new)
        named.pop("Tagging", None)
        named.pop("ContentMD5", None)
        with translated(key):
            if info.size < 5 * 2**30:
                self.client.copy_object(
                    Bucket=to_bucket, Key=to_key, CopySource={"Bucket": bucket, "Key": key}, CopySourceIfMatch=info.etag,
                    MetadataDirective="REPLACE", TaggingDirective="REPLACE", Tagging=urlencode(new.tags), **named,
                )  # fmt: skip
            else:
                self.client.copy({"Bucket": bucket, "Key": key}, to_bucket, to_key, ExtraArgs=named)
        return self.head(to_bucket, to_key)

    def delete(self, bucket: str, keys: Iterable[str]) -> builtins.list[str]:
        named = [*keys]
        with translated(bucket):
            for start in range(0, len(named), 1000):
                entries = [{"Key": key} for key in named[start : start + 1000]]
                answer = self.client.delete_objects(Bucket=bucket, Delete={"Objects": entries, "Quiet": True})
                for failed in answer.get("Errors", []):
                    raise OSError(f"{failed.get('Key')} could not be deleted: {failed.get('Code')} {failed.get('Message', '')}")
        return named

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        with translated(key):
            entries = [{"Key": name, "Value": value} for name, value in tags.items()]
            self.client.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": entries})

    # multipart uploads: the id carries what S3 wants to be told again, so that any process can go on with it

    def begin_upload(self, bucket: str, key: str, new: NewObject) -> Upload:
        named = arguments(new, multipart=True)
        with translated(bucket):
            answer = self.client.create_multipart_upload(Bucket=bucket, Key=key, **named)
        return Upload(_pack(answer["UploadId"], bucket, key, new), bucket, key, 0.0, new)

    def upload(self, upload_id: str) -> Upload:
        theirs, bucket, key, new = _unpack(upload_id)
        with translated(upload_id):
            self.client.list_parts(Bucket=bucket, Key=key, UploadId=theirs, MaxParts=1)
        return Upload(upload_id, bucket, key, 0.0, new)

    def _uploads(self, bucket: str, prefix: str) -> Iterable[dict[str, Any]]:
        for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Uploads", [])

    def uploads(self, bucket: str, prefix: str = "") -> builtins.list[Upload]:
        with translated(bucket):
            return [
                Upload(_pack(u["UploadId"], bucket, u["Key"], NewObject()), bucket, u["Key"], u["Initiated"].timestamp(), NewObject())
                for u in self._uploads(bucket, prefix)
            ]

    def part_writer(
        self,
        upload_id: str,
        number: int,
        checksums: Mapping[str, str] | None = None,
        algorithm: str | None = None,
        length: int | None = None,
    ) -> S3PartWriter:
        theirs, bucket, key, new = _unpack(upload_id)
        named = {"Bucket": bucket, "Key": key, "UploadId": theirs, "PartNumber": number}
        return S3PartWriter(self.client, named, checksums or {}, algorithm or new.checksum_algorithm)

    def parts(self, upload_id: str) -> builtins.list[Part]:
        theirs, bucket, key, _ = _unpack(upload_id)
        with translated(upload_id):
            pages = self.client.get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=theirs)
            return [
                Part(p["PartNumber"], p["Size"], p["ETag"].strip('"'), p["LastModified"].timestamp(),
                     {name: p[member] for name, member in CHECKSUMS.items() if p.get(member)})
                for page in pages for p in page.get("Parts", [])
            ]  # fmt: skip

    def complete_upload(
        self, upload_id: str, parts: builtins.list[tuple[int, str]], *, if_match: str | None = None, if_none_match: bool = False
    ) -> ObjectInfo:
        theirs, bucket, key, new = _unpack(upload_id)
        stored = {part.number: part for part in self.parts(upload_id)}
        chosen = []
        for number, etag in parts:
            member = CHECKSUMS.get(new.checksum_algorithm or "")
            checksum = stored[number].checksums.get(new.checksum_algorithm or "") if number in stored else None
            chosen.append({"PartNumber": number, "ETag": f'"{etag}"', **({member: checksum} if member and checksum else {})})
        named: dict[str, Any] = {"IfMatch": f'"{if_match}"'} if if_match else {}
        if if_none_match:
            named["IfNoneMatch"] = "*"
        if new.checksum_type:
            named["ChecksumType"] = new.checksum_type
        with translated(key):
            self.client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=theirs, MultipartUpload={"Parts": chosen}, **named)
        return self.head(bucket, key)

    def abort_upload(self, upload_id: str) -> None:
        theirs, bucket, key, _ = _unpack(upload_id)
        with translated(upload_id):
            self.client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=theirs)

    def close(self) -> None:
        self.client.close()


def _client(url: str, region: str) -> Any:
    try:
        import boto3  # an extra; only this adapter needs it
    except ImportError:
        raise RuntimeError("an external S3 needs boto3: pip install 'sagewright[s3]'") from None
    from urllib.parse import unquote, urlsplit

    from botocore.config import Config

    parts = urlsplit(url)
    keys: dict[str, Any] = {}
    if parts.username:
        keys = {"aws_access_key_id": unquote(parts.username), "aws_secret_access_key": unquote(parts.password or "")}
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4", max_pool_connections=50)
    return boto3.session.Session().client("s3", endpoint_url=url, region_name=region, config=config, **keys)


def _pack(theirs: str, bucket: str, key: str, new: NewObject) -> str:
    told = {name: value for name, value in asdict(new).items() if name in {"checksum_algorithm", "checksum_type"} and value}
    return base64.urlsafe_b64encode(json.dumps([theirs, bucket, key, told]).encode()).decode()


def _unpack(upload_id: str) -> tuple[str, str, str, NewObject]:
    try:
        theirs, bucket, key, told = json.loads(base64.urlsafe_b64decode(upload_id))
    except ValueError:
        raise NoSuchUpload(upload_id) from None
    return theirs, bucket, key, NewObject(**told)


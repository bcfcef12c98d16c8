"""CopyObject, DeleteObject, DeleteObjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from ...stores.objects import NewObject, ObjectInfo
from ...stores.objects import NoSuchKey as Missing
from ...wire.errors import AccessDenied, ServiceError
from ...wire.types import Call, Reply
from .common import (
    LARGE,
    Store,
    algorithm,
    bare,
    checksums,
    key_of,
    new_object,
    object_arn,
    precondition,
    quoted,
    s3_errors,
)


class CopyOperations:
    """Copies and deletions."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def install(self) -> None:
        bind = self.store.platform.operations.bind
        bind("s3", "CopyObject", self.copy, action="s3:PutObject", resources=object_arn)
        bind("s3", "DeleteObject", self.delete, resources=object_arn)
        bind("s3", "DeleteObjects", self.delete_many, action="s3:DeleteObject", resources=_named)

    async def copy(self, call: Call) -> dict[str, Any]:
        p = call.params
        bucket, key = source_of(p["CopySource"])
        with s3_errors(call):
            await self.store.expect_owner(call)
        info = await check_source(self.store, call, bucket, key)
        to_bucket, to_key = p["Bucket"], key_of(call)
        new = self._new(call, info)
        if (bucket, key) == (to_bucket, to_key) and p.get("MetadataDirective") != "REPLACE":
            raise ServiceError(
                "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the"
                " object's metadata, storage class, website redirect location or encryption attributes.", 400
            )  # fmt: skip
        with s3_errors(call):
            copied = await self.store.run(self.store.objects.copy, bucket, key, to_bucket, to_key, new, large=info.size > LARGE)
        kind = {"ChecksumType": copied.checksum_type} if copied.checksums else {}
        return {"CopyObjectResult": {"ETag": quoted(copied.etag), "LastModified": copied.modified, **checksums(copied.checksums), **kind}}

    @staticmethod
    def _new(call: Call, info: ObjectInfo) -> NewObject:
        given = new_object(call)
        kept = NewObject(info.content_type, info.metadata, info.headers)
        new = given if call.params.get("MetadataDirective") == "REPLACE" else kept
        tags = given.tags if call.params.get("TaggingDirective") == "REPLACE" else info.tags
        return replace(
            new, tags=tags, checksum_algorithm=algorithm(call), checksums={}, if_match=given.if_match, if_none_match=given.if_none_match
        )

    async def delete(self, call: Call) -> Reply:
        p = call.params
        with s3_errors(call):
            await self.store.expect_owner(call)
            if match := bare(p.get("IfMatch")):
                try:
                    info = await self.store.run(self.store.objects.head, p["Bucket"], p["Key"])
                except Missing:
                    return Reply({}, 204)
                if match not in ("*", info.etag):
                    raise precondition("If-Match")
            await self.store.run(self.store.objects.delete, p["Bucket"], [p["Key"]])
        return Reply({}, 204)

    async def delete_many(self, call: Call) -> dict[str, Any]:
        p = call.params
        named = p["Delete"]["Objects"]
        if not 1 <= len(named) <= 1000:
            raise ServiceError("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema", 400)
        keys = [one["Key"] for one in named]
        with s3_errors(call):
            await self.store.expect_owner(call)
            await self.store.run(self.store.objects.delete, p["Bucket"], keys, large=len(keys) > 20)
        # a key that was not there counts as deleted, too
        return {} if p["Delete"].get("Quiet") else {"Deleted": [{"Key": key} for key in keys]}


def _named(call: Call) -> Sequence[str]:
    return [f"arn:aws:s3:::{call.params['Bucket']}/{one['Key']}" for one in call.params["Delete"]["Objects"]]


def source_of(text: Any) -> tuple[str, str]:
    """Bucket and key of a copy source. Raises ServiceError InvalidArgument."""
    path, _, version = str(text).partition("?versionId=")
    if "%" in path or "+" in path:
        path = unquote(path)  # decoded once, here and nowhere else
    bucket, _, key = path.removeprefix("/").partition("/")
    if not bucket or not key or version not in ("", "null"):
        raise ServiceError("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", 400, ArgumentName="x-amz-copy-source", ArgumentValue=str(text))
    return bucket, key


async def check_source(store: Store, call: Call, bucket: str, key: str) -> ObjectInfo:
    """The object to copy from, if the caller may read it and the conditions hold.

    Raises:
        ServiceError: AccessDenied, NoSuchBucket, NoSuchKey, PreconditionFailed.
    """
    p = call.params
    authority = store.platform.authority
    if authority is not None and call.principal.kind != "root":
        try:
            authority.authorize(call.principal, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", {})
        except AccessDenied as denied:
            raise ServiceError("AccessDenied", denied.message, 403) from None
    if p.get("ExpectedSourceBucketOwner"):
        found = await store.run(store.objects.bucket, bucket)
        if found is not None and found.owner != p["ExpectedSourceBucketOwner"]:
            raise ServiceError("AccessDenied", "Access Denied", 403)
    source = replace_params(call, {"Bucket": bucket, "Key": key})
    with s3_errors(source):
        info = await store.run(store.objects.head, bucket, key)
    match, none = bare(p.get("CopySourceIfMatch")), bare(p.get("CopySourceIfNoneMatch"))
    modified = int(info.modified)
    if match is not None:
        held = match in ("*", info.etag)
    else:
        held = modified <= p.get("CopySourceIfUnmodifiedSince", modified)
    if none is not None:
        held = held and none not in ("*", info.etag)
    elif "CopySourceIfModifiedSince" in p:
        held = held and modified > p["CopySourceIfModifiedSince"]
    if not held:
        raise precondition("x-amz-copy-source-If-Match" if match is not None else "x-amz-copy-source-If-None-Match")
    return info


def replace_params(call: Call, params: dict[str, Any]) -> Call:
    """The same call with other parameters, for errors that name the source."""
    return replace(call, params=params)

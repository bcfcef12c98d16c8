"""Buckets: create, head, list, locate, delete."""

from __future__ import annotations

import re
from typing import Any

from ...stores.objects import BucketExists, BucketNotEmpty
from ...wire.errors import ServiceError
from ...wire.types import Call, Reply
from .common import Store, bucket_arn, s3_errors
from .configuration import Configuration

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")


class BucketOperations:
    """Buckets as wholes."""

    def __init__(self, store: Store, configuration: Configuration) -> None:
        self.store, self.configuration = store, configuration

    def install(self) -> None:
        bind = self.store.platform.operations.bind
        bind("s3", "CreateBucket", self.create, resources=bucket_arn)
        bind("s3", "HeadBucket", self.head, action="s3:ListBucket", resources=bucket_arn)
        bind("s3", "DeleteBucket", self.delete, resources=bucket_arn)
        bind("s3", "ListBuckets", self.list, action="s3:ListAllMyBuckets")
        bind("s3", "GetBucketLocation", self.location, resources=bucket_arn)

    async def create(self, call: Call) -> dict[str, Any]:
        name = call.params["Bucket"]
        if not _NAME.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name) or name.startswith("xn--"):
            raise ServiceError("InvalidBucketName", "The specified bucket is not valid.", 400, BucketName=name)
        region = call.params.get("CreateBucketConfiguration", {}).get("LocationConstraint") or call.region
        if region == "EU":
            region = "eu-west-1"
        try:
            await self.store.run(self.store.objects.create_bucket, name, call.account, region)
        except BucketExists as exists:
            if exists.args[0] != call.account:
                raise ServiceError(
                    "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users"
                    " of the system. Please select a different name and try again.", 409, BucketName=name
                ) from None  # fmt: skip
            if call.region != "us-east-1":
                raise ServiceError(
                    "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.",
                    409, BucketName=name
                ) from None  # fmt: skip
        return {"Location": f"/{name}", "BucketArn": f"arn:aws:s3:::{name}"}

    async def head(self, call: Call) -> dict[str, Any]:
        bucket = await self.store.bucket(call)
        return {"BucketRegion": bucket.region, "AccessPointAlias": False, "BucketArn": f"arn:aws:s3:::{bucket.name}"}

    async def delete(self, call: Call) -> Reply:
        bucket = await self.store.bucket(call)
        with s3_errors(call):
            try:
                await self.store.run(self.store.objects.delete_bucket, bucket.name)
            except BucketNotEmpty:
                raise ServiceError("BucketNotEmpty", "The bucket you tried to delete is not empty", 409, BucketName=bucket.name) from None
        await self.configuration.forget(bucket.name)
        return Reply({}, 204)

    async def list(self, call: Call) -> dict[str, Any]:
        p = call.params
        prefix, after, most = p.get("Prefix", ""), p.get("ContinuationToken", ""), p.get("MaxBuckets", 10_000)
        region = p.get("BucketRegion")
        found = [
            b for b in await self.store.run(self.store.objects.buckets)
            if b.owner == call.account and b.name.startswith(prefix) and b.name > after and region in (None, b.region)
        ]  # fmt: skip
        page = found[:most]
        result: dict[str, Any] = {
            "Buckets": [{"Name": b.name, "CreationDate": b.created, "BucketRegion": b.region} for b in page],
            "Owner": {"ID": call.account, "DisplayName": call.account},
        }
        if prefix:
            result["Prefix"] = prefix
        if len(found) > most:
            result["ContinuationToken"] = page[-1].name
        return result

    async def location(self, call: Call) -> dict[str, Any]:
        bucket = await self.store.bucket(call)
        return {} if bucket.region == "us-east-1" else {"LocationConstraint": bucket.region}

"""Tags and access lists of objects."""

from __future__ import annotations

from typing import Any

from ...wire.types import Call, Reply
from .common import Store, check_tags, object_arn, s3_errors
from .configuration import owner_acl


class TagOperations:
    """What clients hang on objects."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def install(self) -> None:
        bind = self.store.platform.operations.bind
        bind("s3", "PutObjectTagging", self.put, effect="metadata", resources=object_arn)
        bind("s3", "GetObjectTagging", self.get, effect="metadata", resources=object_arn)
        bind("s3", "DeleteObjectTagging", self.delete, effect="metadata", resources=object_arn)
        bind("s3", "GetObjectAcl", self.acl, effect="metadata", resources=object_arn)

    async def put(self, call: Call) -> dict[str, Any]:
        tags = check_tags([(tag["Key"], tag["Value"]) for tag in call.params["Tagging"]["TagSet"]], 10)
        await self._set(call, tags)
        return {}

    async def delete(self, call: Call) -> Reply:
        await self._set(call, {})
        return Reply({}, 204)

    async def _set(self, call: Call, tags: dict[str, str]) -> None:
        with s3_errors(call):
            await self.store.expect_owner(call)
            await self.store.run(self.store.objects.set_tags, call.params["Bucket"], call.params["Key"], tags)

    async def get(self, call: Call) -> dict[str, Any]:
        with s3_errors(call):
            await self.store.expect_owner(call)
            info = await self.store.run(self.store.objects.head, call.params["Bucket"], call.params["Key"])
        return {"TagSet": [{"Key": key, "Value": value} for key, value in info.tags.items()]}

    async def acl(self, call: Call) -> dict[str, Any]:
        bucket = await self.store.bucket(call)
        with s3_errors(call):
            await self.store.run(self.store.objects.head, call.params["Bucket"], call.params["Key"])
        return owner_acl(bucket.owner)

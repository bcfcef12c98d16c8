"""Bucket settings that clients write and read back: kept as documents, without an effect of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ...stores.records import Conflict, Delete, Put
from ...wire.errors import ServiceError
from ...wire.types import Call, Reply
from .common import Store, bucket_arn

KIND, SCOPE = "S3BucketConfiguration", "s3"


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of setting."""

    put: str
    get: str
    delete: str
    member: str
    """Of the Put request; also of the answer unless ``spread``."""
    missing: tuple[str, str] | None
    """Code and message when there is none; None answers an empty document."""
    spread: bool = True
    """The answer is the document itself."""


TOPICS = (
    Topic("PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy", "Policy",
          ("NoSuchBucketPolicy", "The bucket policy does not exist"), spread=False),
    Topic("PutBucketTagging", "GetBucketTagging", "DeleteBucketTagging", "Tagging", ("NoSuchTagSet", "The TagSet does not exist")),
    Topic("PutBucketCors", "GetBucketCors", "DeleteBucketCors", "CORSConfiguration",
          ("NoSuchCORSConfiguration", "The CORS configuration does not exist")),
    Topic("PutBucketVersioning", "GetBucketVersioning", "", "VersioningConfiguration", None),
    Topic("PutBucketEncryption", "GetBucketEncryption", "DeleteBucketEncryption", "ServerSideEncryptionConfiguration",
          ("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"), spread=False),
    Topic("PutBucketNotificationConfiguration", "GetBucketNotificationConfiguration", "", "NotificationConfiguration", None),
    Topic("PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration", "DeleteBucketLifecycle", "LifecycleConfiguration",
          ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")),
    Topic("PutPublicAccessBlock", "GetPublicAccessBlock", "DeletePublicAccessBlock", "PublicAccessBlockConfiguration",
          ("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"), spread=False),
    Topic("PutBucketOwnershipControls", "GetBucketOwnershipControls", "DeleteBucketOwnershipControls", "OwnershipControls",
          ("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"), spread=False),
    Topic("PutBucketWebsite", "GetBucketWebsite", "DeleteBucketWebsite", "WebsiteConfiguration",
          ("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")),
    Topic("PutBucketLogging", "GetBucketLogging", "", "BucketLoggingStatus", None),
)  # fmt: skip


class Configuration:
    """The settings of every bucket, one record a bucket."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def install(self) -> None:
        bind = self.store.platform.operations.bind
        for topic in TOPICS:
            bind("s3", topic.put, self._put(topic), effect="metadata", action=_action(topic.put), resources=bucket_arn)
            bind("s3", topic.get, self._get(topic), effect="metadata", action=_action(topic.get), resources=bucket_arn)
            if topic.delete:
                action = _action(topic.delete).replace("s3:Delete", "s3:Put") if topic.delete != "DeleteBucketPolicy" else ""
                bind("s3", topic.delete, self._delete(topic), effect="metadata", action=action, resources=bucket_arn)
        bind("s3", "GetBucketAcl", self.acl, effect="metadata", resources=bucket_arn)
        bind("s3", "GetBucketRequestPayment", self.payer, effect="metadata", resources=bucket_arn)
        bind("s3", "GetBucketAccelerateConfiguration", self.nothing, effect="metadata",
             action="s3:GetAccelerateConfiguration", resources=bucket_arn)

    async def read(self, bucket: str) -> dict[str, Any]:
        record = await self.store.platform.records.get(KIND, SCOPE, bucket)
        return record.doc if record else {}

    async def forget(self, bucket: str) -> None:
        await self.store.platform.records.commit(Delete(KIND, SCOPE, bucket))

    async def _change(self, bucket: str, change: Callable[[dict[str, Any]], Any]) -> None:
        records = self.store.platform.records
        while True:
            record = await records.get(KIND, SCOPE, bucket)
            doc = dict(record.doc) if record else {}
            change(doc)
            try:
                await records.commit(Put(KIND, SCOPE, bucket, doc, record.version if record else 0))
                return
            except Conflict:
                continue

    def _put(self, topic: Topic) -> Callable[[Call], Awaitable[Reply]]:
        async def put(call: Call) -> Reply:
            bucket = await self.store.bucket(call)
            await self._change(bucket.name, lambda doc: doc.__setitem__(topic.member, call.params[topic.member]))
            return Reply({}, 204 if topic.put in {"PutBucketPolicy", "PutBucketTagging"} else 200)

        return put

    def _get(self, topic: Topic) -> Callable[[Call], Awaitable[dict[str, Any]]]:
        async def get(call: Call) -> dict[str, Any]:
            bucket = await self.store.bucket(call)
            doc = await self.read(bucket.name)
            if topic.member not in doc:
                if topic.missing is None:
                    return {}
                raise ServiceError(topic.missing[0], topic.missing[1], 404, BucketName=bucket.name)
            found: dict[str, Any] = doc[topic.member]
            return found if topic.spread else {topic.member: found}

        return get

    def _delete(self, topic: Topic) -> Callable[[Call], Awaitable[Reply]]:
        async def delete(call: Call) -> Reply:
            bucket = await self.store.bucket(call)
            await self._change(bucket.name, lambda doc: doc.pop(topic.member, None))
            return Reply({}, 204)

        return delete

    async def acl(self, call: Call) -> dict[str, Any]:
        return owner_acl((await self.store.bucket(call)).owner)

    async def payer(self, call: Call) -> dict[str, Any]:
        await self.store.bucket(call)
        return {"Payer": "BucketOwner"}

    async def nothing(self, call: Call) -> dict[str, Any]:
        await self.store.bucket(call)
        return {}


def owner_acl(owner: str) -> dict[str, Any]:
    """The one access list there is: the owner may do everything. Who else may, policies say."""
    who = {"ID": owner, "DisplayName": owner}
    return {"Owner": who, "Grants": [{"Grantee": {**who, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]}


def _action(operation: str) -> str:
    """IAM's names differ from the operations' in places."""
    names = {
        "BucketCors": "BucketCORS", "BucketEncryption": "EncryptionConfiguration",
        "BucketNotificationConfiguration": "BucketNotification", "BucketLifecycleConfiguration": "LifecycleConfiguration",
        "BucketLifecycle": "LifecycleConfiguration", "PublicAccessBlock": "BucketPublicAccessBlock",
    }  # fmt: skip
    for verb in ("Put", "Get", "Delete"):
        if operation.startswith(verb):
            rest = operation[len(verb) :]
            return f"s3:{verb}{names.get(rest, rest)}"
    return f"s3:{operation}"

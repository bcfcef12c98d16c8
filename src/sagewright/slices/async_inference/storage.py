"""Inputs and answers in S3, with the rights of the model's role."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO, TypeVar

from ...resources.arn import s3_location
from ...resources.platform import Platform
from ...stores.objects import NewObject, NoSuchBucket, NoSuchKey, Writer
from ...wire.errors import DomainError

T = TypeVar("T")
LARGEST = 2**30
"""Bytes of an input."""
WHOLE = 2**20
"""Bytes up to which an input is read at once, in the event loop where the store is embedded."""
MARK = "sagemaker-async-request"
"""Name of the metadata that say which request an answer belongs to: a server that finds one does not ask the model again."""


class Unstorable(Exception):
    """An input cannot be read, or an answer not be written; the message says why."""


class Storage:
    """The objects of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.objects = platform, platform.objects
        self._remote = bool(platform.settings.objects)

    async def run(self, work: Callable[..., T], *args: Any, large: bool = False) -> T:
        """Call the store: right here when it is quick, in a thread when it is not."""
        return await asyncio.to_thread(work, *args) if self._remote or large else work(*args)

    async def input(self, doc: dict[str, Any], role: str | None) -> bytes | AsyncIterator[bytes]:
        """What the container gets. Raises Unstorable."""
        if "Body" in doc:
            return base64.b64decode(doc["Body"])
        uri = doc["InputLocation"]
        bucket, key = s3_location(uri)
        await self._allowed(role, "s3:GetObject", bucket, key, f"download {uri}")
        try:
            info, file = await self.run(self.objects.open, bucket, key)
        except (NoSuchBucket, NoSuchKey):
            raise Unstorable(f"Could not find the input at {uri}.") from None
        except OSError as error:
            raise Unstorable(f"Could not download {uri}: {error}") from None
        if info.size > LARGEST:
            file.close()
            raise Unstorable(f"The input at {uri} is larger than {LARGEST} bytes.")
        if info.size > WHOLE:
            return _pieces(file)
        with file:
            return await self.run(file.read)

    async def answered(self, uri: str, key: str) -> bool:
        """Whether the answer to the request ``key`` is there."""
        try:
            return (await self.run(self.objects.head, *s3_location(uri))).metadata.get(MARK) == key
        except (NoSuchBucket, NoSuchKey):
            return False

    async def writer(self, uri: str, role: str | None, key: str, content_type: str) -> Writer:
        """A writer whose commit shows the whole object at once. Raises Unstorable."""
        bucket, name = s3_location(uri)
        await self._allowed(role, "s3:PutObject", bucket, name, f"upload {uri}")
        new = NewObject(content_type=content_type or "application/octet-stream", metadata={MARK: key})
        try:
            return await self.run(self.objects.writer, bucket, name, new)
        except NoSuchBucket:
            raise Unstorable(f"Could not upload {uri}: the bucket {bucket} does not exist.") from None
        except OSError as error:
            raise Unstorable(f"Could not upload {uri}: {error}") from None

    async def put(self, uri: str, role: str | None, key: str, content_type: str, body: bytes) -> None:
        """Store a small object. Raises Unstorable."""
        writer = await self.writer(uri, role, key, content_type)
        try:
            await self.run(writer.write, body)
            await self.run(writer.commit)
        except (NoSuchBucket, OSError) as error:
            await self.run(writer.abort)
            raise Unstorable(f"Could not upload {uri}: {error}") from None

    async def _allowed(self, role: str | None, action: str, bucket: str, key: str, verb: str) -> None:
        if role is None:
            raise Unstorable(f"Could not {verb}: the model has no ExecutionRoleArn.")
        if self.platform.identity is None:
            return
        try:
            why = await self.platform.identity.allowed(role, action, f"arn:aws:s3:::{bucket}/{key}")
        except DomainError as error:
            why = error.message
        if why:
            raise Unstorable(f"Could not {verb} (AccessDenied: {why})")


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while data := await asyncio.to_thread(file.read, WHOLE):
            yield data

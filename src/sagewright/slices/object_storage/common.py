"""What the S3 operations share: the store, errors in S3's words, resource names, streaming."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from ...resources.platform import Platform
from ...stores import objects as port
from ...wire.errors import ServiceError
from ...wire.types import Body, Call

T = TypeVar("T")
LARGE = 1 << 20
"""Bytes from which on work is handed to a thread; below it the hand-over would cost more than the work."""
BLOCK = 1 << 20
"""Bytes of a body that are hashed and written in one go, while the next come in."""
CHECKSUMS = {"crc32": "ChecksumCRC32", "crc32c": "ChecksumCRC32C", "crc64nvme": "ChecksumCRC64NVME", "sha1": "ChecksumSHA1", "sha256": "ChecksumSHA256"}
HEADERS = {
    "ContentEncoding": "Content-Encoding", "CacheControl": "Cache-Control", "ContentDisposition": "Content-Disposition",
    "ContentLanguage": "Content-Language", "WebsiteRedirectLocation": "x-amz-website-redirect-location",
}  # fmt: skip


class Sink(Protocol):
    """A Writer or a PartWriter."""

    def write(self, data: bytes | memoryview) -> None: ...

    def abort(self) -> None: ...


class Store:
    """The objects of one platform, as handlers use them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.objects = platform.objects
        self._remote = bool(platform.settings.objects)

    async def run(self, work: Callable[..., T], *args: Any, large: bool = False, **named: Any) -> T:
        """Call the store: right here when it is quick, in a thread when it is not."""
        if self._remote or large:
            return await asyncio.to_thread(work, *args, **named)
        return work(*args, **named)

    async def bucket(self, call: Call) -> port.Bucket:
        """The bucket that a call names, belonging to whom the caller expects.

        Raises:
            ServiceError: NoSuchBucket, AccessDenied.
        """
        name = call.params["Bucket"]
        expected = call.params.get("ExpectedBucketOwner")
        found = await self.run(self.objects.bucket, name)
        if found is None:
            raise no_such_bucket(name)
        if expected and expected != found.owner:
            raise ServiceError("AccessDenied", "Access Denied", 403)
        return found

    async def expect_owner(self, call: Call) -> None:
        """As ``bucket``, but free when the caller expects nothing: the store says NoSuchBucket itself."""
        if call.params.get("ExpectedBucketOwner"):
            await self.bucket(call)

    async def pour(self, body: Body | bytes | None, sink: Sink) -> None:
        """Stream a body into a sink, which is aborted on any fault.

        Writing and hashing one batch in a thread overlaps with receiving the next.
        """
        job: asyncio.Future[None] | None = None
        try:
            if isinstance(body, bytes) or body is None or (body.length is not None and body.length < LARGE):
                data = body if isinstance(body, bytes) else await body.read() if body is not None else b""
                await self.run(sink.write, data, large=len(data) > LARGE // 2)
                return
            async with contextlib.aclosing(body.blocks(BLOCK)) as blocks:
                async for block in blocks:
                    if job is not None:
                        await asyncio.shield(job)  # to cancel it would not stop the thread, only make it look done
                    job = asyncio.get_running_loop().run_in_executor(None, _write, sink, block)
            if job is not None:
                await asyncio.shield(job)
        except BaseException:
            if job is not None and not job.done():
                await asyncio.wait([job])  # the thread still writes to the sink
            await self.run(sink.abort)
            raise


def _write(sink: Sink, block: Sequence[bytes | memoryview]) -> None:
    for data in block:
        sink.write(data)


def bucket_arn(call: Call) -> Sequence[str]:
    return [f"arn:aws:s3:::{call.params['Bucket']}"]


def object_arn(call: Call) -> Sequence[str]:
    return [f"arn:aws:s3:::{call.params['Bucket']}/{call.params.get('Key', '*')}"]


def no_such_bucket(name: str) -> ServiceError:
    return ServiceError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=name)


@contextlib.contextmanager
def s3_errors(call: Call) -> Iterator[None]:
    """The store's errors in S3's codes and words."""
    p = call.params
    try:
        yield
    except port.NoSuchBucket:
        raise no_such_bucket(p["Bucket"]) from None
    except port.NoSuchKey:
        raise ServiceError("NoSuchKey", "The specified key does not exist.", 404, Key=p.get("Key", "")) from None
    except port.NoSuchUpload:
        raise ServiceError(
            "NoSuchUpload", "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have"
            " been aborted or completed.", 404, UploadId=p.get("UploadId", "")
        ) from None  # fmt: skip
    except port.PartTooSmall as small:
        number, size, etag = small.args
        raise ServiceError(
            "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400,
            ETag=etag, MinSizeAllowed=5 * 2**20, PartNumber=number, ProposedSize=size,
        ) from None  # fmt: skip
    except port.InvalidPart:
        raise ServiceError(
            "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the"
            " specified entity tag may not match the part's entity tag.", 400, UploadId=p.get("UploadId", "")
        ) from None  # fmt: skip
    except port.PreconditionFailed as failed:
        if p.get("IfMatch") and isinstance(failed.__cause__, port.NoSuchKey):
            raise ServiceError("NoSuchKey", "The specified key does not exist.", 404, Key=p.get("Key", "")) from None
        raise precondition(str(failed)) from None
    except port.BadDigest as bad:
        raise ServiceError("BadDigest", f"The checksum you specified did not match what we received: {bad}", 400) from None
    except ValueError as error:  # a body shorter or longer than it was said to be
        raise ServiceError("IncompleteBody", f"The body is not what was announced: {error}", 400) from None


def precondition(condition: str) -> ServiceError:
    return ServiceError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412, Condition=condition)


def quoted(etag: str) -> str:
    return f'"{etag}"'


def bare(etag: str | None) -> str | None:
    """An ETag of a request without its quotes."""
    return etag.strip().removeprefix("W/").strip('"') if etag else None


def key_of(call: Call) -> str:
    """The key to write to. Raises ServiceError KeyTooLongError."""
    key: str = call.params["Key"]
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > 1024:
        raise ServiceError("KeyTooLongError", "Your key is too long", 400, Size=size, MaxSizeAllowed=1024)
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ServiceError("InvalidURI", "Couldn't parse the specified URI.", 400) from None
    return key


def new_object(call: Call) -> port.NewObject:
    """What the parameters of a write say of the object."""
    p = call.params
    headers = {header: p[name] for name, header in HEADERS.items() if p.get(name)}
    encoding = [part for part in headers.pop("Content-Encoding", "").replace(" ", "").split(",") if part and part != "aws-chunked"]
    if encoding:
        headers["Content-Encoding"] = ",".join(encoding)
    if p.get("Expires"):
        headers["Expires"] = call.headers.get("expires") or http_date(p["Expires"])
    metadata = {name.lower(): value for name, value in p.get("Metadata", {}).items()}
    if sum(len(k.encode()) + len(v.encode()) for k, v in metadata.items()) > 2048:
        raise ServiceError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", 400, MaxSizeAllowed=2048)
    return port.NewObject(
        content_type=p.get("ContentType") or "binary/octet-stream",
        metadata=metadata,
        headers=headers,
        checksums=promised(p),
        checksum_algorithm=algorithm(call),
        checksum_type=p.get("ChecksumType"),
        tags=tags_of(p.get("Tagging", "")) if isinstance(p.get("Tagging"), str) else {},
        if_match=bare(p.get("IfMatch")),
        if_none_match=p.get("IfNoneMatch") == "*",
    )


def promised(p: dict[str, Any]) -> dict[str, str]:
    """Checksums that a request promises its body to have."""
    found = {name: p[member] for name, member in CHECKSUMS.items() if p.get(member)}
    if p.get("ContentMD5"):
        found["md5"] = p["ContentMD5"]
    return found


def algorithm(call: Call) -> str | None:
    """The checksum to keep: the one sent as a header, announced as a trailer, or asked for."""
    for name, member in CHECKSUMS.items():
        if call.params.get(member) or call.headers.get("x-amz-trailer", "").lower() == f"x-amz-checksum-{name}":
            return name
    asked = str(call.params.get("ChecksumAlgorithm", "")).lower()
    return asked if asked in CHECKSUMS else None


def tags_of(text: str) -> dict[str, str]:
    """The x-amz-tagging header: a query string. Raises ServiceError InvalidTag."""
    return check_tags(parse_qsl(text, keep_blank_values=True), 10)


def check_tags(pairs: Sequence[tuple[str, str]], most: int) -> dict[str, str]:
    """Raises ServiceError InvalidTag, BadRequest."""
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise ServiceError("InvalidTag", "Cannot provide multiple Tags with the same key", 400)
    if len(tags) > most:
        raise ServiceError("BadRequest", f"Object tags cannot be greater than {most}", 400)
    if any(not 1 <= len(k) <= 128 or len(v) > 256 for k, v in pairs):
        raise ServiceError("InvalidTag", "The TagKey or TagValue you have provided is invalid", 400)
    return tags


def checksums(found: Any) -> dict[str, str]:
    """Checksums of an object or part as members of a result."""
    return {CHECKSUMS[name]: value for name, value in found.items() if name in CHECKSUMS}


def http_date(at: float | datetime) -> str:
    when = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return format_datetime(when.astimezone(UTC), usegmt=True)

"""Objects: buckets and keys, as S3 means them. Blocking calls: the server runs large ones in a thread, agents directly.

Adapters: ``adapters.directory`` (a directory people can look into, safe for several processes at once) and
``adapters.s3`` (any S3). Both pass ``sagewright.testing.objects``.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    owner: str
    """Account id."""
    region: str
    created: float


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What HEAD says of an object."""

    bucket: str
    key: str
    size: int
    etag: str
    """Without quotes."""
    modified: float
    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    """User metadata, lower-cased names without the x-amz-meta- prefix."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Content-Encoding, Cache-Control, Content-Disposition, Content-Language, Expires, as given."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """``crc32``, ``crc32c``, ``crc64nvme``, ``sha1``, ``sha256`` → base64 text."""
    checksum_type: str = "FULL_OBJECT"
    """``FULL_OBJECT``, or ``COMPOSITE``: a checksum of the parts' checksums."""
    parts: tuple[int, ...] = ()
    """Sizes of the parts of an object that came by multipart upload, in order."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewObject:
    """What a writer says of an object."""

    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Expected checksums, also ``md5``, as base64; a mismatch raises BadDigest and writes nothing."""
    checksum_algorithm: str | None = None
    """Compute and keep this one."""
    checksum_type: str | None = None
    """Of a multipart upload: FULL_OBJECT or COMPOSITE; None takes the algorithm's default."""
    tags: Mapping[str, str] = field(default_factory=dict)
    if_match: str | None = None
    """Write only over this ETag, without quotes; ``*``: over anything that exists."""
    if_none_match: bool = False
    """Write only if the key is free."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. Keys and common prefixes are each in UTF-8 byte order."""

    objects: list[ObjectInfo]
    prefixes: list[str]
    next: str | None
    """Pass as ``after`` for the next page; None at the end."""


@dataclass(frozen=True, slots=True)
class Upload:
    id: str
    bucket: str
    key: str
    started: float
    new: NewObject


@dataclass(frozen=True, slots=True)
class Part:
    number: int
    size: int
    etag: str
    modified: float
    checksums: Mapping[str, str] = field(default_factory=dict)


class NoSuchBucket(Exception):
    """The bucket does not exist."""


class NoSuchKey(Exception):
    """The bucket has no object of that key."""


class NoSuchUpload(Exception):
    """The multipart upload was completed, aborted or never begun."""


class InvalidPart(Exception):
    """A completion names a part that was not uploaded, or another ETag."""


class BucketExists(Exception):
    """The bucket exists already; ``owner`` has it."""


class BucketNotEmpty(Exception):
    """Only an empty bucket can be deleted."""


class PartTooSmall(Exception):
    """A part other than the last is below 5 MiB; the arguments are number, size and ETag."""


class PreconditionFailed(Exception):
    """if_match or if_none_match did not hold; nothing was written."""


class BadDigest(Exception):
    """The content does not have the checksum its writer promised; nothing was written."""


class Writer(Protocol):
    """An object being written. Nothing is visible before ``commit``; ``abort`` or a crash leaves no trace."""

    def write(self, data: bytes | memoryview) -> None: ...

    def commit(self) -> ObjectInfo:
        """Publish atomically; raises PreconditionFailed, BadDigest."""
        ...

    def abort(self) -> None: ...


class PartWriter(Protocol):
    """One part being written; like Writer."""

    def write(self, data: bytes | memoryview) -> None: ...

    def commit(self) -> Part: ...

    def abort(self) -> None: ...


class Objects(Protocol):
    """Strongly consistent; a write is all or nothing, also when the process is killed in its middle."""

    def create_bucket(self, name: str, owner: str, region: str) -> Bucket: ...

    def bucket(self, name: str) -> Bucket | None: ...

    def buckets(self) -> list[Bucket]: ...

    def delete_bucket(self, name: str) -> None: ...

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """Raises NoSuchBucket, NoSuchKey."""
        ...

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        """The object and its content, seekable, both of the same version."""
        ...

    def local_path(self, bucket: str, key: str) -> Path | None:
        """A file of this machine with the content, for hard links and read-only mounts; None if there is none.

        The file is never changed in place: overwriting an object makes a new file.
        """
        ...

    def local_tree(self, bucket: str, prefix: str) -> Path | None:
        """A folder of this machine with the objects of a prefix, each at the rest of its key, for read-only mounts.

        ``prefix`` is empty or ends with ``/``. The folder shows the store as it is from moment to moment; a file that is
        open stays what it was. None if there is no such folder, or if it lacks an object.
        """
        ...

    def read(self, info: ObjectInfo, start: int, size: int) -> bytes:
        """A range of exactly the version that a listing told of; fewer bytes at the end of the object.

        Raises:
            NoSuchKey: that version is gone.
        """
        ...

    def writer(self, bucket: str, key: str, new: NewObject = NewObject()) -> Writer: ...

    def put_file(self, bucket: str, key: str, path: Path, new: NewObject = NewObject(), *, move: bool = False) -> ObjectInfo:
        """Store a file; ``move`` may take the file itself instead of copying it."""
        ...

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str, new: NewObject | None = None) -> ObjectInfo:
        """Server-side copy; ``new`` None keeps metadata and headers."""
        ...

    def list(self, bucket: str, prefix: str = "", after: str = "", delimiter: str = "", limit: int = 1000) -> Page: ...

    def delete(self, bucket: str, keys: Iterable[str]) -> builtins.list[str]:
        """Remove keys; a missing one is fine. Returns those removed."""
        ...

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of an object; raises NoSuchKey."""
        ...

    def begin_upload(self, bucket: str, key: str, new: NewObject) -> Upload: ...

    def upload(self, upload_id: str) -> Upload: ...

    def uploads(self, bucket: str, prefix: str = "") -> builtins.list[Upload]: ...

    def part_writer(
        self,
        upload_id: str,
        number: int,
        checksums: Mapping[str, str] | None = None,
        algorithm: str | None = None,
        length: int | None = None,
    ) -> PartWriter:
        """``length`` in bytes, when known beforehand, may spare a copy at completion; another length is an error."""
        ...

    def parts(self, upload_id: str) -> builtins.list[Part]: ...

    def complete_upload(
        self, upload_id: str, parts: builtins.list[tuple[int, str]], *, if_match: str | None = None, if_none_match: bool = False
    ) -> ObjectInfo:
        """Publish the parts named by (number, ETag), in that order.

        Raises:
            NoSuchUpload, InvalidPart, PartTooSmall, PreconditionFailed
        """
        ...

    def abort_upload(self, upload_id: str) -> None: ...

    def close(self) -> None: ...

"""Puts inputs in place before the task starts: hard links where the store has files, copies elsewhere."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..stores.compute import Input
from ..stores.objects import NoSuchBucket, NoSuchKey, Objects
from .archive import BadArchive, room, unpack

FICLONE = 0x40049409


class StagingError(Exception):
    """An input is missing or bad: the message is the task's FailureReason after its prefix."""


class Cancelled(Exception):
    """The task was stopped while its inputs were being staged."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object to stage and the path it gets below the input's own."""

    bucket: str
    key: str
    path: str


def split_uri(uri: str) -> tuple[str, str]:
    if not uri.startswith("s3://"):
        raise StagingError(f"ClientError: Data download failed:{uri} is not an s3:// URI")
    bucket, _, key = uri[5:].partition("/")
    return bucket, key


def stage(objects: Objects, item: Input, target: Path, copy: bool, check: Callable[[], None]) -> int:
    """Fill ``target`` with the input's objects; returns how many.

    ``copy``: the task may write to the files, so they must not share the store's. ``check`` is called between objects
    and may raise Cancelled.

    Raises:
        StagingError: with a ClientError reason.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        found = list(select(objects, item))
        for one in found:
            check()
            _place(objects, item, one, target, copy)
    except NoSuchBucket:
        raise StagingError(f"ClientError: Data download failed:The bucket of {item.uri} does not exist") from None
    except NoSuchKey as error:
        raise StagingError(f"ClientError: Data download failed:Unable to download object {item.uri} ({error})") from None
    except BadArchive as error:
        raise StagingError(f"ClientError: Data download failed:Could not unpack {item.uri}: {error}") from None
    except (PermissionError, gzip.BadGzipFile, EOFError) as error:
        raise StagingError(f"ClientError: Data download failed:Unable to download object {item.uri} ({error})") from None
    return len(found)


def select(objects: Objects, item: Input) -> Iterator[Found]:
    """This shard's objects, in key order.

    Raises:
        StagingError: nothing there though the input is required, or a bad manifest.
    """
    every = sorted(_candidates(objects, item), key=lambda one: (one.bucket, one.key.encode()))
    if not every and item.required:
        raise StagingError(f"ClientError: Data download failed:No objects found under {item.uri}")
    for index, one in enumerate(every):
        if index % item.shards == item.shard:
            yield one


def _candidates(objects: Objects, item: Input) -> Iterator[Found]:
    bucket, key = split_uri(item.uri)
    if item.type == "S3Object":
        try:
            objects.head(bucket, key)
        except (NoSuchBucket, NoSuchKey):
            if item.required:
                raise
            return
        yield Found(bucket, key, PurePosixPath(key).name)
    elif item.type == "S3Prefix":
        yield from _under(objects, bucket, key)
    elif item.type == "ManifestFile":
        yield from _manifest(objects, bucket, key)
    else:
        raise StagingError("ClientError: Data download failed:AugmentedManifestFile needs the Pipe input mode")


def _under(objects: Objects, bucket: str, prefix: str) -> Iterator[Found]:
    after: str | None = ""
    while after is not None:
        page = objects.list(bucket, prefix, after)
        for info in page.objects:
            if not info.key.endswith("/"):
                yield Found(bucket, info.key, relative(prefix, info.key))
        after = page.next


def relative(prefix: str, key: str) -> str:
    """The path that a key of a prefix gets: what follows the prefix, or the base name of an exact match.

    A prefix that ends inside a name (``data/tr`` for ``data/train.csv``) keeps the whole name.
    """
    folder = prefix if prefix.endswith("/") or not prefix else prefix.rpartition("/")[0] + "/"
    if key.startswith(prefix + "/"):
        folder = prefix + "/"
    return key[len(folder):] if folder != "/" else key


def _manifest(objects: Objects, bucket: str, key: str) -> Iterator[Found]:
    _, file = objects.open(bucket, key)
    with file:
        text = file.read(64 * 2**20)
    try:
        entries = json.loads(text)
        prefix = str(entries[0]["prefix"])
        names = [name for name in entries[1:] if isinstance(name, str)]
    except (ValueError, LookupError, TypeError):
        raise StagingError(
            f"ClientError: Data download failed:s3://{bucket}/{key} is not a manifest: expected "
            '[{"prefix": "s3://bucket/prefix/"}, "key", ...]'
        ) from None
    base_bucket, base = split_uri(prefix)
    for name in names:
        objects.head(base_bucket, base + name)
        yield Found(base_bucket, base + name, name)


def _place(objects: Objects, item: Input, one: Found, target: Path, copy: bool) -> None:
    if item.unpack:
        info, file = objects.open(one.bucket, one.key)
        with file:
            unpack(file, info.size, target)
        return
    parts = [part for part in one.path.split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        raise StagingError(f"ClientError: Data download failed:the key {one.key!r} cannot be a file name")
    path = target.joinpath(*parts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if item.compression == "Gzip":
            _gunzip(objects, one, path)
            return
        local = objects.local_path(one.bucket, one.key)
        if local is not None:
            (clone if copy else link)(local, path)
            return
        _, file = objects.open(one.bucket, one.key)
        with file, path.open("wb") as out:
            shutil.copyfileobj(file, out, 2**20)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise StagingError(
            f"ClientError: Data download failed:s3://{one.bucket}/{one.key} needs a folder where another key is a file"
        ) from None


def _gunzip(objects: Objects, one: Found, path: Path) -> None:
    info, file = objects.open(one.bucket, one.key)
    left = room(info.size, path.parent)
    with file, gzip.open(file) as text, path.with_suffix("" if path.suffix == ".gz" else path.suffix).open("wb") as out:
        while data := text.read(2**20):
            left -= len(data)
            if left < 0:
                raise BadArchive("it unpacks to more than it may")
            out.write(data)


def link(source: Path, target: Path) -> None:
    """A second name for the file, or a copy where the file system allows no link."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        clone(source, target)


def clone(source: Path, target: Path) -> None:
    """A copy that shares blocks where the file system can."""
    with source.open("rb") as read, target.open("wb") as write:
        with contextlib.suppress(OSError):
            fcntl.ioctl(write.fileno(), FICLONE, read.fileno())
            return
        shutil.copyfileobj(read, write, 2**20)

"""Puts inputs in place before the task starts: hard links where the store has files, copies elsewhere."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..stores.compute import Input
from ..stores.objects import NoSuchBucket, NoSuchKey, Objects
from .archive import BadArchive, room, unpack
from .selection import Found, beside, failed, select, split_uri

TURN = 256
"""Objects linked before a look at whether the task was stopped."""
FICLONE = 0x40049409


class Cancelled(Exception):
    """The task was stopped while its inputs were being staged."""


@dataclass(slots=True)
class Staged:
    """How many objects were put in place, and how many of them by copying."""

    objects: int = 0
    copied: int = 0
    beside: str = ""
    """A key that the prefix took beside the folder of its name."""


def stage(objects: Objects, item: Input, target: Path, copy: bool, check: Callable[[], None]) -> Staged:
    """Fill ``target`` with the input's objects.

    ``copy``: the task may write to the files, so they must not share the store's. ``check`` is called between objects
    and may raise Cancelled.

    Raises:
        StagingError: with a ClientError reason.
    """
    target.mkdir(parents=True, exist_ok=True)
    done = Staged()
    try:
        found = select(objects, item)
        done.beside = beside(item, found)
        shared = None if copy or item.unpack or item.compression != "None" else _shared(objects, item)
        made: set[str] = set()
        for number, one in enumerate(found):
            if shared is None or number % TURN == 0:
                check()
            if shared is None or not _linked(*shared, one, target, made):
                done.copied += not _place(objects, item, one, target, copy)
            done.objects += 1
    except NoSuchBucket:
        raise failed(f"The bucket of {item.uri} does not exist") from None
    except NoSuchKey as error:
        raise failed(f"Unable to download object {item.uri} ({error})") from None
    except BadArchive as error:
        raise failed(f"Could not unpack {item.uri}: {error}") from None
    except (PermissionError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise failed(f"Unable to download object {item.uri} ({error})") from None
    return done


def _shared(objects: Objects, item: Input) -> tuple[str, str] | None:
    """The store's own folder around the input's objects, and its prefix; None where it has none."""
    bucket, key = split_uri(item.uri)
    prefix = key[:key.rfind("/") + 1]
    folder = objects.local_tree(bucket, prefix) if item.type == "S3Prefix" else None
    return None if folder is None else (str(folder), prefix)


def _linked(folder: str, prefix: str, one: Found, target: Path, made: set[str]) -> bool:
    """Link one object by its place in the store: a tenth of the time of asking the store where it is."""
    if not one.key.startswith(prefix) or ".." in one.path or "//" in one.path or one.path.startswith("/"):
        return False
    path = f"{target}/{one.path}"
    parent = path[:path.rfind("/")]
    try:
        if parent not in made:
            Path(parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        os.link(f"{folder}/{one.key[len(prefix):]}", path)
        return True
    except OSError:
        return False  # looked at more closely, and told what is wrong


def _place(objects: Objects, item: Input, one: Found, target: Path, copy: bool) -> bool:
    """Whether the object's file is shared with the store."""
    if item.unpack:
        info, file = objects.open(one.bucket, one.key)
        with file:
            unpack(file, info.size, target)
        return False
    parts = [part for part in one.path.split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        raise failed(f"the key {one.key!r} cannot be a file name")
    path = target.joinpath(*parts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if item.compression == "Gzip":
            _gunzip(objects, one, path)
            return False
        local = objects.local_path(one.bucket, one.key)
        if local is not None:
            (clone if copy else link)(local, path)
            return not copy
        _, file = objects.open(one.bucket, one.key)
        with file, path.open("wb") as out:
            shutil.copyfileobj(file, out, 2**20)
        return False
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise failed(
            f"s3://{one.bucket}/{one.key} needs a folder where another key is a file"
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

"""FastFile mode: a read-only folder of objects whose content comes as it is read.

Where the store lies on this machine as plain files, its own folder is shown, or links to some of them: nothing is copied,
whatever the size. From a store elsewhere the agent serves a file system of its own (``fuse``). Where the kernel offers
none, the objects are copied before the start, and the log says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..stores.compute import Input
from ..stores.objects import NoSuchBucket, NoSuchKey, Objects
from .fuse import PAGES, Server, Tree
from .lazy import Reader
from .selection import failed, select, split_uri


@dataclass(frozen=True, slots=True)
class View:
    """How a channel is shown: by the store's own ``folder``, or by a ``tree`` to be served; else it has to be staged."""

    folder: Path | None = None
    tree: Tree | None = None


def view(objects: Objects, item: Input, *, whole: bool, fuse: bool) -> View:
    """The best that this store and this kernel can do.

    Args:
        whole: nothing else has to be put inside the folder.
        fuse: the kernel lets us serve a file system.

    Raises:
        StagingError: the prefix is no folder, or nothing is there.
    """
    bucket, _ = split_uri(item.uri)
    try:
        prefix = folder(objects, item)
        if prefix is not None and item.shards == 1 and whole:
            found = objects.local_tree(bucket, prefix)
            if found is not None:
                return View(folder=found)
        if not fuse or not whole:
            return View()
        every = select(objects, named(item, prefix))
        if every and objects.local_path(every[0].bucket, every[0].key) is not None:
            return View()  # links do as well, and read faster
        every = [one if one.info else replace(one, info=objects.head(one.bucket, one.key)) for one in every]
    except NoSuchBucket:
        raise failed(f"The bucket of {item.uri} does not exist") from None
    return View(tree=Tree(every))


def named(item: Input, prefix: str | None) -> Input:
    """The input, by what its URI turned out to name: a folder, or one object."""
    bucket, _ = split_uri(item.uri)
    return replace(item, type="S3Object") if prefix is None else replace(item, uri=f"s3://{bucket}/{prefix}")


def folder(objects: Objects, item: Input) -> str | None:
    """The prefix of the folder that the URI names, with its slash; None if it names one object.

    Raises:
        StagingError: it names neither; a part of a name is no folder.
    """
    bucket, key = split_uri(item.uri)
    prefix = key if key.endswith("/") or not key else key + "/"
    if objects.list(bucket, prefix, limit=1).objects:
        return prefix
    if not key.endswith("/"):
        try:
            objects.head(bucket, key)
            return None
        except NoSuchKey:
            pass
        if objects.list(bucket, key, limit=1).objects:
            raise failed(
                f"The S3 prefix {item.uri} is part of a name and not a folder: the FastFile input mode needs a prefix that "
                "ends at a folder boundary. Use the File input mode for prefixes of names"
            )
    raise failed(f"No objects found under {item.uri}")


def server(objects: Objects, tree: Tree, fd: int, owner: tuple[int, int], say: Callable[[str], None]) -> Server:
    """Serve a tree on a mounted /dev/fuse; ``say`` gets a line for the log when an object cannot be read any more."""

    def lost(uri: str, error: Exception) -> None:
        gone = isinstance(error, (NoSuchKey, NoSuchBucket))
        why = "it was changed or deleted while the job was reading" if gone else f"{type(error).__name__}: {error}"
        say(f"FastFile: {uri} cannot be read: {why}")

    return Server(fd, tree, Reader(objects, lost), owner)


def read_ahead(pid: int | None, path: str) -> None:
    """Have the kernel ask for a mount's pages in large pieces, where we may: it asks for 128 KiB of any new file system.

    ``pid``: of a process that sees the mount at ``path``.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
            words = line.split()
            if words[4] == path:
                Path(f"/sys/class/bdi/{words[2]}/read_ahead_kb").write_text(str(PAGES * 4))

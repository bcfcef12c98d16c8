"""The one resolver: from a key to a file below the root, never outside of it and never through a symbolic link.

A *location* is a path relative to the root, with ``/`` between components that are each a plain name. Every
component is opened on its own with ``O_NOFOLLOW`` below the directory before it, so whatever a name says or
whatever link somebody has put there, nothing outside the root is ever reached.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import threading
from collections import OrderedDict
from pathlib import Path
from urllib.parse import quote

_REMEMBERED = 64
"""Directories kept open."""
ESCAPED = ".sagewright"
"""Folder in a bucket for objects whose key cannot be a path."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CLASHES = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.EILSEQ}
"""What the file system says when a key cannot stand at its natural path, such as ``a/b`` where ``a`` is a file."""


def plain(name: str) -> bool:
    """Whether a path component may stand for itself on disk."""
    return name not in {"", ".", ".."} and "/" not in name and name.isprintable() and len(name.encode()) <= 255


def natural(bucket: str, key: str) -> str | None:
    """The location that people expect of a key; None if the key cannot be a path."""
    parts = key.split("/")
    if parts[0] == ESCAPED or not all(map(plain, parts)):
        return None
    return f"buckets/{bucket}/{key}"


def escaped(bucket: str, key: str) -> str:
    """A location for any key at all. Distinct keys get distinct ones: quoting never yields two ``%`` in a row."""
    name = quote(key, safe="")
    if len(name) > 255 or name in {".", ".."}:
        name = "%%" + hashlib.sha256(key.encode()).hexdigest()
    return f"buckets/{bucket}/{ESCAPED}/{name}"


class Tree:
    """The files below one root directory."""

    def __init__(self, root: Path, *, durable: bool = False) -> None:
        self.root = root
        self.durable = durable
        self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._known: OrderedDict[str, int] = OrderedDict()
        self._guard = threading.Lock()

    def close(self) -> None:
        with self._guard:
            while self._known:
                os.close(self._known.popitem()[1])
        os.close(self._fd)

    def _recall(self, location: str) -> int | None:
        """A copy of the descriptor of a directory used lately, if it still is where it was: a removed one has no links."""
        with self._guard:
            fd = self._known.get(location)
            if fd is None:
                return None
            if os.fstat(fd).st_nlink:
                self._known.move_to_end(location)
                return os.dup(fd)
            os.close(self._known.pop(location))
            return None

    def _remember(self, location: str, fd: int) -> None:
        with self._guard:
            if location not in self._known:
                self._known[location] = os.dup(fd)
            if len(self._known) > _REMEMBERED:
                os.close(self._known.popitem(last=False)[1])

    def directory(self, location: str, *, create: bool = False) -> int:
        """A descriptor of a directory; the caller closes it.

        Raises:
            ValueError: a component is not a plain name.
            OSError: it does not exist, is no directory or is a symbolic link.
        """
        fd = os.dup(self._fd)
        for name in location.split("/") if location else ():
            if not plain(name):
                os.close(fd)
                raise ValueError(f"not a plain name: {name!r}")
            try:
                below = self._enter(fd, name, create)
            finally:
                os.close(fd)
            fd = below
        return fd

    def _enter(self, fd: int, name: str, create: bool) -> int:
        try:
            return os.open(name, _DIRECTORY, dir_fd=fd)
        except FileNotFoundError:
            if not create:
                raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=fd)
            if self.durable:
                os.fsync(fd)
        return os.open(name, _DIRECTORY, dir_fd=fd)

    def _parent(self, location: str, *, create: bool = False) -> tuple[int, str]:
        folder, _, name = location.rpartition("/")
        if not plain(name):
            raise ValueError(f"not a plain name: {name!r}")
        fd = self._recall(folder)
        if fd is None:
            fd = self.directory(folder, create=create)
            self._remember(folder, fd)
        return fd, name

    def open(self, location: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of a regular file. Folders are made when ``flags`` ask to create."""
        parent, name = self._parent(location, create=bool(flags & os.O_CREAT))
        try:
            fd = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o644, dir_fd=parent)
        finally:
            os.close(parent)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise FileNotFoundError(errno.ENOENT, "not a regular file", location)
        return fd

    def stat(self, location: str) -> os.stat_result | None:
        """Of the file itself; None if there is none."""
        try:
            parent, name = self._parent(location)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        finally:
            os.close(parent)

    def move(self, source: str, target: str) -> None:
        """Rename a file over whatever file is at the target, making folders on the way."""
        here, old = self._parent(source)
        try:
            there, new = self._parent(target, create=True)
            try:
                os.rename(old, new, src_dir_fd=here, dst_dir_fd=there)
                if self.durable:
                    os.fsync(there)
            finally:
                os.close(there)
        finally:
            os.close(here)

    def remove(self, location: str) -> None:
        """Unlink a file; a missing one is fine."""
        try:
            parent, name = self._parent(location)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(name, dir_fd=parent)
        finally:
            os.close(parent)

    def prune(self, location: str, keep: int) -> None:
        """Remove the folders above a location that have become empty, all but the first ``keep`` components."""
        parts = location.split("/")[:-1]
        while len(parts) > keep:
            try:
                parent, name = self._parent("/".join(parts))
            except OSError:
                return
            try:
                os.rmdir(name, dir_fd=parent)
            except FileNotFoundError:
                pass
            except OSError:
                return
            finally:
                os.close(parent)
            parts.pop()

    def names(self, location: str) -> list[str]:
        """What a directory holds; empty if there is none."""
        try:
            fd = self.directory(location)
        except (FileNotFoundError, NotADirectoryError):
            return []
        try:
            return os.listdir(fd)  # noqa: PTH208 (a descriptor, not a path)
        finally:
            os.close(fd)

    def clear(self, location: str) -> None:
        """Remove a folder with the files in it; a missing one is fine."""
        for name in self.names(location):
            self.remove(f"{location}/{name}")
        try:
            parent, name = self._parent(location)
        except FileNotFoundError:
            return
        try:
            os.rmdir(name, dir_fd=parent)
        except OSError as error:
            # of somebody who was just about to write there; the next sweep finds it
            if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
                raise
        finally:
            os.close(parent)

"""Tar archives from and to folders that hostile code may have filled."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

MAX_MEMBERS = 1_000_000
BOMB_FLOOR = 2 * 2**30
BOMB_RATIO = 200
"""An archive may unpack to BOMB_FLOOR bytes, or to BOMB_RATIO times its own size where that is more."""


class BadArchive(Exception):
    """The archive cannot be unpacked safely; the message names the member and the reason."""


def unpack(archive: IO[bytes], size: int, target: Path) -> None:
    """Extract a tar archive, compressed or not, below ``target``.

    Raises:
        BadArchive: not a tar archive, a member that would land or point outside, a device, or a bomb. What was
            extracted until then stays, inside ``target``.
    """
    most = min(max(BOMB_FLOOR, size * BOMB_RATIO), int(shutil.disk_usage(target).free * 0.95))
    total = count = 0
    try:
        with tarfile.open(fileobj=archive, mode="r|*") as tar:
            for member in tar:
                count += 1
                total += max(member.size, 0)
                if count > MAX_MEMBERS or total > most:
                    raise BadArchive(f"the archive unpacks to more than {most} bytes or {MAX_MEMBERS} members")
                if member.isdev():
                    raise BadArchive(f"{member.name!r} is a device")
                if member.name.startswith("/") or ".." in member.name.split("/"):
                    raise BadArchive(f"{member.name!r} lies outside of the archive's folder")
                tar.extract(member, target, set_attrs=True, filter="data")
    except tarfile.FilterError as error:
        raise BadArchive(str(error)) from None
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BadArchive(f"not a readable tar archive: {error}") from None


def open_beneath(root: Path, path: Path) -> int | None:
    """A descriptor of the folder ``path`` below ``root`` that follows no symbolic link below ``root``; None if there is none."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in path.relative_to(root).parts:
        try:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        except OSError:
            return None
        finally:
            os.close(fd)
        fd = deeper
    return fd


class Entry:
    """One thing found in a folder; ``open`` it to read."""

    __slots__ = ("_folder", "_name", "link", "path", "status")

    def __init__(self, folder: int, name: str, path: str, status: os.stat_result, link: str) -> None:
        self._folder, self._name = folder, name
        self.path, self.status, self.link = path, status, link

    def open(self) -> IO[bytes] | None:
        """The file's content; None if it is no regular file any more."""
        try:
            fd = os.open(self._name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return None
        return os.fdopen(fd, "rb")


def walk(root: Path, path: Path) -> Iterator[Entry]:
    """Everything below ``path``, parents first, by name; links are never followed. Entries are valid until the next."""
    fd = open_beneath(root, path)
    if fd is None:
        return
    try:
        yield from _walk(fd, "")
    finally:
        os.close(fd)


def _walk(fd: int, prefix: str) -> Iterator[Entry]:
    for name in sorted(os.listdir(fd)):
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            link = os.readlink(name, dir_fd=fd) if stat.S_ISLNK(status.st_mode) else ""
        except OSError:
            continue
        yield Entry(fd, name, prefix + name, status, link)
        if stat.S_ISDIR(status.st_mode):
            try:
                deeper = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            except OSError:
                continue
            try:
                yield from _walk(deeper, prefix + name + "/")
            finally:
                os.close(deeper)


class _Sink(io.RawIOBase):
    """A file object over a write function."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write, self._count = write, 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._write(bytes(data))
        self._count += len(data)
        return len(data)

    def tell(self) -> int:
        return self._count


def pack(root: Path, path: Path, write: Callable[[bytes], object]) -> int:
    """Stream a tar.gz of ``path``, members relative to it, to ``write``; returns how many members it has.

    Symbolic links that stay inside are kept as links; others, and anything but files and folders, are left out.
    """
    count = 0
    with gzip.GzipFile(fileobj=_Sink(write), mode="wb", compresslevel=6, mtime=0) as packed, tarfile.open(
        fileobj=packed, mode="w|"
    ) as tar:
        for entry in walk(root, path):
            info = tarfile.TarInfo(entry.path)
            info.mode = stat.S_IMODE(entry.status.st_mode) & 0o755
            info.mtime = int(entry.status.st_mtime)
            if stat.S_ISDIR(entry.status.st_mode):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif entry.link:
                if not _inside(entry.path, entry.link):
                    continue
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
                tar.addfile(info)
            else:
                file = entry.open() if stat.S_ISREG(entry.status.st_mode) else None
                if file is None:
                    continue
                with file:
                    info.size = os.fstat(file.fileno()).st_size
                    tar.addfile(info, file)
            count += 1
    return count


def _inside(path: str, link: str) -> bool:
    if link.startswith("/"):
        return False
    depth = path.count("/")
    for part in link.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return False
    return True


def read_text(root: Path, path: Path, limit: int) -> bytes | None:
    """The first ``limit`` bytes of a regular file below ``root``, following no link; None if there is none."""
    fd = open_beneath(root, path.parent)
    if fd is None:
        return None
    try:
        file = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError:
        return None
    finally:
        os.close(fd)
    try:
        return os.read(file, limit) if stat.S_ISREG(os.fstat(file).st_mode) else None
    finally:
        os.close(file)

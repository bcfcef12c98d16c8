"""Tar archives from and to folders that hostile code may have filled."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

MAX_MEMBERS = 1_000_000
BOMB_FLOOR = 2 * 2**30
BOMB_RATIO = 200
"""An archive may unpack to BOMB_FLOOR bytes, or to BOMB_RATIO times its own size where that is more."""


MAX_HEADER = 2**20
_HEADERS = {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}


class BadArchive(Exception):
    """The archive cannot be unpacked safely; the message names the member and the reason."""


class _Member(tarfile.TarInfo):
    """Refuses extended headers of a size that no name needs: the module would read them into memory whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > MAX_HEADER:
            raise BadArchive(f"an extended header of {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found


def room(size: int, target: Path) -> int:
    """How many bytes something compressed to ``size`` may come to below ``target``."""
    return min(max(BOMB_FLOOR, size * BOMB_RATIO), int(shutil.disk_usage(target).free * 0.95))


def unpack(archive: IO[bytes], size: int, target: Path) -> None:
    """Extract a tar archive, compressed or not, below ``target``.

    Raises:
        BadArchive: not a tar archive, a member that would land or point outside, a device, or a bomb. What was
            extracted until then stays, inside ``target``.
    """
    most = room(size, target)
    total = count = 0
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with tarfile.open(fileobj=archive, mode="r|*", tarinfo=_Member) as tar:
            for member in tar:
                count += 1
                total += max(member.size, 0)
                if count > MAX_MEMBERS or total > most:
                    raise BadArchive(f"the archive unpacks to more than {most} bytes or {MAX_MEMBERS} members")
                _extract(tar, member, root)
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise BadArchive(f"not a readable tar archive: {error}") from None
    finally:
        os.close(root)


# The tarfile module's own filters resolve names before they write, and several releases of Python could be led
# astray between the two. Here every component is entered by its parent's descriptor and no link is ever followed.


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, root: int) -> None:
    parts = _parts(member.name)
    if not parts:
        return
    folder = _enter(root, parts[:-1], member.name, create=True)
    try:
        if member.isdir():
            with contextlib.suppress(FileExistsError):
                os.mkdir(parts[-1], 0o755, dir_fd=folder)
        elif member.issym():
            if not _inside("/".join(parts), member.linkname):
                raise BadArchive(f"{member.name!r} is a link to {member.linkname!r}, outside of the archive's folder")
            _clear(folder, parts[-1])
            os.symlink(member.linkname, parts[-1], dir_fd=folder)
        elif member.islnk():
            _hard_link(root, folder, parts[-1], member)
        elif member.isreg():
            _write(tar, member, folder, parts[-1])
        else:
            raise BadArchive(f"{member.name!r} is a device")
    finally:
        os.close(folder)


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise BadArchive(f"{name!r} lies outside of the archive's folder")
    return [part for part in parts if part not in ("", ".")]


def _enter(root: int, parts: list[str], name: str, *, create: bool) -> int:
    """A descriptor of a folder below ``root``; the caller closes it."""
    fd = os.dup(root)
    for part in parts:
        try:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=fd)
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        except OSError as error:
            raise BadArchive(f"{name!r} lies behind {part!r}, which is no folder of the archive: {error.strerror}") from None
        finally:
            os.close(fd)
        fd = deeper
    return fd


def _clear(folder: int, name: str) -> None:
    """A later member of the same name takes the place of an earlier one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str) -> None:
    source = tar.extractfile(member)
    assert source is not None
    _clear(folder, name)
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with os.fdopen(fd, "wb") as file:
        shutil.copyfileobj(source, file, 2**20)
        file.flush()
        os.fchmod(fd, (member.mode & 0o755) | 0o600)
        # times beyond what the file system knows are no reason to refuse a model
        with contextlib.suppress(OverflowError, OSError, ValueError):
            os.utime(fd, (member.mtime, member.mtime))


def _hard_link(root: int, folder: int, name: str, member: tarfile.TarInfo) -> None:
    parts = _parts(member.linkname)
    source = _enter(root, parts[:-1], member.linkname, create=False)
    try:
        if not parts or not stat.S_ISREG(os.stat(parts[-1], dir_fd=source, follow_symlinks=False).st_mode):
            raise BadArchive(f"{member.name!r} is a link to {member.linkname!r}, which is no file of the archive")
        if parts != _parts(member.name):
            _clear(folder, name)
            os.link(parts[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(source)


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

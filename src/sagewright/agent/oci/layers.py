"""Layers onto a root file system: a tar that anybody may have made, applied below one folder and never outside of it.

Every path is resolved here, component by component from a descriptor of the root, as a program inside the image would
resolve it: an absolute link begins at the root, ``..`` at the root stays there. The host's own resolution is never
asked, so that no order of links, folders and files leads outside.

What an image cannot bring along: device files and pipes are left out; set-user-id and set-group-id bits, owners,
extended attributes and capabilities are dropped. Everything belongs to whoever unpacks, and its owner can read it.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .documents import BadImage

MAX_MEMBERS = 4_000_000
MAX_HEADER = 2**20
MAX_LINKS = 40
"""Symbolic links in one path, as the kernel allows."""
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
MOUNT_POINTS = ("proc", "sys", "dev", "run", "tmp", "var/tmp", "opt/ml", "etc", "root")
MOUNT_FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf")
_HEADERS = {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Member(tarfile.TarInfo):
    """Refuses extended headers of a size that no name needs: the module would read them into memory whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > MAX_HEADER:
            raise BadImage(f"an extended header of {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return found


class Budget:
    """What is left of the bytes and members that one image may unpack to."""

    def __init__(self, most: int) -> None:
        self.most = self.left = most
        self.members = MAX_MEMBERS

    def take(self, size: int) -> None:
        """Raises BadImage."""
        self.left -= max(size, 0) + 512  # an empty file costs room, too
        self.members -= 1
        if self.left < 0 or self.members < 0:
            raise BadImage(f"the image unpacks to more than {self.most} bytes or {MAX_MEMBERS} files")


class Tree:
    """A root file system being built, by descriptors. Close it."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._last: tuple[tuple[str, ...], int] | None = None
        """The folder entered last: an archive's members come folder by folder."""
        self._stale = False
        """Something was removed since: what a path means may have changed."""

    def close(self) -> None:
        self._forget()
        os.close(self._root)

    def _forget(self) -> None:
        if self._last is not None:
            os.close(self._last[1])
            self._last = None

    def folder(self, parts: tuple[str, ...], create: bool = True) -> int:
        """A descriptor of the folder that ``parts`` mean inside the root; it is valid until the next call.

        Raises:
            BadImage: something that is no folder is in the way, or (without ``create``) nothing is there.
        """
        if self._last is not None and self._last[0] == parts and not self._stale:
            return self._last[1]
        fd = self._walk(parts, create)
        self._forget()
        self._last, self._stale = (parts, fd), False
        return fd

    def _walk(self, parts: tuple[str, ...], create: bool) -> int:
        todo, links = list(reversed(parts)), 0
        way = [os.dup(self._root)]
        try:
            while todo:
                part = todo.pop()
                if part in ("", "."):
                    continue
                if part == "..":
                    if len(way) > 1:
                        os.close(way.pop())
                    continue
                try:
                    way.append(os.open(part, _FOLDER, dir_fd=way[-1]))
                    continue
                except FileNotFoundError:
                    if not create:
                        raise BadImage(f"{'/'.join(parts)!r} is not in the image") from None
                    os.mkdir(part, 0o755, dir_fd=way[-1])
                    todo.append(part)
                    continue
                except OSError as error:
                    if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                        raise
                target = self._link(part, way[-1], parts)
                links += 1
                if links > MAX_LINKS:
                    raise BadImage(f"{'/'.join(parts)!r} lies behind too many links")
                if target.startswith("/"):
                    while len(way) > 1:
                        os.close(way.pop())
                todo.extend(reversed(target.split("/")))
                if len(todo) > 4096:
                    raise BadImage(f"{'/'.join(parts)!r} lies behind links that are too long")
            return way.pop()
        finally:
            for fd in way:
                os.close(fd)

    def _link(self, part: str, folder: int, parts: tuple[str, ...]) -> str:
        try:
            return os.readlink(part, dir_fd=folder)
        except OSError:
            raise BadImage(f"{'/'.join(parts)!r} lies behind {part!r}, which is no folder") from None

    def remove(self, folder: int, name: str) -> None:
        """Remove what is there, whatever it is."""
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            shutil.rmtree(name, dir_fd=folder)
        self._stale = True


def apply(layer: IO[bytes], root: Path, budget: Budget, left_out: Callable[[str], None] = lambda name: None) -> None:
    """Apply one layer, an uncompressed tar stream, to ``root``.

    Raises:
        BadImage: not a tar, a member that cannot be placed inside, or more than the budget.
    """
    tree, mine = Tree(root), set[tuple[str, ...]]()
    try:
        with tarfile.open(fileobj=layer, mode="r|", tarinfo=Member, ignore_zeros=False) as tar:
            for member in tar:
                budget.take(member.size if member.isreg() else 0)
                parts = _parts(member.name)
                if not parts:
                    continue
                if parts[-1].startswith(WHITEOUT):
                    _white_out(tree, parts, mine)
                elif member.ischr() or member.isblk() or member.isfifo():
                    left_out(member.name)
                else:
                    _place(tree, tar, member, parts)
                    mine.update(parts[:n] for n in range(1, len(parts) + 1) if parts[:n] not in mine)
    except (tarfile.TarError, EOFError, ValueError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise BadImage(f"a layer is no readable tar archive: {error}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        raise BadImage(f"a layer cannot be unpacked: {error}") from None
    finally:
        tree.close()


def _parts(name: str) -> tuple[str, ...]:
    """Components of a member's name; a leading slash means the root, as everywhere in an image."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts or "\0" in name:
        raise BadImage(f"a layer has a member {name!r}")
    return parts


def _place(tree: Tree, tar: tarfile.TarFile, member: tarfile.TarInfo, parts: tuple[str, ...]) -> None:
    folder, name = tree.folder(parts[:-1]), parts[-1]
    if member.isdir():
        _make_folder(tree, folder, name, member.mode)
    elif member.issym():
        tree.remove(folder, name)
        os.symlink(member.linkname, name, dir_fd=folder)
    elif member.islnk():
        _hard_link(tree, parts, member)
    elif member.isreg():
        tree.remove(folder, name)
        source = tar.extractfile(member)
        assert source is not None
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with os.fdopen(fd, "wb", buffering=0) as file:
            shutil.copyfileobj(source, file, 2**20)
            os.fchmod(fd, (member.mode & 0o777) | 0o600)
            with contextlib.suppress(OverflowError, OSError, ValueError):  # times beyond what the file system knows
                os.utime(fd, (member.mtime, member.mtime))
    else:
        raise BadImage(f"{member.name!r} is of a kind that images do not have")


def _make_folder(tree: Tree, folder: int, name: str, mode: int) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            tree.remove(folder, name)
            os.mkdir(name, 0o755, dir_fd=folder)
    fd = os.open(name, _FOLDER, dir_fd=folder)
    try:
        os.fchmod(fd, (mode & 0o1777) | 0o700)
    finally:
        os.close(fd)


def _hard_link(tree: Tree, parts: tuple[str, ...], member: tarfile.TarInfo) -> None:
    target = _parts(member.linkname)
    if not target:
        raise BadImage(f"{member.name!r} is a link to the root")
    if target == parts:
        return
    source = os.dup(tree.folder(target[:-1], create=False))
    try:
        try:
            kind = os.stat(target[-1], dir_fd=source, follow_symlinks=False).st_mode
        except FileNotFoundError:
            raise BadImage(f"{member.name!r} is a link to {member.linkname!r}, which is not in the image") from None
        if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
            raise BadImage(f"{member.name!r} is a link to {member.linkname!r}, which is no file")
        folder = tree.folder(parts[:-1])
        here = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False) if _is_there(folder, parts[-1]) else None
        there = os.stat(target[-1], dir_fd=source, follow_symlinks=False)
        if here is not None and (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return
        tree.remove(folder, parts[-1])
        os.link(target[-1], parts[-1], src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(source)


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _white_out(tree: Tree, parts: tuple[str, ...], mine: set[tuple[str, ...]]) -> None:
    """A marker of this layer: something of the layers below is gone."""
    try:
        folder = tree.folder(parts[:-1], create=False)
    except BadImage:
        return  # nothing to remove
    if parts[-1] == OPAQUE:
        _clear(tree, folder, parts[:-1], mine)
        return
    name = parts[-1][len(WHITEOUT):]
    if name.startswith(WHITEOUT):
        return  # notes that AUFS keeps for itself
    if name in ("", ".", ".."):
        raise BadImage(f"a layer has a member {'/'.join(parts)!r}")
    tree.remove(folder, name)


def _clear(tree: Tree, folder: int, parts: tuple[str, ...], mine: set[tuple[str, ...]]) -> None:
    """Remove what the layers below have put into a folder; what this one has put there stays."""
    for name in os.listdir(folder):
        path = (*parts, name)
        if path not in mine:
            tree.remove(folder, name)
            continue
        with contextlib.suppress(OSError):
            deeper = os.open(name, _FOLDER, dir_fd=folder)
            try:
                _clear(tree, deeper, path, mine)
            finally:
                os.close(deeper)


def finish(root: Path) -> None:
    """Put mount points where a job will have something of its own, unless the image has them."""
    tree = Tree(root)
    try:
        for path in MOUNT_POINTS:
            parts = tuple(path.split("/"))
            with contextlib.suppress(BadImage):
                fd = tree.folder(parts)
                if path.endswith("tmp"):
                    os.fchmod(fd, 0o1777)
        for path in MOUNT_FILES:
            parts = tuple(path.split("/"))
            with contextlib.suppress(BadImage, FileExistsError):
                os.close(os.open(parts[-1], os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=tree.folder(parts[:-1])))
    finally:
        tree.close()


def read_inside(root: Path, path: str, limit: int = 2**20) -> bytes | None:
    """The first ``limit`` bytes of a regular file of an image, its links resolved inside; None if there is none."""
    tree, parts = Tree(root), _parts(path)
    try:
        for _ in range(MAX_LINKS):
            folder = tree.folder(parts[:-1], create=False)
            try:
                fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            except OSError:
                target = os.readlink(parts[-1], dir_fd=folder)
                base = () if target.startswith("/") else parts[:-1]
                parts = tuple(os.path.normpath("/" + "/".join((*base, target))).strip("/").split("/"))
                continue
            try:
                return os.read(fd, limit) if stat.S_ISREG(os.fstat(fd).st_mode) else None
            finally:
                os.close(fd)
    except (BadImage, OSError):
        pass
    finally:
        tree.close()
    return None


class Digesting:
    """A stream that knows the digest of what was read from it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._hash = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    def digest(self, limit: int) -> str:
        """Of the whole stream: reads it to its end. Raises BadImage when that is more than ``limit`` bytes away."""
        while data := self.read(2**20):
            limit -= len(data)
            if limit < 0:
                raise BadImage("a layer goes on long after its archive has ended")
        return f"sha256:{self._hash.hexdigest()}"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A layer's tar, decompressed by what its first bytes say: gzip, zstd, xz or nothing.

    Raises:
        BadImage: zstd, where there is nothing to decompress it.
    """
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        if magic[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=file) as plain:
                yield plain  # type: ignore[misc]
        elif magic[:4] == b"\x28\xb5\x2f\xfd":
            with _zstd(file) as plain:
                yield plain
        elif magic == b"\xfd7zXZ\x00":
            with lzma.LZMAFile(file, format=lzma.FORMAT_XZ) as plain:
                yield plain
        else:
            yield file


@contextmanager
def _zstd(file: IO[bytes]) -> Iterator[IO[bytes]]:
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # the program reads the descriptor, not what Python has read ahead
    program = shutil.which("zstd")
    if program is None:
        raise BadImage("a layer is compressed with zstd; install the program zstd, or push the image with gzip layers")
    with subprocess.Popen([program, "-dcq", "--memory=512MB"], stdin=file, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.stdout.close()
            process.kill()

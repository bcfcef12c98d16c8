"""Making a new version's file, and the bytes of it."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ...stores.objects import BadDigest, NewObject, ObjectInfo
from .digest import Digest
from .index import Row, pack
from .tree import Tree
from .versions import Versions

HOLE = 1 << 16
"""Bytes of zeros, in one piece, that a file leaves out."""
_ZEROS = bytes(HOLE)
BLOCK = 1 << 20
"""Bytes read at once: large enough that hashing frees the interpreter lock, small enough for the cache."""


class DirectoryWriter:
    """See ``stores.objects.Writer``. The file is made at the first byte or at the commit."""

    def __init__(
        self, tree: Tree, versions: Versions, temp: str, bucket: str, key: str, new: NewObject, clock: Callable[[], float]
    ) -> None:
        self._tree, self._versions, self._temp, self._clock = tree, versions, temp, clock
        self._bucket, self._key, self._new = bucket, key, new
        self.digest = Digest(algorithms(new.checksums, new.checksum_algorithm))
        self._fd: int | None = None
        self._carried: ObjectInfo | None = None

    def _file(self) -> int:
        if self._fd is None:
            self._fd = self._tree.open(self._temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        return self._fd

    def write(self, data: bytes | memoryview) -> None:
        fd = self._file()
        if len(data) < HOLE:
            write_all(fd, data)
            self.digest.update(data)
            return
        view = memoryview(data)
        for zeros, start, end in _runs(view):
            if zeros:
                os.ftruncate(fd, os.lseek(fd, end - start, os.SEEK_CUR))
            else:
                write_all(fd, view[start:end])
        self.digest.update(data)

    def take(self, path: Path, source: int) -> bool:
        """Take the file at ``path``, open as ``source``, without copying. False on another file system, or if it is shared."""
        if os.fstat(source).st_nlink > 1:
            return False  # somebody else could still change it through another name
        try:
            path.rename(self._tree.root / self._temp)
        except OSError as error:
            if error.errno == errno.EXDEV:
                return False
            raise
        self._fd = self._tree.open(self._temp, os.O_RDWR)
        os.fchmod(self._fd, 0o644)
        return True

    def copy_from(self, source: int) -> None:
        """Copy and digest a whole file."""
        copy_range(source, self._file(), 0, os.fstat(source).st_size)
        digest_file(source, self.digest)

    def adopt(self, info: ObjectInfo, source: int, *, reuse: bool) -> None:
        """Copy an object's content. ``reuse``: its ETag and checksums, already known, hold for the copy."""
        copy_range(source, self._file(), 0, info.size)
        if reuse:
            self._carried = info
        else:
            digest_file(source, self.digest)

    def commit(self) -> ObjectInfo:
        fd = self._file()
        etag, checksums = self.digest.etag, self.digest.checksums()
        if self._carried is not None:
            etag, checksums = self._carried.etag, dict(self._carried.checksums)
        try:
            expect(self._new.checksums, {**checksums, "etag": etag})
            row = self._row(fd, etag, pack(self._new, checksums))
            self._versions.publish(row, self._new.if_match, self._new.if_none_match)
        except BaseException:
            self.abort()
            raise
        os.close(fd)
        self._fd = None
        return row.info()

    def _row(self, fd: int, etag: str, extra: bytes) -> Row:
        if self._tree.durable:
            os.fsync(fd)
        seen = os.fstat(fd)
        return Row(
            self._bucket, self._key, seen.st_size, etag, self._clock(), self._new.content_type, extra,
            seen.st_ino, seen.st_mtime_ns, None, self._temp,
        )  # fmt: skip

    def abort(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._tree.remove(self._temp)


def algorithms(expected: Iterable[str], wanted: str | None) -> set[str]:
    """Checksums to compute: those to be checked and the one to keep."""
    return {*expected, *([wanted] if wanted else ())} - {"md5"}  # which is always there


def expect(promised: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raises BadDigest when a promised checksum is not what was found."""
    for name, value in promised.items():
        if name == "md5":
            name, value = "etag", base64.b64decode(value).hex()
        if found.get(name) != value:
            raise BadDigest(f"{name}: {value} was promised, {found.get(name)} was found")


def _runs(data: memoryview) -> Iterator[tuple[bool, int, int]]:
    """Stretches of zeros, which a file may leave out and still have, and of anything else; in order."""
    size, start, zeros = len(data), 0, False
    for at in range(0, size, HOLE):
        end = min(at + HOLE, size)
        empty = end - at == HOLE and not data[at] and not data[end - 1] and data[at:end] == _ZEROS
        if empty != zeros:
            if at > start:
                yield zeros, start, at
            start, zeros = at, empty
    if size > start:
        yield zeros, start, size


def write_all(fd: int, data: bytes | memoryview, offset: int | None = None) -> None:
    """Write everything, at the file's position or at ``offset``."""
    view = memoryview(data)
    while view:
        done = os.write(fd, view) if offset is None else os.pwrite(fd, view, offset)
        view = view[done:]
        if offset is not None:
            offset += done


def copy_range(source: int, target: int, offset: int, length: int) -> None:
    """Copy ``length`` bytes from ``offset`` of one file to the end of another, inside the kernel where it can."""
    while length > 0:
        hole, piece = _extent(source, offset, length)
        if hole:
            os.ftruncate(target, os.lseek(target, hole, os.SEEK_CUR))
            offset, length = offset + hole, length - hole
            continue
        try:
            done = os.copy_file_range(source, target, piece, offset)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}:
                raise
            data = os.pread(source, min(piece, BLOCK), offset)
            write_all(target, data)
            done = len(data)
        if not done:
            raise OSError(errno.EIO, "the file became shorter while it was copied")
        offset += done
        length -= done


def _extent(fd: int, offset: int, length: int) -> tuple[int, int]:
    """How much of a range a file leaves out at its beginning, and else how much of it is there in one piece."""
    try:
        if hole := os.lseek(fd, offset, os.SEEK_DATA) - offset:
            return min(hole, length), 0
        return 0, min(os.lseek(fd, offset, os.SEEK_HOLE) - offset, length)
    except OSError as error:
        left = os.fstat(fd).st_size - offset
        return (min(left, length), 0) if error.errno == errno.ENXIO and left > 0 else (0, length)


def digest_file(fd: int, digest: Digest) -> None:
    """Feed a whole file."""
    buffer = bytearray(BLOCK)
    view, offset = memoryview(buffer), 0
    with contextlib.suppress(OSError):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    while done := os.preadv(fd, [buffer], offset):
        digest.update(view[:done])
        offset += done

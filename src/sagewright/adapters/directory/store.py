"""Objects in a directory: plain files that people can look into, and an index that says which of them count.

The index is the truth. A write makes a whole file under ``tmp/``, then one commit makes it the key's version (this is
the moment it becomes visible), then the file is moved to its place and the row is *settled*. Readers take the
version's row and open whichever of the two places holds exactly that version. So a process killed at any instant
leaves the old version or the new one, and any other process can finish what it began. See docs/decisions/002.
"""

from __future__ import annotations

import builtins
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import orjson

from ...stores.objects import (
    Bucket,
    BucketExists,
    BucketNotEmpty,
    NewObject,
    NoSuchBucket,
    NoSuchKey,
    ObjectInfo,
    Page,
    Part,
    Upload,
)
from .index import Index, Row
from .listing import list_page
from .tree import ESCAPED, Tree, plain
from .uploads import DirectoryPartWriter, Uploads
from .versions import Versions
from .workspace import Workspace
from .writing import DirectoryWriter, digest_file


class DirectoryObjects:
    """The ``Objects`` port over a directory. Any number of threads and processes may use one root at once.

    Args:
        root: made if missing; only its owner may enter it.
        durable: fsync every write, so that it survives power loss, not only a killed process.
        clock: epoch seconds.
    """

    def __init__(self, root: Path, *, durable: bool = False, clock: Callable[[], float] = time.time) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root = root.resolve()
        self.durable = durable
        self.clock = clock
        for name in ("buckets", "tmp", "uploads"):
            (self.root / name).mkdir(exist_ok=True)
        self.tree = Tree(self.root, durable=durable)
        self.index = Index(self.root / "index.sqlite", durable=durable)
        self.versions = Versions(self.tree, self.index)
        self.workspace = Workspace(self.tree, self.index)
        self._uploads = Uploads(self.tree, self.index, self.versions, clock)
        self.recover()

    def recover(self) -> None:
        """Finish what killed processes began and remove what they left. Called at open; harmless at any time."""
        self.versions.settle_all()
        self.workspace.sweep()
        self._uploads.sweep()

    # buckets

    def create_bucket(self, name: str, owner: str, region: str) -> Bucket:
        if not plain(name) or name == ESCAPED:
            raise ValueError(f"not a bucket name: {name!r}")
        bucket = Bucket(name, owner, region, self.clock())
        with self.index.write() as db:
            found = db.execute("SELECT owner FROM buckets WHERE name = ?", (name,)).fetchone()
            if found:
                raise BucketExists(found[0])
            db.execute("INSERT INTO buckets VALUES (?, ?, ?, ?)", (name, owner, region, bucket.created))
            os.close(self.tree.directory(f"buckets/{name}", create=True))
        return bucket

    def bucket(self, name: str) -> Bucket | None:
        found = self.index.db.execute("SELECT name, owner, region, created FROM buckets WHERE name = ?", (name,)).fetchone()
        return Bucket(*found) if found else None

    def buckets(self) -> list[Bucket]:
        rows = self.index.db.execute("SELECT name, owner, region, created FROM buckets ORDER BY name")
        return [Bucket(*row) for row in rows]

    def delete_bucket(self, name: str) -> None:
        with self.index.write() as db:
            self._need_bucket(name)
            if db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (name,)).fetchone():
                raise BucketNotEmpty(name)
            ids = [row[0] for row in db.execute("SELECT id FROM uploads WHERE bucket = ?", (name,))]
            for upload_id in ids:
                self._uploads.forget(db, upload_id)
            db.execute("DELETE FROM buckets WHERE name = ?", (name,))
            self.versions.empty_trash(db)
            self.tree.prune(f"buckets/{name}/{ESCAPED}/x", keep=1)
        for upload_id in ids:
            self.tree.clear(f"uploads/{upload_id}")

    def _need_bucket(self, name: str) -> None:
        if not self.index.has_bucket(name):
            raise NoSuchBucket(name)

    # reading

    def head(self, bucket: str, key: str) -> ObjectInfo:
        return self._need_row(bucket, key).info()

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        row, fd = self._open(bucket, key)
        return row.info(), os.fdopen(fd, "rb")

    def local_path(self, bucket: str, key: str) -> Path | None:
        row, fd = self._open(bucket, key)
        os.close(fd)
        if row.temp is not None:
            row = self.versions.settle_now(bucket, key) or row
        return self.root / self.versions.location(row)

    def local_tree(self, bucket: str, prefix: str) -> Path | None:
        self._need_bucket(bucket)
        location = f"buckets/{bucket}/{prefix}".rstrip("/")
        try:
            os.close(self.tree.directory(location))
        except (OSError, ValueError):
            return None
        if not prefix and self.tree.names(f"{location}/{ESCAPED}"):
            return None
        for key in self.versions.unsettled(bucket, prefix):
            self.versions.settle_now(bucket, key)
        return None if self.versions.displaced(bucket, prefix) else self.root / location

    def read(self, info: ObjectInfo, start: int, size: int) -> bytes:
        row, fd = self._open(info.bucket, info.key)
        try:
            if row.etag != info.etag:
                raise NoSuchKey(info.key)
            return os.pread(fd, size, start)
        finally:
            os.close(fd)

    def list(self, bucket: str, prefix: str = "", after: str = "", delimiter: str = "", limit: int = 1000) -> Page:
        self._need_bucket(bucket)
        return list_page(self.index.db, bucket, prefix, after, delimiter, limit)

    def _need_row(self, bucket: str, key: str) -> Row:
        row = self.index.row(bucket, key)
        if row is None:
            self._need_bucket(bucket)
            raise NoSuchKey(key)
        return row

    def _open(self, bucket: str, key: str) -> tuple[Row, int]:
        for _ in range(4):  # a version replaced between the two steps is looked up again
            row = self._need_row(bucket, key)
            fd = self.versions.open(row)
            if fd is not None:
                return row, fd
        opened = self.versions.repair(bucket, key)
        if opened is None:
            raise NoSuchKey(key)
        return opened

    # writing

    def writer(self, bucket: str, key: str, new: NewObject = NewObject()) -> DirectoryWriter:
        self._need_bucket(bucket)
        return DirectoryWriter(self.tree, self.versions, self.workspace.name(), bucket, key, new, self.clock)

    def put_file(self, bucket: str, key: str, path: Path, new: NewObject = NewObject(), *, move: bool = False) -> ObjectInfo:
        self._need_bucket(bucket)
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            writer = self.writer(bucket, key, new)
            try:
                if move and writer.take(path, source):
                    digest_file(source, writer.digest)
                else:
                    writer.copy_from(source)
                info = writer.commit()
            except BaseException:
                writer.abort()
                raise
        finally:
            os.close(source)
        if move:
            path.unlink(missing_ok=True)
        return info

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str, new: NewObject | None = None) -> ObjectInfo:
        row, source = self._open(bucket, key)
        try:
            self._need_bucket(to_bucket)
            info = row.info()
            if new is None:
                new = NewObject(info.content_type, info.metadata, info.headers, tags=info.tags)
            algorithm = new.checksum_algorithm
            if algorithm is None and info.checksum_type == "COMPOSITE":
                # the copy is one whole: a checksum of parts would not describe it
                algorithm = next(iter(info.checksums), None)
            writer = self.writer(to_bucket, to_key, replace(new, checksum_algorithm=algorithm))
            try:
                writer.adopt(info, source, reuse=algorithm is None and not info.parts)
                return writer.commit()
            except BaseException:
                writer.abort()
                raise
        finally:
            os.close(source)

    def delete(self, bucket: str, keys: Iterable[str]) -> builtins.list[str]:
        self._need_bucket(bucket)
        return self.versions.delete(bucket, [*keys])

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        with self.index.write() as db:
            extra = orjson.loads(self._need_row(bucket, key).extra)
            extra["tags"] = dict(tags)
            db.execute("UPDATE objects SET extra = ? WHERE bucket = ? AND key = ?", (orjson.dumps(extra), bucket, key))

    # multipart uploads

    def begin_upload(self, bucket: str, key: str, new: NewObject) -> Upload:
        self._need_bucket(bucket)
        return self._uploads.begin(bucket, key, new)

    def upload(self, upload_id: str) -> Upload:
        return self._uploads.find(upload_id)

    def uploads(self, bucket: str, prefix: str = "") -> builtins.list[Upload]:
        self._need_bucket(bucket)
        return self._uploads.of_bucket(bucket, prefix)

    def part_writer(
        self,
        upload_id: str,
        number: int,
        checksums: Mapping[str, str] | None = None,
        algorithm: str | None = None,
        length: int | None = None,
    ) -> DirectoryPartWriter:
        return self._uploads.part_writer(upload_id, number, checksums or {}, algorithm, length)

    def parts(self, upload_id: str) -> builtins.list[Part]:
        return self._uploads.parts(upload_id)

    def complete_upload(
        self, upload_id: str, parts: builtins.list[tuple[int, str]], *, if_match: str | None = None, if_none_match: bool = False
    ) -> ObjectInfo:
        return self._uploads.complete(upload_id, parts, if_match, if_none_match)

    def abort_upload(self, upload_id: str) -> None:
        self._uploads.abort(upload_id)

    def close(self) -> None:
        self.workspace.close()
        self.index.close()
        self.tree.close()


"""Multipart uploads.

Parts of one size go to their *slots* in one shared file, so that completing is a rename, however large the object. A
part claims its slot before it writes and a claimed slot is never written again: what does not fit (another size, a
second attempt, an unknown length) becomes a file of its own, and completing then joins the parts by copying.
"""

from __future__ import annotations

import os
import re
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import pairwise

import orjson

from ...stores.objects import InvalidPart, NewObject, NoSuchUpload, ObjectInfo, Part, PartTooSmall, Upload
from .digest import Digest, multipart_checksum, multipart_etag, multipart_type
from .index import Index, Row, pack
from .tree import Tree
from .versions import Versions
from .writing import algorithms, copy_range, expect, write_all

SMALLEST = 5 * 2**20
"""Bytes: the least that a part may have, the last one excepted."""
_FARTHEST = 2**43
"""Bytes: where the shared file ends; ext4 files hold 16 TiB."""
_SHARED = "content"


class DirectoryPartWriter:
    """See ``stores.objects.PartWriter``."""

    def __init__(self, uploads: Uploads, upload: str, number: int, expected: Mapping[str, str], algorithm: str | None) -> None:
        self._uploads, self._upload, self._number, self._expected = uploads, upload, number, dict(expected)
        self._digest = Digest(algorithms(expected, algorithm))
        self._size = 0
        self.slot: tuple[int, int] | None = None
        """(offset, length) in the shared file."""
        self.file = f"{number}.{uuid.uuid4().hex}"
        self._fd: int | None = None

    def open(self) -> None:
        """Make the file ready."""
        folder = f"uploads/{self._upload}"
        if self.slot is None:
            self._fd = self._uploads.tree.open(f"{folder}/{self.file}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        else:
            self._fd = self._uploads.tree.open(f"{folder}/{_SHARED}", os.O_WRONLY | os.O_CREAT)

    def write(self, data: bytes | memoryview) -> None:
        if self._fd is None:
            raise ValueError("this part is closed")
        if self.slot is None:
            write_all(self._fd, data)
        else:
            offset, length = self.slot
            if self._size + len(data) > length:
                raise ValueError("a part is longer than it was said to be")
            write_all(self._fd, data, offset + self._size)
        self._size += len(data)
        self._digest.update(data)

    def commit(self) -> Part:
        if self._fd is None:
            raise ValueError("this part is closed")
        try:
            if self.slot is not None and self._size != self.slot[1]:
                raise ValueError("a part is shorter than it was said to be")
            checksums = self._digest.checksums()
            expect(self._expected, {**checksums, "etag": self._digest.etag})
            if self._uploads.tree.durable:
                os.fsync(self._fd)
            part = Part(self._number, self._size, self._digest.etag, self._uploads.clock(), checksums)
            self._uploads.keep(self._upload, part, None if self.slot else self.file)
        except BaseException:
            self.abort()
            raise
        os.close(self._fd)
        self._fd = None
        return part

    def abort(self) -> None:
        if self._fd is None:
            return
        os.close(self._fd)
        self._fd = None
        if self.slot is None:
            self._uploads.tree.remove(f"uploads/{self._upload}/{self.file}")
        else:
            self._uploads.release(self._upload, self._number)


class Uploads:
    """The uploads of one store."""

    def __init__(self, tree: Tree, index: Index, versions: Versions, clock: Callable[[], float]) -> None:
        self.tree, self.index, self.versions, self.clock = tree, index, versions, clock

    def begin(self, bucket: str, key: str, new: NewObject) -> Upload:
        upload = Upload(uuid.uuid4().hex, bucket, key, self.clock(), new)
        with self.index.write() as db:
            values = (upload.id, bucket, key, upload.started, orjson.dumps(asdict(new)))
            db.execute("INSERT INTO uploads (id, bucket, key, started, new) VALUES (?, ?, ?, ?, ?)", values)
        return upload

    def find(self, upload_id: str) -> Upload:
        query = "SELECT id, bucket, key, started, new FROM uploads WHERE id = ?"
        found = self.index.db.execute(query, (upload_id,)).fetchone()
        if found is None:
            raise NoSuchUpload(upload_id)
        return _upload(found)

    def of_bucket(self, bucket: str, prefix: str) -> list[Upload]:
        query = "SELECT id, bucket, key, started, new FROM uploads WHERE bucket = ? AND key >= ? ORDER BY key, started"
        rows = self.index.db.execute(query, (bucket, prefix))
        return [_upload(row) for row in rows if row[1 + 1].startswith(prefix)]

    def part_writer(
        self, upload_id: str, number: int, checksums: Mapping[str, str], algorithm: str | None, length: int | None
    ) -> DirectoryPartWriter:
        if not 1 <= number <= 10_000:
            raise InvalidPart("part numbers go from 1 to 10,000")
        upload = self.find(upload_id)
        writer = DirectoryPartWriter(self, upload_id, number, checksums, algorithm or upload.new.checksum_algorithm)
        if length:
            writer.slot = self._claim(upload_id, number, length)
        writer.open()
        return writer

    def _claim(self, upload_id: str, number: int, length: int) -> tuple[int, int] | None:
        with self.index.write() as db:
            found = db.execute("SELECT slot FROM uploads WHERE id = ?", (upload_id,)).fetchone()
            if found is None:
                raise NoSuchUpload(upload_id)
            slot = found[0]
            if slot is None and length >= SMALLEST:
                slot = length
                db.execute("UPDATE uploads SET slot = ? WHERE id = ?", (slot, upload_id))
            if slot is None or length > slot or number * slot > _FARTHEST:
                return None
            taken = db.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (upload_id, number)).rowcount == 0
            return None if taken else ((number - 1) * slot, length)

    def release(self, upload_id: str, number: int) -> None:
        """Give a slot back whose writer has closed the file."""
        with self.index.write() as db:
            db.execute("DELETE FROM claims WHERE upload = ? AND number = ?", (upload_id, number))

    def keep(self, upload_id: str, part: Part, file: str | None) -> None:
        """Record a written part; an earlier one of its number is dropped."""
        with self.index.write() as db:
            if db.execute("SELECT 1 FROM uploads WHERE id = ?", (upload_id,)).fetchone() is None:
                raise NoSuchUpload(upload_id)
            old = db.execute("SELECT file FROM parts WHERE upload = ? AND number = ?", (upload_id, part.number)).fetchone()
            values = (upload_id, part.number, part.size, part.etag, part.modified, orjson.dumps(dict(part.checksums)), file)
            db.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        if old and old[0]:
            self.tree.remove(f"uploads/{upload_id}/{old[0]}")

    def parts(self, upload_id: str) -> list[Part]:
        self.find(upload_id)
        return [part for part, _ in self._parts(upload_id).values()]

    def _parts(self, upload_id: str) -> dict[int, tuple[Part, str | None]]:
        query = "SELECT number, size, etag, modified, checksums, file FROM parts WHERE upload = ? ORDER BY number"
        rows = self.index.db.execute(query, (upload_id,)).fetchall()
        return {row[0]: (Part(row[0], row[1], row[2], row[3], orjson.loads(row[4])), row[5]) for row in rows}

    def complete(self, upload_id: str, wanted: list[tuple[int, str]], if_match: str | None, if_none_match: bool) -> ObjectInfo:
        upload = self.find(upload_id)
        chosen = self._chosen(upload_id, wanted)
        folder = f"uploads/{upload_id}"
        joined = None if self._in_place(upload_id, chosen) else f"{folder}/joined.{uuid.uuid4().hex}"
        if joined:
            self._join(upload_id, chosen, joined)
        try:
            row = self._row(upload, chosen, joined) if joined else None
            with self.index.write() as db:
                if self._chosen(upload_id, wanted) != chosen or not (joined or self._in_place(upload_id, chosen)):
                    raise InvalidPart("a part was uploaded again while the upload was completed")
                if row is None:  # measured, and cut to its size, while no part can be begun
                    row = self._row(upload, chosen, f"{folder}/{_SHARED}")
                self.versions.commit(db, row, if_match, if_none_match)
                self.forget(db, upload_id)
        except BaseException:
            if joined:
                self.tree.remove(joined)
            raise
        self.versions.settle_now(row.bucket, row.key)
        self.tree.clear(folder)
        return row.info()

    def _chosen(self, upload_id: str, wanted: list[tuple[int, str]]) -> list[tuple[Part, str | None]]:
        self.find(upload_id)
        there = self._parts(upload_id)
        chosen = []
        for number, etag in wanted:
            if number not in there or there[number][0].etag != etag:
                raise InvalidPart(f"part {number} was not uploaded, or with another ETag")
            chosen.append(there[number])
        if not chosen or any(b[0].number <= a[0].number for a, b in pairwise(chosen)):
            raise InvalidPart("parts must be named once each, in ascending order")
        for part, _ in chosen[:-1]:
            if part.size < SMALLEST:
                raise PartTooSmall(part.number, part.size, part.etag)
        return chosen

    def _in_place(self, upload_id: str, chosen: list[tuple[Part, str | None]]) -> bool:
        """Whether the shared file is the object: every slot that was ever claimed is a chosen part, without a gap."""
        slot = self.index.db.execute("SELECT slot FROM uploads WHERE id = ?", (upload_id,)).fetchone()[0]
        claimed = self.index.db.execute("SELECT count(*) FROM claims WHERE upload = ?", (upload_id,)).fetchone()[0]
        return (
            claimed == len(chosen)
            and all(file is None and part.number == n for n, (part, file) in enumerate(chosen, 1))
            and all(part.size == slot for part, _ in chosen[:-1])
        )

    def _join(self, upload_id: str, chosen: list[tuple[Part, str | None]], target: str) -> None:
        slot = self.index.db.execute("SELECT slot FROM uploads WHERE id = ?", (upload_id,)).fetchone()[0]
        out = self.tree.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            for part, file in chosen:
                source = self.tree.open(f"uploads/{upload_id}/{file or _SHARED}")
                try:
                    copy_range(source, out, 0 if file else (part.number - 1) * slot, part.size)
                finally:
                    os.close(source)
        except BaseException:
            self.tree.remove(target)
            raise
        finally:
            os.close(out)

    def _row(self, upload: Upload, chosen: list[tuple[Part, str | None]], temp: str) -> Row:
        parts = [part for part, _ in chosen]
        checksums, kind, algorithm = {}, "FULL_OBJECT", upload.new.checksum_algorithm
        if algorithm:
            kind = multipart_type(algorithm, upload.new.checksum_type)
            whole = multipart_checksum(algorithm, kind, [(part.size, part.checksums) for part in parts])
            checksums = {algorithm: whole} if whole else {}
        fd = self.tree.open(temp, os.O_RDWR | os.O_CREAT)
        try:
            size = sum(part.size for part in parts)
            if os.fstat(fd).st_size > size:
                os.ftruncate(fd, size)  # what a part left in a slot that it gave back
            if self.tree.durable:
                os.fsync(fd)
            seen = os.fstat(fd)
        finally:
            os.close(fd)
        extra = pack(upload.new, checksums, kind, [part.size for part in parts])
        return Row(
            upload.bucket, upload.key, seen.st_size, multipart_etag(part.etag for part in parts), self.clock(),
            upload.new.content_type, extra, seen.st_ino, seen.st_mtime_ns, None, temp,
        )  # fmt: skip

    def abort(self, upload_id: str) -> None:
        with self.index.write() as db:
            self.find(upload_id)
            self.forget(db, upload_id)
        self.tree.clear(f"uploads/{upload_id}")

    def forget(self, db: sqlite3.Connection, upload_id: str) -> None:
        """Inside a write transaction: drop every row of an upload."""
        db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))
        db.execute("DELETE FROM parts WHERE upload = ?", (upload_id,))
        db.execute("DELETE FROM claims WHERE upload = ?", (upload_id,))

    def sweep(self) -> None:
        """Remove folders of uploads that are over, and the claims and files that dead writers left in open ones are kept
        until those end. Published files must have been settled before."""
        with self.index.write() as db:
            live = {row[0] for row in db.execute("SELECT id FROM uploads")}
            unsettled = {row[0].split("/")[1] for row in db.execute("SELECT temp FROM objects WHERE temp LIKE 'uploads/%'")}
            for name in self.tree.names("uploads"):
                if name not in live and name not in unsettled and re.fullmatch(r"[0-9a-f]{32}", name):
                    self.tree.clear(f"uploads/{name}")


def _upload(row: tuple[str, str, str, float, bytes]) -> Upload:
    return Upload(row[0], row[1], row[2], row[3], NewObject(**orjson.loads(row[4])))

"""Versions: publish one, open one, settle it in its place, delete it, repair what somebody else has changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from dataclasses import replace
from typing import Any

import orjson

from ...stores.objects import PreconditionFailed
from .index import COLUMNS, Index, Row
from .listing import successor
from .tree import CLASHES, Tree, escaped, natural

_WRITE = f"INSERT OR REPLACE INTO objects ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"


class Versions:
    """The step between index and files."""

    def __init__(self, tree: Tree, index: Index) -> None:
        self.tree = tree
        self.index = index

    def location(self, row: Row) -> str:
        """Where the settled version lies."""
        return row.path or natural(row.bucket, row.key) or escaped(row.bucket, row.key)

    def open(self, row: Row) -> int | None:
        """A descriptor of exactly this version; None if it is not (or no longer) there."""
        for location in (row.temp, self.location(row)):
            if location is None:
                continue
            try:
                fd = self.tree.open(location)
            except OSError:
                continue
            if _is(os.fstat(fd), row):
                return fd
            os.close(fd)
        return None

    def publish(self, row: Row, if_match: str | None, if_none_match: bool) -> None:
        """Make the file at ``row.temp`` the current version of its key, then put it in its place.

        Raises:
            NoSuchBucket, PreconditionFailed: nothing was published; the file is still the caller's.
        """
        place = None
        try:
            with self.index.write() as db:
                old = self._admit(row, if_match, if_none_match)
                if old is None:
                    # No version can be lost by moving before the commit: until then nobody sees the file.
                    place = self._move(row)
                    _write(db, row, self._path(row, place), None)
                else:
                    _write(db, row, old.path if old.temp is None else self._settle(db, old), row.temp)
        except BaseException:
            if place is not None:
                self.tree.move(place, row.temp or "")
            raise
        if place is not None:
            return
        settled = self.settle_now(row.bucket, row.key)
        if row.temp is not None and (settled is None or settled.inode != row.inode):
            self.tree.remove(row.temp)  # of a version that was replaced before it was settled

    def commit(self, db: sqlite3.Connection, row: Row, if_match: str | None, if_none_match: bool) -> None:
        """Inside a write transaction: check the conditions and write the row, its file still at ``row.temp``."""
        old = self._admit(row, if_match, if_none_match)
        path = None
        if old is not None:
            path = old.path if old.temp is None else self._settle(db, old)
        _write(db, row, path, row.temp)

    def _admit(self, row: Row, if_match: str | None, if_none_match: bool) -> Row | None:
        """The version that a write replaces. Raises NoSuchBucket, PreconditionFailed."""
        old = self.index.current(row.bucket, row.key)
        if if_none_match and old is not None:
            raise PreconditionFailed("If-None-Match")
        if if_match is not None and (old is None or if_match not in ("*", old.etag)):
            raise PreconditionFailed("If-Match")
        return old

    def settle_now(self, bucket: str, key: str) -> Row | None:
        """Put a key's version in its place; its row after that."""
        with self.index.write() as db:
            row = self.index.row(bucket, key)
            if row is not None and row.temp is not None:
                return replace(row, path=self._settle(db, row), temp=None)
            return row

    def settle_all(self) -> None:
        """Settle what killed processes left unsettled, and delete what they had begun to delete."""
        with self.index.write() as db:
            for found in db.execute(f"SELECT {COLUMNS} FROM objects WHERE temp IS NOT NULL").fetchall():
                self._settle(db, Row(*found))
            self.empty_trash(db)

    def _settle(self, db: sqlite3.Connection, row: Row) -> str | None:
        """Move ``row.temp`` to the version's place, under the write lock. Returns the row's new ``path``."""
        path = self._path(row, self._move(row))
        db.execute("UPDATE objects SET temp = NULL, path = ? WHERE bucket = ? AND key = ?", (path, row.bucket, row.key))
        return path

    def _move(self, row: Row) -> str:
        """Move ``row.temp`` to the version's place, and say where that is."""
        candidate = row.path or natural(row.bucket, row.key)
        if candidate is not None:
            try:
                if self._moved(row, candidate):
                    return candidate
            except OSError as error:
                if error.errno not in CLASHES or candidate == escaped(row.bucket, row.key):
                    raise
        fallback = escaped(row.bucket, row.key)
        if candidate != fallback:
            self._moved(row, fallback)
        return fallback

    def _moved(self, row: Row, place: str) -> bool:
        """Whether the version is at ``place`` now. Raises OSError."""
        try:
            self.tree.move(row.temp or "", place)
        except FileNotFoundError:  # moved by a process that was killed before it could say so
            seen = self.tree.stat(place)
            return seen is not None and _is(seen, row)
        return True

    @staticmethod
    def _path(row: Row, place: str) -> str | None:
        """What the row keeps of a place: nothing of the natural one."""
        return None if place == natural(row.bucket, row.key) else place

    def unsettled(self, bucket: str, prefix: str) -> list[str]:
        """Keys of a prefix whose current version is not in its place yet."""
        return [row[0] for row in self._under(bucket, prefix, "SELECT key", "temp IS NOT NULL")]

    def displaced(self, bucket: str, prefix: str) -> bool:
        """Whether an object of a prefix cannot lie where its key says; markers of folders do not count."""
        return bool(self._under(bucket, prefix, "SELECT 1", "path IS NOT NULL AND key NOT LIKE '%/'", "LIMIT 1"))

    def _under(self, bucket: str, prefix: str, select: str, condition: str, rest: str = "") -> list[tuple[Any, ...]]:
        end = successor(prefix)
        bound, values = ("", ()) if end is None else (" AND key < ?", (end,))
        query = f"{select} FROM objects WHERE bucket = ? AND key >= ?{bound} AND {condition} {rest}"
        return self.index.db.execute(query, (bucket, prefix, *values)).fetchall()

    def delete(self, bucket: str, keys: list[str]) -> list[str]:
        """Forget keys in one commit, then unlink their files. Returns the keys that existed."""
        gone: list[str] = []
        with self.index.write() as db:
            for key in keys:
                row = self.index.row(bucket, key)
                if row is None:
                    continue
                if row.temp is not None:
                    self._settle(db, row)
                    row = self.index.row(bucket, key) or row
                db.execute("INSERT OR REPLACE INTO trash VALUES (?, ?, ?)", (self.location(row), row.inode, row.stamp))
                db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
                gone.append(key)
        if gone:
            with self.index.write() as db:
                self.empty_trash(db)
        return gone

    def empty_trash(self, db: sqlite3.Connection) -> None:
        """Unlink deleted versions, under the write lock. A newer version at the same place stays."""
        for location, inode, stamp in db.execute("SELECT location, inode, stamp FROM trash").fetchall():
            seen = self.tree.stat(location)
            if seen is not None and (seen.st_ino, seen.st_mtime_ns) == (inode, stamp):
                self.tree.remove(location)
            self.tree.prune(location, keep=2)
        db.execute("DELETE FROM trash")

    def repair(self, bucket: str, key: str) -> tuple[Row, int] | None:
        """Open a key whose file is not the one the index knows, with every writer held off.

        A file that is gone (a person removed it) takes its row with it. A changed one (edited in place, or restored
        from a backup with new inodes) is read anew, so that size and ETag tell the truth again.
        """
        with self.index.write() as db:
            row = self.index.row(bucket, key)
            if row is None:
                return None
            if row.temp is not None:
                self._settle(db, row)
                row = self.index.row(bucket, key) or row
            try:
                fd = self.tree.open(self.location(row))
            except OSError:
                db.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
                return None
            seen = os.fstat(fd)
            if (seen.st_size, seen.st_mtime_ns) != (row.size, row.stamp):
                with os.fdopen(os.dup(fd), "rb") as file:
                    etag = hashlib.file_digest(file, "md5").hexdigest()
                os.lseek(fd, 0, os.SEEK_SET)
                if etag != row.etag:
                    kept = {k: v for k, v in orjson.loads(row.extra).items() if k not in {"checksums", "type", "parts"}}
                    db.execute(
                        "UPDATE objects SET size = ?, etag = ?, modified = ?, extra = ? WHERE bucket = ? AND key = ?",
                        (seen.st_size, etag, seen.st_mtime, orjson.dumps(kept), bucket, key),
                    )
            db.execute(
                "UPDATE objects SET inode = ?, stamp = ? WHERE bucket = ? AND key = ?", (seen.st_ino, seen.st_mtime_ns, bucket, key)
            )
            return self.index.row(bucket, key) or row, fd


def _write(db: sqlite3.Connection, row: Row, path: str | None, temp: str | None) -> None:
    """Make ``row`` the version of its key, with its file where ``path`` and ``temp`` say."""
    db.execute(_WRITE, (
        row.bucket, row.key, row.size, row.etag, row.modified, row.content_type, row.extra, row.inode, row.stamp, path, temp,
    ))  # fmt: skip


def _is(seen: os.stat_result, row: Row) -> bool:
    return (seen.st_ino, seen.st_mtime_ns, seen.st_size) == (row.inode, row.stamp, row.size)

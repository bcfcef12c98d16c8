"""The index: one SQLite file that says which version of which key is the current one. It is the truth; see store.py."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from ...stores.objects import NewObject, NoSuchBucket, ObjectInfo

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, owner TEXT, region TEXT, created REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT, key TEXT,
    size INTEGER, etag TEXT, modified REAL, content_type TEXT, extra BLOB,
    inode INTEGER, stamp INTEGER,  -- st_ino and st_mtime_ns of the version's file
    path TEXT,                     -- location, when it is not the natural one
    temp TEXT,                     -- location until the file is moved to its path
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsettled ON objects (temp) WHERE temp IS NOT NULL;
CREATE TABLE IF NOT EXISTS trash (location TEXT PRIMARY KEY, inode INTEGER, stamp INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT, key TEXT, started REAL, new BLOB,
    slot INTEGER                   -- bytes of a part in the shared file, fixed by the first part that goes there
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (bucket, key, started);
CREATE TABLE IF NOT EXISTS claims (upload TEXT, number INTEGER, PRIMARY KEY (upload, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT, number INTEGER, size INTEGER, etag TEXT, modified REAL, checksums BLOB,
    file TEXT,                     -- name in the upload's folder; NULL: in its slot of the shared file
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
"""
COLUMNS = "bucket, key, size, etag, modified, content_type, extra, inode, stamp, path, temp"
_CURRENT = (
    f"SELECT {', '.join(f'o.{name}' for name in COLUMNS.split(', '))} FROM buckets b"
    " LEFT JOIN objects o ON o.bucket = b.name AND o.key = ? WHERE b.name = ?"
)
VERSION = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One object in the index."""

    bucket: str
    key: str
    size: int
    etag: str
    modified: float
    content_type: str
    extra: bytes
    inode: int
    stamp: int
    path: str | None
    temp: str | None

    def info(self) -> ObjectInfo:
        extra = orjson.loads(self.extra)
        parts = tuple(size for size, count in extra.get("parts", ()) for _ in range(count))
        return ObjectInfo(
            self.bucket, self.key, self.size, self.etag, self.modified, self.content_type,
            extra.get("metadata", {}), extra.get("headers", {}), extra.get("checksums", {}),
            extra.get("type", "FULL_OBJECT"), parts, extra.get("tags", {}),
        )  # fmt: skip


def pack(
    new: NewObject | ObjectInfo, checksums: dict[str, str], kind: str = "FULL_OBJECT", parts: list[int] | None = None
) -> bytes:
    """What a row keeps of an object besides its columns; equal part sizes are kept as runs."""
    extra: dict[str, Any] = {
        "metadata": dict(new.metadata),
        "headers": dict(new.headers),
        "tags": dict(new.tags),
        "checksums": checksums,
        "type": kind if kind != "FULL_OBJECT" else None,
        "parts": [(size, len(list(run))) for size, run in groupby(parts or ())],
    }
    return orjson.dumps({name: value for name, value in extra.items() if value})


class Index:
    """Connections to the index, one a thread. Any number of processes may have it open."""

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self._path = path
        self._durable = durable
        self._local = threading.local()
        self._writing = threading.Lock()
        self._guard = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        with self.write() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise RuntimeError(f"{path} was written by a newer release (layout {version}, this one knows {VERSION})")
            if version < VERSION:
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {VERSION}")

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection, for reading."""
        found: sqlite3.Connection | None = getattr(self._local, "db", None)
        return found if found is not None else self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=60, isolation_level=None, check_same_thread=False, cached_statements=256)
        _use_wal(db)
        db.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute("PRAGMA cache_size = -8000")
        self._local.db = db
        with self._guard:
            self._connections.append(db)
        return db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the one write lock of all threads and processes. Keep it short."""
        with self._writing:  # threads queue here instead of polling SQLite's lock
            db = self.db
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def row(self, bucket: str, key: str) -> Row | None:
        found = self.db.execute(f"SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key = ?", (bucket, key)).fetchone()
        return Row(*found) if found else None

    def current(self, bucket: str, key: str) -> Row | None:
        """As ``row``, and raises NoSuchBucket: what a write has to know, in one question."""
        found = self.db.execute(_CURRENT, (key, bucket)).fetchone()
        if found is None:
            raise NoSuchBucket(bucket)
        return Row(*found) if found[0] is not None else None

    def has_bucket(self, name: str) -> bool:
        return self.db.execute("SELECT 1 FROM buckets WHERE name = ?", (name,)).fetchone() is not None

    def backup(self, target: Path) -> None:
        """A consistent copy of the index while writes go on."""
        copy = sqlite3.connect(target)
        try:
            self.db.backup(copy)
        finally:
            copy.close()

    def close(self) -> None:
        with self._guard:
            for db in self._connections:
                db.close()
            self._connections.clear()
            self._local = threading.local()


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to WAL. Unlike every other statement this one does not wait for another opener of a new file."""
    ends = time.monotonic() + 60
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.005)

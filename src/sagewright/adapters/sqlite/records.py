"""Records in one SQLite file: WAL, one writer.

Point reads and commits take tens of microseconds and run on the event loop itself; handing them to a thread would cost
more than they do. Scans run on a reader thread with its own connection. Checkpoints, which wait for the disk, run on
another thread, so that no commit stalls.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from ...stores.records import AddWork, Change, Conflict, Delete, DoneWork, Put, Query, Record, Work
from .schema import migrate
from .select import COLUMNS, page, where

CHECKPOINT_EVERY = 2000
"""Commits between two checkpoints."""


class SqliteRecords:
    """Open with ``open``; used from one event loop."""

    def __init__(self, path: Path, *, durable: bool, clock: Callable[[], float]) -> None:
        self._path, self._durable, self._clock = path, durable, clock
        self._db = self._connect()
        migrate(self._db, path)
        self._reader = self._connect()
        self._reading = threading.Lock()
        self._commits = 0
        self._checkpoint: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path, *, durable: bool = False, clock: Callable[[], float] = time.time) -> SqliteRecords:
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(path, durable=durable, clock=clock)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=256)
        db.execute("PRAGMA busy_timeout=10000")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("PRAGMA temp_store=MEMORY")
        return db

    async def get(self, kind: str, scope: str, key: str) -> Record | None:
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM records WHERE kind=? AND scope=? AND key=?", (kind, scope, key)
        ).fetchone()
        return None if row is None else record(row)

    async def find(self, kind: str, scope: str | None, query: Query = Query()) -> list[Record]:
        sql, values = page(kind, scope, query)
        rows = await asyncio.to_thread(self._read, sql, values)
        return [record(row) for row in rows]

    async def count(self, kind: str, scope: str | None, query: Query = Query()) -> int:
        clause, values = where(kind, scope, query, paged=False)
        rows = await asyncio.to_thread(self._read, f"SELECT count(*) FROM records WHERE {clause}", values)
        return int(rows[0][0])

    async def commit(self, *changes: Change) -> None:
        if not changes:
            return
        now = self._clock()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for change in changes:
                self._apply(change, now)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._commits += 1
        if self._commits >= CHECKPOINT_EVERY and (self._checkpoint is None or self._checkpoint.done()):
            self._commits = 0
            self._checkpoint = asyncio.create_task(asyncio.to_thread(self._flush))

    async def due(self, now: float, limit: int = 100) -> list[Work]:
        rows = self._db.execute(
            "SELECT id, kind, scope, key, instruction, args, due, attempt FROM work WHERE due<=? ORDER BY due, id LIMIT ?",
            (now, limit),
        ).fetchall()
        return [Work(r[0], r[1], r[2], r[3], r[4], orjson.loads(r[5]), r[6], r[7]) for r in rows]

    async def next_due(self) -> float | None:
        found = self._db.execute("SELECT min(due) FROM work").fetchone()[0]
        return None if found is None else float(found)

    async def backup(self, target: str) -> None:
        def copy() -> None:
            with contextlib.closing(self._connect()) as source, contextlib.closing(sqlite3.connect(target)) as copied:
                source.backup(copied, pages=1000)

        await asyncio.to_thread(copy)

    async def close(self) -> None:
        if self._checkpoint is not None:
            await asyncio.gather(self._checkpoint, return_exceptions=True)
        with self._reading:
            self._reader.close()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def _read(self, sql: str, values: list[Any]) -> list[Any]:
        with self._reading:
            return self._reader.execute(sql, values).fetchall()

    def _flush(self) -> None:
        with contextlib.closing(self._connect()) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _apply(self, change: Change, now: float) -> None:
        match change:
            case Put():
                self._put(change, now)
            case Delete():
                self._delete(change)
            case AddWork(work):
                self._db.execute(
                    "INSERT OR REPLACE INTO work (id, kind, scope, key, instruction, args, due, attempt) VALUES (?,?,?,?,?,?,?,?)",
                    (work.id, work.kind, work.scope, work.key, work.instruction, orjson.dumps(work.args).decode(), work.due, work.attempt),
                )
            case DoneWork(number):
                self._db.execute("DELETE FROM work WHERE id=?", (number,))

    def _put(self, put: Put, now: float) -> None:
        doc, name = orjson.dumps(put.doc).decode(), put.name or put.key
        if put.expected == 0:
            created = now if put.created is None else put.created
            row = (put.kind, put.scope, put.key, doc, created, now, put.status, name, put.parent)
            done = self._db.execute(
                "INSERT INTO records (kind, scope, key, doc, version, created, modified, status, name, parent)"
                " VALUES (?,?,?,?,1,?,?,?,?,?) ON CONFLICT DO NOTHING", row,
            )
        elif put.expected is None:
            created = now if put.created is None else put.created
            done = self._db.execute(
                "INSERT INTO records (kind, scope, key, doc, version, created, modified, status, name, parent)"
                " VALUES (?,?,?,?,1,?,?,?,?,?) ON CONFLICT DO UPDATE SET doc=excluded.doc, version=version+1,"
                " modified=excluded.modified, status=excluded.status, name=excluded.name, parent=excluded.parent,"
                " created=CASE WHEN ? THEN excluded.created ELSE created END",
                (put.kind, put.scope, put.key, doc, created, now, put.status, name, put.parent, put.created is not None),
            )
        else:
            done = self._db.execute(
                "UPDATE records SET doc=?, version=version+1, modified=?, status=?, name=?, parent=?,"
                " created=coalesce(?, created) WHERE kind=? AND scope=? AND key=? AND version=?",
                (doc, now, put.status, name, put.parent, put.created, put.kind, put.scope, put.key, put.expected),
            )
        if done.rowcount != 1:
            raise Conflict(put.kind, put.key)

    def _delete(self, change: Delete) -> None:
        at = (change.kind, change.scope, change.key)
        if change.expected is None:
            self._db.execute("DELETE FROM records WHERE kind=? AND scope=? AND key=?", at)
        else:
            done = self._db.execute(
                "DELETE FROM records WHERE kind=? AND scope=? AND key=? AND version=?", (*at, change.expected)
            )
            if done.rowcount != 1:
                raise Conflict(change.kind, change.key)
        self._db.execute("DELETE FROM work WHERE kind=? AND scope=? AND key=?", at)


def record(row: tuple[Any, ...]) -> Record:
    return Record(row[0], row[1], row[2], orjson.loads(row[3]), *row[4:])

"""Run metrics in a folder: one SQLite file of series and chunks, and the segments of the log beside it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...stores.runs import Summary
from ..sqlite.schema import backup, connect, open_database
from .head import Head
from .sql import TABLES, Statements, Stored
from .store import LIMIT, ChunkedRuns

DATABASE = "metrics.sqlite"


def first(connection: sqlite3.Connection) -> None:
    """Schema version 1. Numbers of series are never used again: the log may still name them."""
    types = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "text": "TEXT", "integer": "INTEGER", "real": "REAL", "blob": "BLOB"}
    for table in TABLES:
        connection.execute(table.format(prefix="", **types))


MIGRATIONS = (first,)


class SqliteRuns(ChunkedRuns):
    """Run metrics in one folder. One process writes.

    Args:
        folder: made when missing.
        durable: fsync before a put returns (power loss); otherwise a put survives the death of the process.
        limit: points in the log before they become chunks.

    Raises:
        NewerSchema: a later release wrote the folder.
    """

    def __init__(self, folder: Path, *, durable: bool = False, limit: int = LIMIT) -> None:
        super().__init__(SqliteDisk(folder, durable=durable), limit=limit)


class SqliteDisk:
    """A folder as ``store.Disk``."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.inline = not durable
        self._folder, self._durable = folder, durable
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = open_database(folder / DATABASE, MIGRATIONS, durable=durable)
        self._db.execute("PRAGMA wal_autocheckpoint = 0")  # ``settle`` does it: no put waits for it
        self._sql = Statements("")
        self._reading: sqlite3.Connection | None = None
        self._segments = segments(folder)
        self._file = -1
        self._open_segment()

    # -- the log

    def append(self, data: bytes, sequence: int) -> None:
        at = 0
        while at < len(data):
            at += os.write(self._file, memoryview(data)[at:])
        if self._durable:
            os.fdatasync(self._file)

    def log(self) -> Iterator[bytes]:
        for path in self._segments:
            yield path.read_bytes()

    def rotate(self) -> None:
        self._open_segment()

    def trim(self, sequence: int) -> None:
        self._sql.reached(self._db, sequence)
        for path in self._segments[:-1]:
            path.unlink(missing_ok=True)
        del self._segments[:-1]

    def _open_segment(self) -> None:
        """Always a new file: an old one may end in the middle of a record."""
        number = int(self._segments[-1].suffix[1:]) + 1 if self._segments else 1
        path = self._folder / f"log.{number}"
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._durable:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)
        if self._file >= 0:
            os.close(self._file)
        self._file = opened
        self._segments.append(path)

    # -- the database

    def load(self, owner: str) -> list[Head]:
        return self._sql.load(self._db, owner)

    def owners_of(self, series: Sequence[int]) -> set[str]:
        return self._sql.owners_of(self._db, series)

    def create(self, owner: str, names: Sequence[str]) -> list[Head]:
        with self._transaction():
            return self._sql.create(self._db, owner, names)

    def seal(self, batch: Sequence[tuple[tuple[Any, ...], list[tuple[int, int, bytes]], list[int]]]) -> None:
        with self._transaction():
            self._sql.seal(self._db, batch)

    def replace(self, owner: str, heads: Sequence[tuple[tuple[Any, ...], tuple[int, bytes]]]) -> None:
        with self._transaction():
            self._sql.replace(self._db, owner, heads)

    def chunks(self, series: int, numbers: range) -> list[tuple[int, bytes]]:
        return self._sql.chunks(self._db, series, numbers.start, numbers.stop)

    def settle(self) -> None:
        self._reader().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def sequence(self) -> int:
        return self._sql.sequence(self._db)

    def read(self, wanted: Sequence[tuple[str, str]]) -> list[Stored | None]:
        reader = self._reader()
        reader.execute("BEGIN")
        try:
            return self._sql.read(reader, wanted)
        finally:
            reader.execute("COMMIT")

    def summaries(self, owners: Sequence[str], names: Sequence[str] | None) -> list[tuple[str, Summary]]:
        return self._sql.summaries(self._reader(), owners, names)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._reading is not None:
            self._reading.close()
        self._db.close()

    def _reader(self) -> sqlite3.Connection:
        """Used by one thread, while another writes."""
        if self._reading is None:
            self._reading = connect(self._folder / DATABASE)
        return self._reading

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def segments(folder: Path) -> list[Path]:
    """Files of the log, oldest first."""
    found = [path for path in folder.glob("log.*") if path.suffix[1:].isdigit()]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def copy(folder: Path, target: Path) -> None:
    """A consistent copy while a server writes: the log first, so that what is carried over meanwhile is there twice."""
    if not (folder / DATABASE).exists():
        return
    target.mkdir(mode=0o700)
    for path in segments(folder):
        with contextlib.suppress(FileNotFoundError):  # its points are in the database by now
            (target / path.name).write_bytes(path.read_bytes())
    connection = connect(folder / DATABASE)
    try:
        backup(connection, target / DATABASE)
    finally:
        connection.close()

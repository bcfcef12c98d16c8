"""Records on SQLite: point reads and small commits run inline, long scans and checkpoints on threads of their own.

See docs/decisions/003-records-inline.md for why and for the measurements.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ...stores.records import Change, Query, Record, Work
from .engine import MIGRATIONS, Engine
from .group import GroupCommit
from .schema import backup, connect, open_database

CHECKPOINT_BYTES = 8 * 2**20
"""Of log, before the checkpointing thread carries it into the database."""
PAGE = 4096
FEW = 50
"""Records read inline."""
LONGEST_LOG = 64 * 2**20
"""Of log, before the writers are made to wait until it can start over."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class SqliteRecords:
    """The Records port over one file. One process writes; its path may be read by others.

    Args:
        path: the database file; made when missing.
        durable: fsync before a commit returns (power loss), grouping commits that arrive together; otherwise a commit
            survives the death of the process, not of the machine.
        clock: epoch seconds.

    Raises:
        NewerSchema: a later release wrote the file.
    """

    def __init__(self, path: Path, *, durable: bool = False, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = Path(path), clock
        connection = open_database(self._path, MIGRATIONS, durable=durable)
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # the thread does it: a commit never waits for it
        self._engine = Engine(connection, clock)
        self._readers = ThreadPoolExecutor(2, "records-reader")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._checkpoints = _Checkpoints(self._path)
        self._group = GroupCommit(self._open_writer, self._checkpoints.wrote) if durable else None
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, durable: bool = False, clock: Callable[[], float] = time.time) -> SqliteRecords:
        """As the constructor; a migration of a large file does not stop the event loop."""
        return await asyncio.to_thread(lambda: cls(path, durable=durable, clock=clock))

    # -- the port

    async def get(self, kind: str, scope: str, key: str) -> Record | None:
        return self._engine.get(kind, scope, key)

    async def several(self, kind: str, scope: str, keys: Sequence[str]) -> list[Record]:
        if len(keys) <= FEW:
            return self._engine.several(kind, scope, keys)
        return await self._read(lambda engine: engine.several(kind, scope, keys))

    async def find(self, kind: str, scope: str | None, query: Query = Query()) -> list[Record]:
        plan = self._engine.plan(kind, scope, query)
        if plan.quick:
            return self._engine.find(plan, query)
        return await self._read(lambda engine: engine.find(plan, query))

    async def history(self, kind: str, scope: str, query: Query = Query()) -> list[Record]:
        return await self._read(lambda engine: engine.history(kind, scope, query))

    async def count(self, kind: str, scope: str | None, query: Query = Query()) -> int:
        return await self._read(lambda engine: engine.count(kind, scope, query))

    async def commit(self, *changes: Change) -> None:
        if self._group:
            await self._group.commit(changes)
        else:
            self._checkpoints.wrote(self._engine.commit(changes))

    async def due(self, now: float, limit: int = 100) -> list[Work]:
        return self._engine.due(now, limit)

    async def next_due(self) -> float | None:
        return self._engine.next_due()

    async def backup(self, target: str) -> None:
        await self._read(lambda engine: backup(engine.connection, Path(target)))

    async def close(self) -> None:
        """Finish what runs, carry the log into the database and let go of the file. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._close)

    # -- threads

    async def _read(self, work: Callable[[Engine], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: work(self._reader()))

    def _reader(self) -> Engine:
        engine: Engine | None = getattr(self._local, "engine", None)
        if engine is None:
            connection = connect(self._path)
            self._opened.append(connection)
            engine = self._local.engine = Engine(connection, self._clock)
        return engine

    def _open_writer(self) -> Engine:
        connection = connect(self._path, durable=True)
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return Engine(connection, self._clock)

    def _close(self) -> None:
        if self._group:
            self._group.close()
        self._readers.shutdown()
        self._checkpoints.close()
        for connection in (*self._opened, self._engine.connection):
            connection.close()


def _carry(connection: sqlite3.Connection) -> None:
    """Copy the log into the database, beside the writers.

    The log starts over when a write finds it copied whole. Under writes without a pause that moment never comes by
    itself: then the copy of what is left holds the writers for some milliseconds.
    """
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if pages * PAGE > LONGEST_LOG:
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()


class _Checkpoints:
    """A thread that carries the write-ahead log into the database when enough has come together."""

    def __init__(self, path: Path) -> None:
        self._path, self._bytes, self._stopping = path, 0, False
        self._due = threading.Event()
        self._thread = threading.Thread(target=self._run, name="records-checkpoint", daemon=True)
        self._thread.start()

    def wrote(self, size: int) -> None:
        self._bytes += size
        if self._bytes >= CHECKPOINT_BYTES:
            self._bytes = 0
            self._due.set()

    def _run(self) -> None:
        with contextlib.closing(connect(self._path)) as connection:
            while True:
                self._due.wait()
                self._due.clear()
                if self._stopping:
                    return
                try:
                    _carry(connection)
                except sqlite3.Error:
                    log.exception("cannot carry the log of %s into the database; trying again with the next commits", self._path)

    def close(self) -> None:
        self._stopping = True
        self._due.set()
        self._thread.join()

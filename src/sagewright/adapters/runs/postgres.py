"""Run metrics in PostgreSQL, log and chunks alike. Needs the extra ``postgres`` (psycopg 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from ...stores.runs import Summary
from .head import Head
from .sql import TABLES, Statements, Stored
from .store import LIMIT, ChunkedRuns

PREFIX = "sagewright_runs_"
LOCK = 0x5A6E_5718
"""Advisory lock that servers starting together take turns on."""
TYPES = {
    "serial": "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "text": 'text COLLATE "C"', "integer": "bigint",
    "real": "double precision", "blob": "bytea",
}  # fmt: skip


class PostgresRuns(ChunkedRuns):
    """Run metrics in the database that a ``postgresql://`` URL names. One server writes.

    Raises:
        psycopg.OperationalError: the database cannot be reached.
    """

    def __init__(self, url: str, *, durable: bool = False, limit: int = LIMIT) -> None:
        super().__init__(PostgresDisk(url, durable=durable), limit=limit)


class PostgresDisk:
    """Tables as ``store.Disk``."""

    inline = False

    def __init__(self, url: str, *, durable: bool = False) -> None:
        self._url, self._durable = url, durable
        self._sql = Statements(PREFIX)
        self._db, self._reading = self._connect(), self._connect()
        with self._db.transaction():
            self._db.execute("SELECT pg_advisory_xact_lock(?)", (LOCK,))
            if self._db.execute("SELECT to_regclass(?)", (f"{PREFIX}series",)).fetchone()[0] is None:
                for table in (*TABLES, "CREATE TABLE {prefix}log (id {serial}, part {integer} NOT NULL, data {blob} NOT NULL)"):
                    self._db.execute(table.format(prefix=PREFIX, **TYPES))
        self._part = int(self._db.execute(f"SELECT coalesce(max(part), 0) FROM {PREFIX}log").fetchone()[0]) + 1

    def _connect(self) -> Connection:
        connection = Connection(self._url)
        if self._durable:
            connection.execute("SET synchronous_commit = on")
        return connection

    # -- the log

    def append(self, data: bytes, sequence: int) -> None:
        self._db.execute(f"INSERT INTO {PREFIX}log (part, data) VALUES (?, ?)", (self._part, data))

    def log(self) -> Iterator[bytes]:
        numbers = [row[0] for row in self._db.execute(f"SELECT id FROM {PREFIX}log ORDER BY id").fetchall()]
        for number in numbers:
            yield bytes(self._db.execute(f"SELECT data FROM {PREFIX}log WHERE id = ?", (number,)).fetchone()[0])

    def rotate(self) -> None:
        self._part += 1

    def trim(self, sequence: int) -> None:
        with self._db.transaction():
            self._sql.reached(self._db, sequence)
            self._db.execute(f"DELETE FROM {PREFIX}log WHERE part < ?", (self._part,))

    def settle(self) -> None:
        """The database sees to it."""

    # -- the tables

    def load(self, owner: str) -> list[Head]:
        return self._sql.load(self._db, owner)

    def owners_of(self, series: Sequence[int]) -> set[str]:
        return self._sql.owners_of(self._db, series)

    def create(self, owner: str, names: Sequence[str]) -> list[Head]:
        with self._db.transaction():
            return self._sql.create(self._db, owner, names)

    def seal(self, batch: Sequence[tuple[tuple[Any, ...], list[tuple[int, int, bytes]], list[int]]]) -> None:
        with self._db.transaction():
            self._sql.seal(self._db, batch)

    def replace(self, owner: str, heads: Sequence[tuple[tuple[Any, ...], tuple[int, bytes]]]) -> None:
        with self._db.transaction():
            self._sql.replace(self._db, owner, heads)

    def chunks(self, series: int, numbers: range) -> list[tuple[int, bytes]]:
        return self._sql.chunks(self._db, series, numbers.start, numbers.stop)

    def sequence(self) -> int:
        return self._sql.sequence(self._db)

    def read(self, wanted: Sequence[tuple[str, str]]) -> list[Stored | None]:
        with self._reading.transaction():
            self._reading.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return self._sql.read(self._reading, wanted)

    def summaries(self, owners: Sequence[str], names: Sequence[str] | None) -> list[tuple[str, Summary]]:
        return self._sql.summaries(self._reading, owners, names)

    def close(self) -> None:
        self._db.close()
        self._reading.close()


class Connection:
    """A psycopg connection that takes ``?`` and opens again after the database has been away. Used by one thread at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None

    def _live(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, prepare_threshold=2)
        return self._connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        return self._live().execute(sql.replace("?", "%s").encode(), values)

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> Any:
        cursor = self._live().cursor()
        if rows:
            cursor.executemany(sql.replace("?", "%s").encode(), rows)
        return cursor

    def transaction(self) -> Any:
        return self._live().transaction()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

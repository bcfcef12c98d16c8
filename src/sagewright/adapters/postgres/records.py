"""Records on PostgreSQL, which several servers may share. Needs the extra ``postgres`` (psycopg 3)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson
from psycopg import OperationalError
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg_pool import AsyncConnectionPool

from ...stores.records import AddWork, Append, Change, Conflict, Delete, DoneWork, Put, Query, Record, Work
from ..sqlite.engine import MIGRATIONS as COPY_TABLES
from ..sqlite.schema import open_database
from . import query as sql
from .schema import Connection, migrate

OPEN_SECONDS = 30.0
CONNECTIONS = 8
ATTEMPTS = 5
"""Of a transaction that PostgreSQL gave up because of another one."""
CHUNK = 500
"""Rows at a time of a backup."""

T = TypeVar("T")
Step = tuple[str, tuple[Any, ...], Put | Delete | None]
"""(statement, values, what must have met a row or the whole batch fails)."""


class PostgresRecords:
    """The Records port over a database; made by ``open``."""

    def __init__(self, pool: AsyncConnectionPool[Connection], clock: Callable[[], float]) -> None:
        self._pool, self._clock = pool, clock

    @classmethod
    async def open(cls, url: str, *, durable: bool = False, clock: Callable[[], float] = time.time) -> PostgresRecords:
        """Connect, and create or upgrade the tables.

        Args:
            url: a ``postgresql://`` URL, as libpq reads it.
            durable: commits wait for the database's disk even where its own default says otherwise.
            clock: epoch seconds.

        Raises:
            NewerSchema: a later release wrote the tables.
            OperationalError: the database cannot be reached.
        """

        async def configure(connection: Connection) -> None:
            if durable:
                await connection.execute("SET synchronous_commit = on")

        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # what fails is raised to the caller
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url, min_size=1, max_size=CONNECTIONS, open=False, kwargs={"autocommit": True, "prepare_threshold": 2},
            configure=configure, check=AsyncConnectionPool.check_connection, timeout=OPEN_SECONDS, name="records",
        )
        try:
            await pool.open()
            async with pool.connection() as connection:
                await migrate(connection)
        except BaseException:
            await pool.close()
            raise
        return cls(pool, clock)

    # -- reading

    async def get(self, kind: str, scope: str, key: str) -> Record | None:
        rows = await self._rows(f"SELECT {sql.COLUMNS} FROM {sql.TABLE} WHERE kind = %s AND scope = %s AND key = %s", [kind, scope, key])
        return _record(rows[0]) if rows else None

    async def several(self, kind: str, scope: str, keys: Sequence[str]) -> list[Record]:
        where = "kind = %s AND scope = %s AND key = ANY(%s)"
        rows = await self._rows(f"SELECT {sql.COLUMNS} FROM {sql.TABLE} WHERE {where}", [kind, scope, list(keys)])
        found = {row[2]: _record(row) for row in rows}
        return [found[key] for key in keys if key in found]

    async def find(self, kind: str, scope: str | None, query: Query = Query()) -> list[Record]:
        scopes = [scope] if scope is not None else [row[0] for row in await self._rows(sql.SCOPES, {"kind": kind})]
        if not scopes:
            return []
        return [_record(row) for row in await self._rows(*sql.page(kind, scopes, query))]

    async def history(self, kind: str, scope: str, query: Query = Query()) -> list[Record]:
        return [_record(row) for row in await self._rows(*sql.history(kind, scope, query))]

    async def count(self, kind: str, scope: str | None, query: Query = Query()) -> int:
        return int((await self._rows(*sql.count(kind, scope, query)))[0][0])

    async def due(self, now: float, limit: int = 100) -> list[Work]:
        rows = await self._rows(
            "SELECT id, kind, scope, key, instruction, args::text, due, attempt FROM sagewright_work"
            " WHERE due <= %s ORDER BY due, id LIMIT %s", [now, limit],
        )
        return [Work(a, b, c, d, e, orjson.loads(args), at, attempt) for a, b, c, d, e, args, at, attempt in rows]

    async def next_due(self) -> float | None:
        found: float | None = (await self._rows("SELECT min(due) FROM sagewright_work", []))[0][0]
        return found

    async def _rows(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        async def read() -> list[tuple[Any, ...]]:
            async with self._pool.connection() as connection:
                return await (await connection.execute(statement, values)).fetchall()

        return await _again(read, OperationalError)

    # -- writing

    async def commit(self, *changes: Change) -> None:
        now = self._clock()
        steps = [*_locks(changes), *(step for change in changes for step in _steps(change, now))]

        async def write() -> None:
            async with self._pool.connection() as connection, connection.transaction():
                async with connection.pipeline():  # one round trip for all of them
                    done = [await connection.execute(statement, values) for statement, values, _ in steps]
                for cursor, (_, _, needed) in zip(done, steps, strict=True):
                    if needed is not None and cursor.rowcount == 0:
                        raise Conflict(needed.kind, needed.key)

        if steps:
            await _again(write, DeadlockDetected, SerializationFailure)

    # -- the rest

    async def backup(self, target: str) -> None:
        """Everything, as of one moment, into a SQLite file that SqliteRecords opens."""
        path = Path(target)
        partial = path.with_name(f"{path.name}.partial")
        partial.unlink(missing_ok=True)
        copy = await asyncio.to_thread(open_database, partial, COPY_TABLES)
        try:
            copy.execute("PRAGMA journal_mode = DELETE")
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                for table, columns in (
                    ("records", "kind, scope, key, version, created, modified, status, name, parent, doc::text"),
                    ("history", "kind, scope, key, created, doc::text"),
                    ("work", "id, kind, scope, key, instruction, args::text, due, attempt"),
                ):
                    await self._copy(connection, table, columns, copy)
        finally:
            copy.close()
        partial.replace(path)

    @staticmethod
    async def _copy(connection: Connection, table: str, columns: str, copy: sqlite3.Connection) -> None:
        into = f"INSERT INTO {table} VALUES ({', '.join('?' * (columns.count(',') + 1))})"

        def write(rows: list[tuple[Any, ...]]) -> None:
            copy.execute("BEGIN")
            copy.executemany(into, rows)
            copy.execute("COMMIT")

        async with connection.cursor(name=f"backup_{table}") as cursor:
            await cursor.execute(f"SELECT {columns} FROM sagewright_{table}")
            while rows := await cursor.fetchmany(CHUNK):
                await asyncio.to_thread(write, rows)

    async def close(self) -> None:
        await self._pool.close()


def _locks(changes: tuple[Change, ...]) -> list[Step]:
    """Lock a batch's records in one order for everybody, so that batches wait for each other instead of deadlocking."""
    touched = sorted({(c.kind, c.scope, c.key) for c in changes if isinstance(c, (Put, Delete))})
    if len(touched) < 2:
        return []
    kinds, scopes, keys = (list(part) for part in zip(*touched, strict=True))
    statement = (
        f"SELECT 1 FROM {sql.TABLE} WHERE (kind, scope, key) IN (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]))"
        " ORDER BY kind, scope, key FOR UPDATE"
    )
    return [(statement, (kinds, scopes, keys), None)]


def _steps(change: Change, now: float) -> list[Step]:
    match change:
        case Put():
            return [_put(change, now)]
        case Delete():
            at = (change.kind, change.scope, change.key)
            return [*_delete(change, at), ("DELETE FROM sagewright_work WHERE kind = %s AND scope = %s AND key = %s", at, None)]
        case Append():
            row = (change.kind, change.scope, change.key, change.at, _text(change.doc))
            return [("INSERT INTO sagewright_history (kind, scope, key, created, doc) VALUES (%s, %s, %s, %s, %s)", row, None)]
        case AddWork(work):
            values = (work.id, work.kind, work.scope, work.key, work.instruction, _text(work.args), work.due, work.attempt)
            return [(
                "INSERT INTO sagewright_work VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET"
                " kind = excluded.kind, scope = excluded.scope, key = excluded.key, instruction = excluded.instruction,"
                " args = excluded.args, due = excluded.due, attempt = excluded.attempt", values, None,
            )]
        case DoneWork(number):
            return [("DELETE FROM sagewright_work WHERE id = %s", (number,), None)]


def _put(put: Put, now: float) -> Step:
    name, doc = put.name or put.key, _text(put.doc)
    if put.expected:
        return (
            f"UPDATE {sql.TABLE} SET doc = %s, version = version + 1, modified = %s, status = %s, name = %s, parent = %s,"
            " created = coalesce(%s, created) WHERE kind = %s AND scope = %s AND key = %s AND version = %s",
            (doc, now, put.status, name, put.parent, put.created, put.kind, put.scope, put.key, put.expected), put,
        )
    created = now if put.created is None else put.created
    values: tuple[Any, ...] = (put.kind, put.scope, put.key, created, now, put.status, name, put.parent, doc)
    insert = f"INSERT INTO {sql.TABLE} VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s, %s) ON CONFLICT (kind, scope, key) DO"
    if put.expected == 0:
        return f"{insert} NOTHING", values, put
    return (
        f"{insert} UPDATE SET doc = excluded.doc, version = {sql.TABLE}.version + 1, modified = excluded.modified,"
        f" status = excluded.status, name = excluded.name, parent = excluded.parent, created = coalesce(%s, {sql.TABLE}.created)",
        (*values, put.created), None,
    )


def _delete(delete: Delete, at: tuple[str, str, str]) -> list[Step]:
    where = f"FROM {sql.TABLE} WHERE kind = %s AND scope = %s AND key = %s"
    if delete.expected is None:
        return [(f"DELETE {where}", at, None)]
    if delete.expected == 0:
        return [(f"SELECT 1 WHERE NOT EXISTS (SELECT 1 {where})", at, delete)]
    return [(f"DELETE {where} AND version = %s", (*at, delete.expected), delete)]


def _text(doc: dict[str, Any]) -> str:
    return orjson.dumps(doc).decode()


def _record(row: tuple[Any, ...]) -> Record:
    kind, scope, key, doc, *rest = row
    return Record(kind, scope, key, orjson.loads(doc), *rest)


async def _again(attempt: Callable[[], Awaitable[T]], *errors: type[Exception]) -> T:
    """Once more when it failed for a reason that passes."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(*errors):
            return await attempt()
    return await attempt()

"""The tables in PostgreSQL, and their migrations: transactional, one server at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from psycopg import AsyncConnection

LOCK = 0x5A6E_5717
"""Advisory lock that servers starting together take turns on."""

Connection = AsyncConnection[tuple[Any, ...]]
Migration = Callable[[Connection], Awaitable[None]]


class NewerSchema(RuntimeError):
    """The database was written by a later release than this one."""


async def first(connection: Connection) -> None:
    """Schema version 1. ``COLLATE "C"`` sorts by code point whatever the database's locale; ``json`` keeps the text."""
    await connection.execute("""
        CREATE TABLE sagewright_records (
            kind text COLLATE "C" NOT NULL, scope text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
            version bigint NOT NULL, created double precision NOT NULL, modified double precision NOT NULL,
            status text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, parent text COLLATE "C" NOT NULL,
            doc json NOT NULL, PRIMARY KEY (kind, scope, key))""")
    for name, columns in (
        ("created", "created, key"),
        ("modified", "modified, key"),
        ("name", "name, key"),
        ("status", "status, created, key"),
        ("status_key", "status, key"),
    ):
        await connection.execute(f"CREATE INDEX sagewright_records_{name} ON sagewright_records (kind, scope, {columns})")
    for column in ("created", "name"):
        await connection.execute(
            f"CREATE INDEX sagewright_records_parent_{column} ON sagewright_records (kind, scope, parent, {column}, key)"
            " WHERE parent <> ''"
        )
    await connection.execute("""
        CREATE TABLE sagewright_work (
            id text COLLATE "C" PRIMARY KEY, kind text COLLATE "C" NOT NULL, scope text COLLATE "C" NOT NULL,
            key text COLLATE "C" NOT NULL, instruction text NOT NULL, args json NOT NULL, due double precision NOT NULL,
            attempt integer NOT NULL)""")
    await connection.execute("CREATE INDEX sagewright_work_due ON sagewright_work (due, id)")
    await connection.execute("CREATE INDEX sagewright_work_record ON sagewright_work (kind, scope, key)")


async def second(connection: Connection) -> None:
    """Schema version 2: the audit trail becomes a history, which needs one index instead of eight."""
    await connection.execute("""
        CREATE TABLE sagewright_history (
            kind text COLLATE "C" NOT NULL, scope text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
            created double precision NOT NULL, doc json NOT NULL)""")
    await connection.execute("CREATE INDEX sagewright_history_created ON sagewright_history (kind, scope, created, key)")
    await connection.execute(
        "INSERT INTO sagewright_history SELECT kind, scope, key, created, doc FROM sagewright_records WHERE kind = 'AuditEvent'"
    )
    await connection.execute("DELETE FROM sagewright_records WHERE kind = 'AuditEvent'")


MIGRATIONS: tuple[Migration, ...] = (first, second)


async def migrate(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Create or upgrade the tables, all or nothing.

    Raises:
        NewerSchema: the tables need a later release.
        RuntimeError: the database cannot hold every text.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        encoding = await _one(connection, "SHOW server_encoding")
        if encoding != "UTF8":
            raise RuntimeError(f"The database's encoding is {encoding}; create one with ENCODING 'UTF8'.")
        await connection.execute("CREATE TABLE IF NOT EXISTS sagewright_schema (version integer NOT NULL)")
        found = int(await _one(connection, "SELECT coalesce(max(version), 0) FROM sagewright_schema"))
        if found > len(migrations):
            raise NewerSchema(
                f"The database has schema version {found}; this release knows up to {len(migrations)}. "
                "Start it with the release that wrote it, or a later one."
            )
        for number, step in enumerate(migrations[found:], found + 1):
            await step(connection)
            await connection.execute("INSERT INTO sagewright_schema VALUES (%s)", (number,))


async def _one(connection: Connection, sql: str) -> Any:
    row = await (await connection.execute(sql)).fetchone()
    assert row is not None
    return row[0]

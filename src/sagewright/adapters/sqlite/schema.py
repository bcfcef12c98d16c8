"""Opening a SQLite database of ours: file mode, pragmas, and ordered migrations with a copy made before each upgrade."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

BUSY_SECONDS = 30.0
"""How long to wait for another process's write."""

Migration = Callable[[sqlite3.Connection], None]


class NewerSchema(RuntimeError):
    """The database was written by a later release than this one."""


def connect(path: Path, *, durable: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time.

    Args:
        path: the database file.
        durable: fsync at each commit (survives power loss); otherwise commits survive a killed process.
    """
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute("PRAGMA cache_size = -8000")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def open_database(path: Path, migrations: Sequence[Migration], *, durable: bool = False) -> sqlite3.Connection:
    """Create or upgrade the database at ``path``, readable by its owner only, and connect to it.

    An upgrade first leaves a copy at ``<path>.v<old version>``.

    Raises:
        NewerSchema: the file needs a later release.
        sqlite3.DatabaseError: the file is no database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite's side files take this mode too
    connection = connect(path, durable=durable)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def version(connection: sqlite3.Connection) -> int:
    """How many migrations the database has seen; 0 when it is new."""
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(row[0] or 0)


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    connection.execute("BEGIN IMMEDIATE")  # two processes that start together take turns
    try:
        found = version(connection)
        if found > len(migrations):
            raise NewerSchema(
                f"{path} has schema version {found}; this release knows up to {len(migrations)}. "
                "Start it with the release that wrote it, or a later one."
            )
        if 0 < found < len(migrations):
            _copy(path, path.with_name(f"{path.name}.v{found}"))
        for number, migrate in enumerate(migrations[found:], found + 1):
            migrate(connection)
            connection.execute("INSERT INTO schema_version VALUES (?)", (number,))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _copy(path: Path, target: Path) -> None:
    reader = connect(path)
    try:
        backup(reader, target)
    finally:
        reader.close()


def backup(connection: sqlite3.Connection, target: Path) -> None:
    """Write a consistent copy to ``target``, whole or not at all; writers go on meanwhile."""
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection.execute("VACUUM INTO ?", (str(partial),))
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)

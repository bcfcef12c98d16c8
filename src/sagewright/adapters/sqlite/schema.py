"""The tables, and how older ones become these. A migration is never changed once it has been released."""

from __future__ import annotations

import sqlite3
from pathlib import Path

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE records (
        kind TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, doc TEXT NOT NULL, version INTEGER NOT NULL,
        created REAL NOT NULL, modified REAL NOT NULL, status TEXT NOT NULL, name TEXT NOT NULL, parent TEXT NOT NULL,
        PRIMARY KEY (kind, scope, key)
    ) WITHOUT ROWID;
    CREATE INDEX records_created ON records (kind, scope, created, key);
    CREATE INDEX records_modified ON records (kind, scope, modified, key);
    CREATE INDEX records_name ON records (kind, scope, name, key);
    CREATE INDEX records_status ON records (kind, scope, status, created, key);
    CREATE INDEX records_parent ON records (kind, scope, parent, created, key) WHERE parent <> '';
    CREATE TABLE work (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, instruction TEXT NOT NULL,
        args TEXT NOT NULL, due REAL NOT NULL, attempt INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX work_due ON work (due, id);
    CREATE INDEX work_record ON work (kind, scope, key);
    """,
)
"""Migration n brings a database from version n to n + 1."""


class NewerDatabase(Exception):
    """The database was written by a newer release; the message says what to do."""


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the database to this release's version, each step in a transaction, after a copy of an older one.

    Raises:
        NewerDatabase: it is newer than this release.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise NewerDatabase(
            f"{path} is of version {version}, this release knows {len(MIGRATIONS)}: install the newer release again, "
            f"or restore a backup made by this one."
        )
    if 0 < version < len(MIGRATIONS):
        copy = sqlite3.connect(path.with_suffix(f".v{version}.backup"))
        with copy:
            db.backup(copy)
        copy.close()
    for number in range(version, len(MIGRATIONS)):
        db.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA user_version={number + 1}; COMMIT;")

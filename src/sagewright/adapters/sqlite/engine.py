"""The blocking half of Records on SQLite: one connection, used by one thread at a time."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import orjson

from ...stores.records import AddWork, Append, Change, Conflict, Delete, DoneWork, Put, Query, Record, Work
from . import query as sql


def first(connection: sqlite3.Connection) -> None:
    """Schema version 1."""
    connection.execute("""
        CREATE TABLE records (
            kind TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
            created REAL NOT NULL, modified REAL NOT NULL, status TEXT NOT NULL, name TEXT NOT NULL,
            parent TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (kind, scope, key))""")
    for name, columns in (
        ("created", "created, key"),
        ("modified", "modified, key"),
        ("name", "name, key"),
        ("status", "status, created, key"),
        ("status_key", "status, key"),
    ):
        connection.execute(f"CREATE INDEX records_{name} ON records (kind, scope, {columns})")
    for column in ("created", "name"):
        connection.execute(
            f"CREATE INDEX records_parent_{column} ON records (kind, scope, parent, {column}, key) WHERE parent <> ''"
        )
    connection.execute("""
        CREATE TABLE work (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL,
            instruction TEXT NOT NULL, args TEXT NOT NULL, due REAL NOT NULL, attempt INTEGER NOT NULL) WITHOUT ROWID""")
    connection.execute("CREATE INDEX work_due ON work (due, id)")
    connection.execute("CREATE INDEX work_record ON work (kind, scope, key)")


def second(connection: sqlite3.Connection) -> None:
    """Schema version 2: the audit trail becomes a history, which needs one index instead of eight."""
    connection.execute("""
        CREATE TABLE history (
            kind TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, created REAL NOT NULL, doc TEXT NOT NULL)""")
    connection.execute("CREATE INDEX history_created ON history (kind, scope, created, key)")
    connection.execute(
        "INSERT INTO history SELECT kind, scope, key, created, doc FROM records WHERE kind = 'AuditEvent' ORDER BY created"
    )
    connection.execute("DELETE FROM records WHERE kind = 'AuditEvent'")


MANY = 400
"""Keys in one statement."""
MIGRATIONS = (first, second)

_AT = "WHERE kind = ? AND scope = ? AND key = ?"
_COLUMN = {"created": 5, "modified": 6, "name": 8, "status": 7}


class Engine:
    """Statements and the rows they yield."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.connection, self._clock = connection, clock
        self._execute = connection.execute

    # -- reading

    def get(self, kind: str, scope: str, key: str) -> Record | None:
        row = self._execute(f"SELECT {sql.COLUMNS} FROM records {_AT}", (kind, scope, key)).fetchone()
        return _record(row) if row else None

    def several(self, kind: str, scope: str, keys: Sequence[str]) -> list[Record]:
        found: dict[str, Record] = {}
        for at in range(0, len(keys), MANY):
            part = keys[at : at + MANY]
            where = f"kind = ? AND scope = ? AND key IN ({', '.join('?' * len(part))})"
            rows = self._execute(f"SELECT {sql.COLUMNS} FROM records WHERE {where}", (kind, scope, *part))
            found |= {row[2]: _record(row) for row in rows}
        return [found[key] for key in keys if key in found]

    def plan(self, kind: str, scope: str | None, query: Query) -> sql.Plan:
        return sql.plan(self.connection, kind, scope, query)

    def find(self, plan: sql.Plan, query: Query) -> list[Record]:
        """Run the branches and merge them."""
        if len(plan.selects) == 1:
            select = plan.selects[0]
            return [_record(row) for row in self._execute(select.sql, select.values)]
        branches = [self._execute(select.sql, select.values).fetchall() for select in plan.selects]
        order = itemgetter(_COLUMN[query.sort_by], 2, 1)
        merged = heapq.merge(*branches, key=order, reverse=query.descending)
        return [_record(row) for row in islice(merged, query.limit)]

    def history(self, kind: str, scope: str, query: Query) -> list[Record]:
        select = sql.history(kind, scope, query)
        return [_record(row) for row in self._execute(select.sql, select.values)]

    def count(self, kind: str, scope: str | None, query: Query) -> int:
        select = sql.count(self.connection, kind, scope, query)
        found: int = self._execute(select.sql, select.values).fetchone()[0]
        return found

    def due(self, now: float, limit: int) -> list[Work]:
        rows = self._execute(
            "SELECT id, kind, scope, key, instruction, args, due, attempt FROM work WHERE due <= ? ORDER BY due, id LIMIT ?",
            (now, limit),
        )
        return [Work(a, b, c, d, e, orjson.loads(args), at, attempt) for a, b, c, d, e, args, at, attempt in rows]

    def next_due(self) -> float | None:
        found: float | None = self._execute("SELECT min(due) FROM work").fetchone()[0]
        return found

    # -- writing

    def commit(self, changes: Iterable[Change]) -> int:
        """All or none; roughly how many bytes were written. Raises Conflict."""
        self._execute("BEGIN IMMEDIATE")
        try:
            size = self.apply(changes)
            self._execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self._execute("ROLLBACK")
            raise
        return size

    def apply(self, changes: Iterable[Change]) -> int:
        """The changes, within the caller's transaction."""
        size = 4096
        for change in changes:
            match change:
                case Put():
                    size += self._put(change)
                case Append():
                    size += self._append(change)
                case AddWork():
                    size += self._add_work(change.work)
                case DoneWork():
                    self._execute("DELETE FROM work WHERE id = ?", (change.id,))
                case Delete():
                    self._delete(change)
        return size

    def _put(self, put: Put) -> int:
        now, doc = self._clock(), orjson.dumps(put.doc).decode()
        at, name = (put.kind, put.scope, put.key), put.name or put.key
        found = self._execute(f"SELECT version, name, parent, status FROM records {_AT}", at).fetchone()
        if put.expected is not None and put.expected != (found[0] if found else 0):
            raise Conflict(put.kind, put.key)
        if found is None:
            created = now if put.created is None else put.created
            values = (*at, 1, created, now, put.status, name, put.parent, doc)
            self._execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            return len(doc) + 4096
        # naming only the columns that change spares the indexes over the others
        new: dict[str, Any] = {"doc": doc, "version": found[0] + 1, "modified": now}
        pairs = (("name", name), ("parent", put.parent), ("status", put.status))
        new |= {column: value for (column, value), old in zip(pairs, found[1:], strict=True) if value != old}
        if put.created is not None:
            new["created"] = put.created
        columns = ", ".join(f"{column} = ?" for column in new)
        self._execute(f"UPDATE records SET {columns} {_AT}", (*new.values(), *at))
        return len(doc) + 4096

    def _append(self, change: Append) -> int:
        doc = orjson.dumps(change.doc).decode()
        self._execute("INSERT INTO history VALUES (?, ?, ?, ?, ?)", (change.kind, change.scope, change.key, change.at, doc))
        return len(doc) + 4096

    def _delete(self, delete: Delete) -> None:
        at = (delete.kind, delete.scope, delete.key)
        if delete.expected is not None:
            found = self._execute(f"SELECT version FROM records {_AT}", at).fetchone()
            if delete.expected != (found[0] if found else 0):
                raise Conflict(delete.kind, delete.key)
        self._execute(f"DELETE FROM records {_AT}", at)
        self._execute(f"DELETE FROM work {_AT}", at)

    def _add_work(self, work: Work) -> int:
        args = orjson.dumps(work.args).decode()
        values = (work.id, work.kind, work.scope, work.key, work.instruction, args, work.due, work.attempt)
        self._execute("INSERT OR REPLACE INTO work VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        return len(args) + 4096


def _record(row: tuple[Any, ...]) -> Record:
    kind, scope, key, doc, *rest = row
    return Record(kind, scope, key, orjson.loads(doc), *rest)

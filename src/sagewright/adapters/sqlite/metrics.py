"""Metrics in one SQLite file that the server and the agents write from their own processes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...stores.metrics import KEEP_MINUTES, KEEP_SAMPLES, Dimensions, Sample, Series
from .schema import open_database

MINUTE = 60
CHUNK = 50
"""Series summed up in one transaction, so that nobody's put waits long."""


def first(connection: sqlite3.Connection) -> None:
    """Schema version 1. ``rolled``: the row is a whole minute."""
    connection.execute("""
        CREATE TABLE IF NOT EXISTS series (
            id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL, last REAL NOT NULL,
            UNIQUE (namespace, name, dimensions))""")
    connection.execute("""
        CREATE TABLE IF NOT EXISTS samples (
            series INTEGER NOT NULL, timestamp REAL NOT NULL, value REAL NOT NULL, unit TEXT NOT NULL, count REAL NOT NULL,
            minimum REAL, maximum REAL)""")
    connection.execute("CREATE INDEX IF NOT EXISTS samples_time ON samples (series, timestamp)")


def second(connection: sqlite3.Connection) -> None:
    """Schema version 2: which rows are minutes already."""
    connection.execute("ALTER TABLE samples ADD COLUMN rolled INTEGER NOT NULL DEFAULT 0")
    connection.execute("CREATE INDEX samples_fine ON samples (timestamp, series) WHERE rolled = 0")


MIGRATIONS = (first, second)
Work = Callable[[sqlite3.Connection], Any]


class SqliteMetrics:
    """Blocking and quick; safe from several threads and processes. The file is opened by the first use.

    Args:
        path: the database file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._ids: dict[tuple[str, str, str], int] = {}

    def put(self, samples: Iterable[Sample]) -> None:
        rows = list(samples)
        if not rows:
            return
        with self._lock:
            db = self._db()
            db.execute("BEGIN IMMEDIATE")
            try:
                self._insert(db, rows)
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                self._ids.clear()
                raise

    def series(
        self, namespace: str | None = None, name: str | None = None, dimensions: Sequence[tuple[str, str | None]] = (),
        limit: int = 500, offset: int = 0, active_since: float | None = None,
    ) -> list[Series]:
        clauses: list[str] = ["1"]
        values: list[str | float] = []
        for clause, value in (("namespace = ?", namespace), ("name = ?", name), ("last >= ?", active_since)):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        for key, wanted in dimensions:
            pair = "" if wanted is None else "AND json_extract(value, '$[1]') = ?"
            clauses.append(f"EXISTS (SELECT 1 FROM json_each(dimensions) WHERE json_extract(value, '$[0]') = ? {pair})")
            values += [key] if wanted is None else [key, wanted]
        sql = f"SELECT namespace, name, dimensions FROM series WHERE {' AND '.join(clauses)} ORDER BY 1, 2, 3 LIMIT ? OFFSET ?"
        with self._lock:
            rows = self._db().execute(sql, (*values, limit, offset)).fetchall()
        return [Series(n, m, tuple((a, b) for a, b in json.loads(d))) for n, m, d in rows]

    def samples(self, series: Series, start: float, end: float) -> list[Sample]:
        with self._lock:
            rows = self._db().execute(
                "SELECT s.timestamp, s.value, s.unit, s.count, s.minimum, s.maximum FROM series r JOIN samples s ON s.series = r.id"
                " WHERE r.namespace = ? AND r.name = ? AND r.dimensions = ? AND s.timestamp >= ? AND s.timestamp < ?"
                " ORDER BY s.timestamp, s.rowid",
                (series.namespace, series.name, _dump(series.dimensions), start, end),
            ).fetchall()
        return [Sample(series.namespace, series.name, series.dimensions, *row) for row in rows]

    def compact(self, now: float) -> None:
        before = (now - KEEP_SAMPLES) // MINUTE * MINUTE
        with self._lock:
            db = self._db()
            found = db.execute("SELECT DISTINCT series FROM samples WHERE rolled = 0 AND timestamp < ?", (before,)).fetchall()
        ids = [row[0] for row in found]
        for at in range(0, len(ids), CHUNK):
            with self._lock:
                self._transaction(partial(_roll_all, series=ids[at : at + CHUNK], before=before))
        with self._lock:
            self._transaction(lambda db: _expire(db, now - KEEP_MINUTES))
            self._ids.clear()

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    # -- inside the lock

    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = open_database(self._path, MIGRATIONS)
        return self._opened

    def _transaction(self, work: Work) -> None:
        db = self._db()
        db.execute("BEGIN IMMEDIATE")
        try:
            work(db)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    def _insert(self, db: sqlite3.Connection, samples: list[Sample]) -> None:
        last: dict[int, float] = {}
        rows = []
        for s in samples:
            number = self._series(db, s)
            last[number] = max(last.get(number, s.timestamp), s.timestamp)
            rows.append((number, s.timestamp, s.value, s.unit, s.count, s.minimum, s.maximum))
        touched = db.executemany("UPDATE series SET last = max(last, ?) WHERE id = ?", [(at, number) for number, at in last.items()])
        if touched.rowcount != len(last):  # another process has dropped a series that we remember
            self._ids.clear()
            self._insert(db, samples)
            return
        db.executemany("INSERT INTO samples (series, timestamp, value, unit, count, minimum, maximum) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _series(self, db: sqlite3.Connection, s: Sample) -> int:
        key = (s.namespace, s.name, _dump(s.dimensions))
        found = self._ids.get(key)
        if found is None:
            row = db.execute(
                "INSERT INTO series (namespace, name, dimensions, last) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET last = max(last, excluded.last) RETURNING id", (*key, s.timestamp),
            ).fetchone()
            found = self._ids[key] = int(row[0])
        return found


def _roll_all(db: sqlite3.Connection, series: list[int], before: float) -> None:
    for one in series:
        _roll(db, one, before)


def _roll(db: sqlite3.Connection, series: int, before: float) -> None:
    """Turn a series' rows before a whole minute into one row a minute and unit."""
    rows = db.execute(
        f"SELECT CAST(timestamp / {MINUTE} AS INTEGER) * {MINUTE}, sum(value), unit, sum(count),"
        " min(coalesce(minimum, value / count)), max(coalesce(maximum, value / count))"
        " FROM samples WHERE series = ? AND timestamp < ? AND rolled = 0 GROUP BY 1, unit", (series, before),
    ).fetchall()
    db.execute("DELETE FROM samples WHERE series = ? AND timestamp < ? AND rolled = 0", (series, before))
    db.executemany(
        "INSERT INTO samples (series, timestamp, value, unit, count, minimum, maximum, rolled) VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
        [(series, *row) for row in rows],
    )


def _expire(db: sqlite3.Connection, before: float) -> None:
    db.execute("DELETE FROM samples WHERE series IN (SELECT id FROM series) AND timestamp < ?", (before,))  # by the index
    db.execute("DELETE FROM series WHERE last < ? AND NOT EXISTS (SELECT 1 FROM samples WHERE samples.series = series.id)", (before,))


def _dump(dimensions: Dimensions) -> str:
    return json.dumps(sorted(list(pair) for pair in dimensions))

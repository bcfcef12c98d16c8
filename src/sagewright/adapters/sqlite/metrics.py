"""Metrics in one SQLite file that the server and the agents write from their own processes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from ...stores.metrics import Dimensions, Sample, Series

_TABLES = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL, last REAL NOT NULL,
    UNIQUE (namespace, name, dimensions)
);
CREATE TABLE IF NOT EXISTS samples (
    series INTEGER NOT NULL, timestamp REAL NOT NULL, value REAL NOT NULL, unit TEXT NOT NULL, count REAL NOT NULL,
    minimum REAL, maximum REAL
);
CREATE INDEX IF NOT EXISTS samples_time ON samples (series, timestamp);
"""


class SqliteMetrics:
    """Blocking and quick; safe from several threads and processes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, str, str], int] = {}
        self._db.execute("PRAGMA busy_timeout=10000")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_TABLES)

    def put(self, samples: Iterable[Sample]) -> None:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for s in samples:
                    self._db.execute(
                        "INSERT INTO samples (series, timestamp, value, unit, count, minimum, maximum) VALUES (?,?,?,?,?,?,?)",
                        (self._series(s), s.timestamp, s.value, s.unit, s.count, s.minimum, s.maximum),
                    )
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                self._ids.clear()
                raise

    def series(
        self, namespace: str | None = None, name: str | None = None, dimensions: Dimensions = (), limit: int = 500, offset: int = 0
    ) -> list[Series]:
        clauses, values = ["1"], []
        for column, value in (("namespace", namespace), ("name", name)):
            if value is not None:
                clauses.append(f"{column}=?")
                values.append(value)
        for pair in dimensions:
            # as json.dumps writes the pair inside the list: exact, since quotes inside are escaped
            clauses.append("instr(dimensions, ?) > 0")
            values.append(json.dumps(list(pair)))
        with self._lock:
            rows = self._db.execute(
                f"SELECT namespace, name, dimensions FROM series WHERE {' AND '.join(clauses)}"
                " ORDER BY namespace, name, dimensions LIMIT ? OFFSET ?", (*values, limit, offset),
            ).fetchall()
        return [Series(n, m, tuple((a, b) for a, b in json.loads(d))) for n, m, d in rows]

    def samples(self, series: Series, start: float, end: float) -> list[Sample]:
        with self._lock:
            rows = self._db.execute(
                "SELECT s.timestamp, s.value, s.unit, s.count, s.minimum, s.maximum FROM samples s JOIN series r ON r.id=s.series"
                " WHERE r.namespace=? AND r.name=? AND r.dimensions=? AND s.timestamp>=? AND s.timestamp<? ORDER BY s.timestamp",
                (series.namespace, series.name, _dump(series.dimensions), start, end),
            ).fetchall()
        return [Sample(series.namespace, series.name, series.dimensions, *row) for row in rows]

    def close(self) -> None:
        self._db.close()

    def _series(self, s: Sample) -> int:
        key = (s.namespace, s.name, _dump(s.dimensions))
        found = self._ids.get(key)
        if found is None:
            row = self._db.execute(
                "INSERT INTO series (namespace, name, dimensions, last) VALUES (?,?,?,?)"
                " ON CONFLICT DO UPDATE SET last=excluded.last RETURNING id", (*key, s.timestamp),
            ).fetchone()
            found = self._ids[key] = int(row[0])
        return found


def _dump(dimensions: Dimensions) -> str:
    return json.dumps(sorted(list(pair) for pair in dimensions))

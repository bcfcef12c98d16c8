"""The statements that both databases share. ``?`` stands for a value; ``{serial}`` and ``{blob}`` are each one's own types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from ...stores.runs import Summary
from .head import COLUMNS, SUMMARY, Head, summary

TABLES = (
    """CREATE TABLE {prefix}series (
        id {serial}, owner {text} NOT NULL, name {text} NOT NULL, sequence {integer} NOT NULL DEFAULT 0,
        count {integer} NOT NULL DEFAULT 0, minimum {real}, maximum {real}, mean {real}, squares {real}, last {real},
        last_time {real}, last_step {integer}, tip_step {integer}, tip_time {real}, climbing {integer}, timely {integer},
        levels {blob}, UNIQUE (owner, name))""",
    """CREATE TABLE {prefix}chunks (
        series {integer} NOT NULL, number {integer} NOT NULL, count {integer} NOT NULL, data {blob} NOT NULL,
        PRIMARY KEY (series, number))""",
    "CREATE TABLE {prefix}state (sequence {integer} NOT NULL)",
    "INSERT INTO {prefix}state VALUES (0)",
)
MANY = 400
"""Values in one IN list."""
Stored = tuple[int, bool, bool, list[tuple[int, bytes]]]


class Connection(Protocol):
    """A database that takes SQL with ``?``."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """A cursor."""
        ...

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> Any: ...


class Statements:
    """What a Disk asks of its database. Transactions are the caller's."""

    def __init__(self, prefix: str) -> None:
        self._series, self._chunks, self._state = f"{prefix}series", f"{prefix}chunks", f"{prefix}state"
        self._columns = ", ".join(COLUMNS)
        self._set = ", ".join(f"{name} = ?" for name in COLUMNS[3:])

    def load(self, db: Connection, owner: str) -> list[Head]:
        return [Head.of(row) for row in db.execute(f"SELECT {self._columns} FROM {self._series} WHERE owner = ?", (owner,))]

    def owners_of(self, db: Connection, series: Sequence[int]) -> set[str]:
        found = set()
        for part in _parts(series):
            marks = ", ".join("?" * len(part))
            found |= {row[0] for row in db.execute(f"SELECT owner FROM {self._series} WHERE id IN ({marks})", part)}
        return found

    def create(self, db: Connection, owner: str, names: Sequence[str]) -> list[Head]:
        insert = f"INSERT INTO {self._series} (owner, name) VALUES (?, ?) ON CONFLICT (owner, name) DO NOTHING"
        db.executemany(insert, [(owner, name) for name in names])
        return [Head.of(row) for row in self._of(db, self._columns, [owner], names)]

    def summaries(self, db: Connection, owners: Sequence[str], names: Sequence[str] | None) -> list[tuple[str, Summary]]:
        rows = self._of(db, f"owner, {', '.join(SUMMARY)}", owners, names, " AND count > 0")
        return [(row[0], summary(*row[1:])) for row in rows]

    def _of(
        self, db: Connection, columns: str, owners: Sequence[str], names: Sequence[str] | None, also: str = ""
    ) -> Iterator[tuple[Any, ...]]:
        for some in _parts(owners):
            for chosen in _parts(names) if names is not None else [None]:
                where = f"owner IN ({', '.join('?' * len(some))}){also}"
                if chosen is not None:
                    where += f" AND name IN ({', '.join('?' * len(chosen))})"
                yield from db.execute(f"SELECT {columns} FROM {self._series} WHERE {where}", [*some, *(chosen or ())])

    def seal(self, db: Connection, batch: Sequence[tuple[tuple[Any, ...], list[tuple[int, int, bytes]], list[int]]]) -> None:
        drop = [(row[0], number) for row, _, numbers in batch for number in numbers]
        if drop:
            db.executemany(f"DELETE FROM {self._chunks} WHERE series = ? AND number = ?", drop)
        write = [(row[0], *chunk) for row, chunks, _ in batch for chunk in chunks]
        db.executemany(
            f"INSERT INTO {self._chunks} (series, number, count, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (series, number) DO UPDATE SET count = excluded.count, data = excluded.data", write,
        )
        db.executemany(f"UPDATE {self._series} SET {self._set} WHERE id = ?", [(*row[3:], row[0]) for row, _, _ in batch])

    def chunks(self, db: Connection, series: int, first: int, stop: int) -> list[tuple[int, bytes]]:
        sql = f"SELECT count, data FROM {self._chunks} WHERE series = ? AND number >= ? AND number < ? ORDER BY number"
        return [(row[0], bytes(row[1])) for row in db.execute(sql, (series, first, stop))]

    def read(self, db: Connection, wanted: Sequence[tuple[str, str]]) -> list[Stored | None]:
        found: list[Stored | None] = []
        for owner, name in wanted:
            row = db.execute(
                f"SELECT id, sequence, climbing, timely FROM {self._series} WHERE owner = ? AND name = ? AND count > 0", (owner, name)
            ).fetchone()
            if row is None:
                found.append(None)
                continue
            chunks = db.execute(f"SELECT count, data FROM {self._chunks} WHERE series = ? ORDER BY number", (row[0],)).fetchall()
            found.append((row[1], bool(row[2]), bool(row[3]), [(count, bytes(data)) for count, data in chunks]))
        return found

    def replace(self, db: Connection, owner: str, heads: Sequence[tuple[tuple[Any, ...], tuple[int, bytes]]]) -> None:
        db.execute(f"DELETE FROM {self._chunks} WHERE series IN (SELECT id FROM {self._series} WHERE owner = ?)", (owner,))
        db.execute(f"DELETE FROM {self._series} WHERE owner = ?", (owner,))
        if not heads:
            return
        ids = {head.name: head.id for head in self.create(db, owner, [row[2] for row, _ in heads])}
        self.seal(db, [((ids[row[2]], *row[1:]), [(0, *data)], []) for row, data in heads])

    def sequence(self, db: Connection) -> int:
        return int(db.execute(f"SELECT sequence FROM {self._state}").fetchone()[0])

    def reached(self, db: Connection, sequence: int) -> None:
        db.execute(f"UPDATE {self._state} SET sequence = ?", (sequence,))


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return [values[at : at + MANY] for at in range(0, len(values), MANY)]

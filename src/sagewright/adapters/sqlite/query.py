"""Queries as SQL. Each names the index it walks, so that a page costs the same among a thousand and a million records.

A query over several statuses or scopes is several *branches*, each an index walk in the wanted order, merged
afterwards. Filters that the chosen index does not answer are tested row by row; when such a filter is narrow (few
rows in its own index) that index is used instead and its rows are sorted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...stores.records import Query

COLUMNS = "kind, scope, key, doc, version, created, modified, status, name, parent"
NARROW = 1000
"""Rows that are cheaper to sort than to look for."""

SORT_INDEX = {
    "created": "records_created",
    "modified": "records_modified",
    "name": "records_name",
    "status": "records_status_key",
}


@dataclass(slots=True)
class Terms:
    """A conjunction under construction."""

    sql: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, sql: str, *values: Any) -> None:
        self.sql.append(sql)
        self.values += values


@dataclass(frozen=True, slots=True)
class Select:
    """One branch, ready to run."""

    sql: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    selects: list[Select]
    quick: bool
    """Bounded work: a page's worth of index steps, whatever the number of records."""


def plan(connection: sqlite3.Connection, kind: str, scope: str | None, query: Query) -> Plan:
    """How to find one page."""
    scopes = [scope] if scope is not None else list(_scopes(connection, kind))
    selects, quick = [], query.limit <= NARROW
    for place in scopes:
        index, branched, narrow = _driver(connection, kind, place, query)
        quick = quick and (narrow or not _rest(query, index))
        statuses = dict.fromkeys(query.statuses) if branched else (None,)
        selects += [_select(kind, place, query, index, status) for status in statuses]
    return Plan(selects, quick)


def history(kind: str, scope: str, query: Query) -> Select:
    """How to find one page of a history, newest first."""
    terms = Terms(["kind = ?", "scope = ?"], [kind, scope])
    _filter(terms, Query(where=query.where, created_after=query.created_after, created_before=query.created_before))
    if query.after is not None:
        terms.add("(created, key) < (?, ?)", *query.after[:2])
    sql = (
        "SELECT kind, scope, key, doc, 1, created, created, '', key, '' FROM history INDEXED BY history_created "
        f"WHERE {' AND '.join(terms.sql)} ORDER BY created DESC, key DESC LIMIT ?"
    )
    return Select(sql, (*terms.values, query.limit))


def count(connection: sqlite3.Connection, kind: str, scope: str | None, query: Query) -> Select:
    """How to count what matches, the page left aside."""
    terms = Terms(["kind = ?"], [kind])
    if scope is not None:
        terms.add("scope = ?", scope)
    _filter(terms, query)
    return Select(f"SELECT count(*) FROM records WHERE {' AND '.join(terms.sql)}", tuple(terms.values))


def _scopes(connection: sqlite3.Connection, kind: str) -> Iterator[str]:
    """Every scope that has records of the kind, one index seek each."""
    row = connection.execute("SELECT min(scope) FROM records WHERE kind = ?", (kind,)).fetchone()
    while row[0] is not None:
        yield row[0]
        row = connection.execute("SELECT min(scope) FROM records WHERE kind = ? AND scope > ?", (kind, row[0])).fetchone()


def _driver(connection: sqlite3.Connection, kind: str, scope: str, query: Query) -> tuple[str, bool, bool]:
    """(index, one branch a status, only few rows to look at)."""
    if query.parent:
        return ("records_parent_name" if query.sort_by == "name" else "records_parent_created"), False, False
    if query.statuses and query.sort_by in ("created", "status"):
        return ("records_status" if query.sort_by == "created" else "records_status_key"), True, False
    for index, narrow in _narrowing(query):
        if index != SORT_INDEX[query.sort_by] and _few(connection, kind, scope, index, narrow):
            return index, False, True
    return SORT_INDEX[query.sort_by], False, False


def _narrowing(query: Query) -> Iterator[tuple[str, Terms]]:
    """Indexes that answer one of the filters."""
    for index, part in (
        ("records_status", Query(statuses=query.statuses)),
        ("records_name", Query(name_prefix=query.name_prefix)),
        ("records_created", Query(created_after=query.created_after, created_before=query.created_before)),
        ("records_modified", Query(modified_after=query.modified_after, modified_before=query.modified_before)),
    ):
        terms = Terms()
        _filter(terms, part)
        if terms.sql:
            yield index, terms


def _few(connection: sqlite3.Connection, kind: str, scope: str, index: str, terms: Terms) -> bool:
    where = " AND ".join(("kind = ?", "scope = ?", *terms.sql))
    sql = f"SELECT count(*) FROM (SELECT 1 FROM records INDEXED BY {index} WHERE {where} LIMIT {NARROW})"
    found: int = connection.execute(sql, (kind, scope, *terms.values)).fetchone()[0]
    return found < NARROW


def _rest(query: Query, index: str) -> bool:
    """Whether rows of the index have to be tested or sorted one by one."""
    ranged = {
        "records_created": (query.created_after, query.created_before),
        "records_modified": (query.modified_after, query.modified_before),
        "records_name": (query.name_prefix,),
    }
    if index in ("records_status", "records_parent_created"):
        ranged["records_created"] = ()
    if index == "records_parent_name":
        ranged["records_name"] = ()
    others = any(value is not None for name, values in ranged.items() if name != index for value in values)
    unsorted = index == "records_parent_created" and query.sort_by != "created"
    statuses = bool(query.statuses) and not index.startswith("records_status")
    orphan = query.parent == ""
    return others or unsorted or statuses or orphan or query.name_contains is not None or bool(query.where)


def _select(kind: str, scope: str, query: Query, index: str, status: str | None) -> Select:
    terms = Terms(["kind = ?", "scope = ?"], [kind, scope])
    if status is not None:
        terms.add("status = ?", status)
    _filter(terms, query, statuses=status is None)
    way = "DESC" if query.descending else "ASC"
    if query.after is not None:
        terms.add(f"({query.sort_by}, key) {_beyond(query, scope)} (?, ?)", *query.after[:2])
    sql = (
        f"SELECT {COLUMNS} FROM records INDEXED BY {index} WHERE {' AND '.join(terms.sql)} "
        f"ORDER BY {query.sort_by} {way}, key {way} LIMIT ?"
    )
    return Select(sql, (*terms.values, query.limit))


def _beyond(query: Query, scope: str) -> str:
    """The comparison that holds for what comes after ``query.after``; equal records of a later scope do."""
    assert query.after is not None
    seen = query.after[2] if len(query.after) == 3 else None
    if query.descending:
        return "<=" if seen is not None and scope < seen else "<"
    return ">=" if seen is not None and scope > seen else ">"


def _filter(terms: Terms, query: Query, *, statuses: bool = True) -> None:
    if query.parent is not None:
        terms.add("parent = ?", query.parent)
        if query.parent:
            terms.add("parent <> ''")  # the words of the partial index
    if query.statuses and statuses:
        terms.add(f"status IN ({', '.join('?' * len(query.statuses))})", *query.statuses)
    if query.name_contains is not None:
        terms.add("instr(lower(name), lower(?)) > 0", query.name_contains)
    if query.name_prefix:
        terms.add("name >= ?", query.name_prefix)
        if (end := successor(query.name_prefix)) is not None:
            terms.add("name < ?", end)
    for column, after, before in (
        ("created", query.created_after, query.created_before),
        ("modified", query.modified_after, query.modified_before),
    ):
        if after is not None:
            terms.add(f"{column} >= ?", after)
        if before is not None:
            terms.add(f"{column} < ?", before)
    for path, value in query.where:
        _where(terms, path, value)


def _where(terms: Terms, path: str, value: Any) -> None:
    if '"' in path:
        raise ValueError(f"no document has a member {path}")
    steps = "$." + ".".join(f'"{step}"' for step in path.split("."))
    if value is None:
        terms.add("json_extract(doc, ?) IS NULL", steps)
    elif isinstance(value, bool):
        terms.add("json_type(doc, ?) = ?", steps, "true" if value else "false")
    elif isinstance(value, (str, int, float)):
        terms.add("json_extract(doc, ?) = ? AND json_type(doc, ?) NOT IN ('true', 'false')", steps, value, steps)
    else:
        raise ValueError(f"cannot compare {path} with a {type(value).__name__}")


def successor(prefix: str) -> str | None:
    """The least string greater than every string that starts with ``prefix``; None if there is none."""
    for end in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[end]) + 1
        if code == 0xD800:
            code = 0xE000  # surrogates are no characters
        if code <= 0x10FFFF:
            return prefix[:end] + chr(code)
    return None

"""Queries as SQL. Several statuses or scopes are several branches, each an index walk, united and sorted again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...stores.records import Query

TABLE = "sagewright_records"
COLUMNS = "kind, scope, key, doc::text, version, created, modified, status, name, parent"

SCOPES = f"""
WITH RECURSIVE found AS (
    (SELECT min(scope) AS scope FROM {TABLE} WHERE kind = %(kind)s)
    UNION ALL
    SELECT (SELECT min(r.scope) FROM {TABLE} r WHERE r.kind = %(kind)s AND r.scope > found.scope) FROM found WHERE found.scope IS NOT NULL
) SELECT scope FROM found WHERE scope IS NOT NULL"""
"""Every scope that has records of the kind, one index seek each."""

Statement = tuple[str, list[Any]]


def page(kind: str, scopes: Sequence[str], query: Query) -> Statement:
    """One page of the records of the given scopes; at least one scope."""
    branched = bool(query.statuses) and query.sort_by in ("created", "status") and not query.parent
    statuses: Sequence[str | None] = list(dict.fromkeys(query.statuses)) if branched else [None]
    branches = [_branch(kind, scope, status, query) for scope in scopes for status in statuses]
    if len(branches) == 1:
        return branches[0]
    way = "DESC" if query.descending else "ASC"
    union = " UNION ALL ".join(f"({sql})" for sql, _ in branches)
    order = f"ORDER BY {query.sort_by} {way}, key {way}, scope {way} LIMIT %s"
    return f"SELECT * FROM ({union}) AS branches {order}", [v for _, values in branches for v in values] + [query.limit]


def history(kind: str, scope: str, query: Query) -> Statement:
    """One page of a history, newest first."""
    sql: list[str] = ["kind = %s", "scope = %s"]
    values: list[Any] = [kind, scope]
    _filter(sql, values, Query(where=query.where, created_after=query.created_after, created_before=query.created_before))
    if query.after is not None:
        sql.append("(created, key) < (%s, %s)")
        values += query.after[:2]
    return (
        "SELECT kind, scope, key, doc::text, 1, created, created, '', key, '' FROM sagewright_history "
        f"WHERE {' AND '.join(sql)} ORDER BY created DESC, key DESC LIMIT %s",
        [*values, query.limit],
    )


def count(kind: str, scope: str | None, query: Query) -> Statement:
    """How many match, the page left aside."""
    sql, values = ["kind = %s"], [kind]
    if scope is not None:
        sql.append("scope = %s")
        values.append(scope)
    _filter(sql, values, query)
    return f"SELECT count(*) FROM {TABLE} WHERE {' AND '.join(sql)}", values


def _branch(kind: str, scope: str, status: str | None, query: Query) -> Statement:
    sql: list[str] = ["kind = %s", "scope = %s"]
    values: list[Any] = [kind, scope]
    if status is not None:
        sql.append("status = %s")
        values.append(status)
    _filter(sql, values, query, statuses=status is None)
    if query.after is not None:
        sql.append(f"({query.sort_by}, key) {_beyond(query, scope)} (%s, %s)")
        values += query.after[:2]
    way = "DESC" if query.descending else "ASC"
    order = f"ORDER BY {query.sort_by} {way}, key {way} LIMIT %s"
    return f"SELECT {COLUMNS} FROM {TABLE} WHERE {' AND '.join(sql)} {order}", [*values, query.limit]


def _beyond(query: Query, scope: str) -> str:
    """The comparison that holds for what comes after ``query.after``; equal records of a later scope do."""
    assert query.after is not None
    seen = query.after[2] if len(query.after) == 3 else None
    if query.descending:
        return "<=" if seen is not None and scope < seen else "<"
    return ">=" if seen is not None and scope > seen else ">"


def _filter(sql: list[str], values: list[Any], query: Query, *, statuses: bool = True) -> None:
    def add(text: str, *more: Any) -> None:
        sql.append(text)
        values.extend(more)

    if query.parent is not None:
        add("parent = %s", query.parent)
        if query.parent:
            add("parent <> ''")  # the words of the partial index
    if query.statuses and statuses:
        add("status = ANY(%s)", list(query.statuses))
    if query.name_contains is not None:
        add('strpos(lower(name), lower(%s::text COLLATE "C")) > 0', query.name_contains)
    if query.name_prefix:
        add("starts_with(name, %s)", query.name_prefix)
        add("name >= %s", query.name_prefix)  # where the index walk begins
    for column, after, before in (
        ("created", query.created_after, query.created_before),
        ("modified", query.modified_after, query.modified_before),
    ):
        if after is not None:
            add(f"{column} >= %s", after)
        if before is not None:
            add(f"{column} < %s", before)
    for path, value in query.where:
        steps = path.split(".")
        if value is None:
            add("coalesce(json_typeof(doc #> %s), 'null') = 'null'", steps)
        elif isinstance(value, (bool, str, int, float)):
            add("(doc #> %s)::jsonb = %s::jsonb", steps, json.dumps(value))
        else:
            raise ValueError(f"cannot compare {path} with a {type(value).__name__}")

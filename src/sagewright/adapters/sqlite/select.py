"""Queries as SQL: every sort has an index of its own, and a page begins right behind the last key."""

from __future__ import annotations

from typing import Any

from ...stores.records import Query

COLUMNS = "kind, scope, key, doc, version, created, modified, status, name, parent"


def page(kind: str, scope: str | None, query: Query) -> tuple[str, list[Any]]:
    """The statement of one page, and its values."""
    clause, values = where(kind, scope, query, paged=True)
    direction = "DESC" if query.descending else "ASC"
    order = f"{query.sort_by} {direction}, key {direction}"
    return f"SELECT {COLUMNS} FROM records WHERE {clause} ORDER BY {order} LIMIT ?", [*values, query.limit]


def where(kind: str, scope: str | None, query: Query, *, paged: bool) -> tuple[str, list[Any]]:
    """The filter of a query, with its place when ``paged``."""
    clauses, values = ["kind=?"], [kind]

    def add(clause: str, *more: Any) -> None:
        clauses.append(clause)
        values.extend(more)

    if scope is not None:
        add("scope=?", scope)
    if query.parent is not None:
        add("parent=?", query.parent)
    if query.statuses:
        add(f"status IN ({','.join('?' * len(query.statuses))})", *query.statuses)
    if query.name_contains:
        add("name LIKE ? ESCAPE '\\'", f"%{_literal(query.name_contains)}%")
    if query.name_prefix:
        # a range, not LIKE: it can walk the name's index
        add("name >= ? AND name < ?", query.name_prefix, query.name_prefix + "\U0010ffff")
    for column, low, high in (
        ("created", query.created_after, query.created_before), ("modified", query.modified_after, query.modified_before)
    ):
        if low is not None:
            add(f"{column} > ?", low)
        if high is not None:
            add(f"{column} < ?", high)
    for path, value in query.where:
        add("json_extract(doc, ?) IS ?", "$." + ".".join(f'"{part}"' for part in path.split(".")), value)
    if paged and query.after is not None:
        sign = "<" if query.descending else ">"
        add(f"({query.sort_by}, key) {sign} (?, ?)", *query.after)
    return " AND ".join(clauses), values


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

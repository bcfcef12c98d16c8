"""One page of a listing. Cost follows the page, not the bucket: a common prefix is skipped by one seek."""

from __future__ import annotations

import sqlite3
from typing import Any

from ...stores.objects import ObjectInfo, Page
from .index import COLUMNS, Row


def list_page(db: sqlite3.Connection, bucket: str, prefix: str, after: str, delimiter: str, limit: int) -> Page:
    """Objects and common prefixes beyond ``after``, at most ``limit`` together."""
    objects: list[ObjectInfo] = []
    prefixes: list[str] = []
    seek, last = _start(prefix, after, delimiter), ""
    end = successor(prefix)
    while True:
        wanted = limit - len(objects) - len(prefixes) + 1  # one more tells whether there is a next page
        rows = _rows(db, bucket, seek, end, wanted)
        skip = ""
        for row in rows:
            key = row[1]
            if skip and key.startswith(skip):
                continue
            if len(objects) + len(prefixes) >= limit:
                return Page(objects, prefixes, last or None)
            skip = last = _group(key, prefix, delimiter)
            if skip:
                prefixes.append(skip)
            else:
                objects.append(Row(*row).info())
                last = key
        if len(rows) < wanted:
            return Page(objects, prefixes, None)
        beyond = successor(skip) if skip else rows[-1][1] + "\0"
        if beyond is None:
            return Page(objects, prefixes, None)
        seek = beyond


def _rows(db: sqlite3.Connection, bucket: str, start: str, end: str | None, limit: int) -> list[tuple[Any, ...]]:
    bound, values = ("", ()) if end is None else (" AND key < ?", (end,))
    query = f"SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key >= ?{bound} ORDER BY key LIMIT ?"
    return db.execute(query, (bucket, start, *values, limit)).fetchall()


def _start(prefix: str, after: str, delimiter: str) -> str:
    """The first key that may be on the page."""
    if after < prefix and after.encode() < prefix.encode():
        return prefix
    if not after:
        return ""
    if _group(after, prefix, delimiter) == after:  # the last page ended with this common prefix
        return successor(after) or after
    return max(prefix, after + "\0", key=str.encode)


def _group(key: str, prefix: str, delimiter: str) -> str:
    """The common prefix that stands for a key; empty if the key stands for itself."""
    if not delimiter:
        return ""
    at = key.find(delimiter, len(prefix))
    return key[: at + len(delimiter)] if at >= 0 and key.startswith(prefix) else ""


def successor(prefix: str) -> str | None:
    """The least string above every string that starts with ``prefix``, in UTF-8 order; None if there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        if code == 0xD800:  # surrogates are no characters
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[:-1] + chr(code)
        prefix = prefix[:-1]
    return None

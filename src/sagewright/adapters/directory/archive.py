"""Objects in and out of a backup: the index of one moment, and every version that it names."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .index import COLUMNS, Row
from .store import DirectoryObjects

INDEX = "index.sqlite"


def dump(objects: DirectoryObjects, index: Path) -> Iterator[tuple[str, BinaryIO, int]]:
    """(location, open file, modification time in ns) of every object; then the index that names exactly those.

    Writers go on meanwhile. A version that is replaced or deleted before its turn is left out of the copied index,
    as if the backup had begun a moment later. ``index`` is complete once the iterator is exhausted.
    """
    objects.index.backup(index)
    copy = sqlite3.connect(index)
    try:
        gone = []
        for values in copy.execute(f"SELECT {COLUMNS} FROM objects ORDER BY bucket, key").fetchall():
            row = Row(*values)
            fd = objects.versions.open(row)
            if fd is None:
                gone.append((row.bucket, row.key))
                continue
            with os.fdopen(fd, "rb") as file:
                yield objects.versions.location(row), file, row.stamp
        copy.executemany("DELETE FROM objects WHERE bucket = ? AND key = ?", gone)
        # uploads under way are not part of a backup: their parts lie elsewhere
        for table in ("uploads", "claims", "parts", "trash"):
            copy.execute(f"DELETE FROM {table}")
        copy.commit()
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()


def adopt(root: Path, settle: Callable[[Row], str]) -> int:
    """After the files of a backup lie below ``root``: let its index know them; returns how many.

    ``settle``: the location of a row's file.

    Raises:
        ValueError: an object's file is missing or of another size.
    """
    db = sqlite3.connect(root / INDEX)
    try:
        rows = [Row(*values) for values in db.execute(f"SELECT {COLUMNS} FROM objects").fetchall()]
        for row in rows:
            path = root / settle(row)
            try:
                about = path.lstat()
            except OSError:
                raise ValueError(f"the backup lacks the object s3://{row.bucket}/{row.key}") from None
            if about.st_size != row.size:
                raise ValueError(f"the object s3://{row.bucket}/{row.key} has {about.st_size} bytes, not {row.size}")
            db.execute(
                "UPDATE objects SET inode = ?, stamp = ?, temp = NULL WHERE bucket = ? AND key = ?",
                (about.st_ino, about.st_mtime_ns, row.bucket, row.key),
            )
        db.commit()
        return len(rows)
    finally:
        db.close()

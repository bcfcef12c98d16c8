"""Stores what a task leaves behind: whole folders, archives, or a folder that is kept in step while it runs."""

from __future__ import annotations

import stat
from pathlib import Path

from ..stores.compute import Output
from ..stores.objects import Objects
from .archive import pack, walk
from .selection import split_uri


def store(objects: Objects, root: Path, folder: Path, output: Output) -> int:
    """Upload an EndOfJob output; returns how many objects were written.

    ``root`` is the task's /opt/ml on this machine and ``folder`` the output's path below it; no link below ``root`` is
    followed.
    """
    bucket, key = split_uri(output.uri)
    if output.archive:
        if not output.when_empty and next(walk(root, folder), None) is None:
            return 0
        writer = objects.writer(bucket, key)
        try:
            pack(root, folder, writer.write)
        except BaseException:
            writer.abort()
            raise
        writer.commit()
        return 1
    return Mirror(objects, root, folder, output).sync(final=True)


class Mirror:
    """Keeps a prefix in step with a folder: new and changed files go up, deletions follow."""

    def __init__(self, objects: Objects, root: Path, folder: Path, output: Output) -> None:
        self._objects, self._root, self._folder = objects, root, folder
        self._bucket, prefix = split_uri(output.uri)
        self._prefix = prefix if prefix.endswith("/") or not prefix else prefix + "/"
        self._seen: dict[str, tuple[int, int]] = {}
        """Path → (modification time in ns, size) as last looked at."""
        self._stored: dict[str, tuple[int, int]] = {}
        self._kept: set[str] = set()
        """Paths whose objects are not deleted."""

    def adopt(self, erase: bool) -> None:
        """Take what is there now for stored: it came from the prefix. What is deleted of it later is kept unless ``erase``."""
        for entry in walk(self._root, self._folder):
            if stat.S_ISREG(entry.status.st_mode):
                mark = (entry.status.st_mtime_ns, entry.status.st_size)
                self._seen[entry.path] = self._stored[entry.path] = mark
                if not erase:
                    self._kept.add(entry.path)

    def sync(self, final: bool = False) -> int:
        """One pass. A file still changing since the last pass waits, unless this is the ``final`` one."""
        now: dict[str, tuple[int, int]] = {}
        written = 0
        for entry in walk(self._root, self._folder):
            if not stat.S_ISREG(entry.status.st_mode):
                continue
            mark = (entry.status.st_mtime_ns, entry.status.st_size)
            now[entry.path] = mark
            settled = final or self._seen.get(entry.path) == mark
            if not settled or self._stored.get(entry.path) == mark:
                continue
            file = entry.open()
            if file is None:
                continue
            with file:
                writer = self._objects.writer(self._bucket, self._prefix + entry.path)
                try:
                    while chunk := file.read(2**20):
                        writer.write(chunk)
                except BaseException:
                    writer.abort()
                    raise
                writer.commit()
            self._stored[entry.path] = mark
            written += 1
        gone = [path for path in self._stored if path not in now]
        if doomed := [path for path in gone if path not in self._kept]:
            self._objects.delete(self._bucket, [self._prefix + path for path in doomed])
        for path in gone:
            del self._stored[path]
        self._seen = now
        return written

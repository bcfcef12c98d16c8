"""Each open store has a folder of its own under ``tmp/``, locked while it lives: what a dead one left is known as such."""

from __future__ import annotations

import fcntl
import os
import uuid
from itertools import count

from .index import Index
from .tree import Tree


class Workspace:
    """Names for files in the making. Kernel locks end with their process, so no process id is ever guessed at."""

    def __init__(self, tree: Tree, index: Index) -> None:
        self._tree, self._index = tree, index
        self.id = uuid.uuid4().hex
        self._numbers = count()
        with index.write():  # a sweep elsewhere must not see the folder before its lock
            self._lock = tree.open(f"tmp/{self.id}/lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def name(self) -> str:
        """The location of a new file."""
        return f"tmp/{self.id}/{next(self._numbers)}"

    def sweep(self) -> None:
        """Remove the folders of dead stores. Their published files must have been settled before."""
        with self._index.write():
            for name in self._tree.names("tmp"):
                if name != self.id and self._dead(name):
                    self._tree.clear(f"tmp/{name}")

    def _dead(self, name: str) -> bool:
        try:
            lock = self._tree.open(f"tmp/{name}/lock", os.O_RDWR)
        except OSError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True

    def close(self) -> None:
        self._tree.clear(f"tmp/{self.id}")
        os.close(self._lock)

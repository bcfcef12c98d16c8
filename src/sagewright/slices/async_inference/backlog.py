"""The requests of one endpoint that wait: all of them in the records, the next few hundred in memory.

A waiting request is a record whose parent is the endpoint's id. An answered one with an InferenceId of its caller's stays a
while without a parent, so that the same call again is known; any other is removed.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ...stores.records import Delete, Put, Query, Record, Records

KIND = "AsyncInference"
WAITING, ANSWERED = "Waiting", "Answered"
WINDOW = 512
"""Requests of an endpoint held in memory."""


class Backlog:
    """One endpoint's queue, in the order the requests came in.

    Args:
        records: the platform's.
        scope: the endpoint's.
        id: of this very endpoint, not of another one that has its name later.
    """

    def __init__(self, records: Records, scope: str, id: str) -> None:
        self.records, self.scope, self.id = records, scope, id
        self.size = 0
        """Requests that wait; those being worked on are not among them."""
        self._waiting: deque[Record] = deque()
        self._known: set[str] = set()
        """Keys in memory: those that wait here and those taken and not yet done."""
        self._seen: tuple[float, str] = (0.0, "")
        """Up to here the records have been read."""
        self._more = False
        """There are waiting requests beyond ``_seen``."""

    async def open(self) -> None:
        """After a start: see what the last server left."""
        self.size = await self.records.count(KIND, self.scope, Query(parent=self.id))
        self._more = self.size > 0

    def oldest(self) -> Record | None:
        """The one that has waited longest, as far as it is in memory."""
        return self._waiting[0] if self._waiting else None

    async def add(self, key: str, doc: dict[str, Any], created: float) -> None:
        """Keep a request; it is on disk when this returns.

        Raises:
            Conflict: it is here already, waiting or answered.
        """
        await self.records.commit(Put(KIND, self.scope, key, doc, 0, WAITING, parent=self.id, created=created))
        self.size += 1
        if key in self._known:
            return  # it was read meanwhile
        at = (created, key)
        if at > self._seen and (self._more or len(self._waiting) >= WINDOW):
            self._more = True
            return
        self._seen = max(self._seen, at)
        self._known.add(key)
        self._waiting.append(Record(KIND, self.scope, key, doc, 1, created, created, WAITING, key, self.id))

    async def next(self) -> Record | None:
        """Take the next request; None if none waits. One caller at a time."""
        if not self._waiting and self._more:
            await self._read()
        if not self._waiting:
            return None
        self.size -= 1
        return self._waiting.popleft()

    async def expired(self, now: float) -> list[Record]:
        """Take those in memory that have waited too long, while nobody takes them by ``next``."""
        if not self._waiting and self._more:
            await self._read()
        late = [record for record in self._waiting if overdue(record.doc, now)]
        if late:
            gone = {record.key for record in late}
            self._waiting = deque(record for record in self._waiting if record.key not in gone)
            self.size -= len(late)
        return late

    def back(self, record: Record) -> None:
        """One that was taken waits again, before all others."""
        self.size += 1
        self._waiting.appendleft(record)

    async def done(self, record: Record) -> None:
        """A request that was taken has its answer."""
        if record.doc.get("Named"):
            doc: dict[str, Any] = {k: record.doc[k] for k in ("InferenceId", "OutputLocation", "FailureLocation") if k in record.doc}
            await self.records.commit(Put(KIND, self.scope, record.key, doc, status=ANSWERED, created=record.created))
        else:
            await self.records.commit(Delete(KIND, self.scope, record.key))
        self._known.discard(record.key)

    async def drop(self) -> None:
        """The endpoint is gone, and with it what waits."""
        self._waiting.clear()
        self.size, self._more = 0, False
        await remove(self.records, self.scope, Query(parent=self.id, limit=WINDOW))

    async def _read(self) -> None:
        query = Query(parent=self.id, descending=False, after=self._seen, limit=WINDOW)
        found = await self.records.find(KIND, self.scope, query)
        self._more = len(found) == WINDOW
        if found:
            self._seen = max(self._seen, (found[-1].created, found[-1].key))
        for record in found:
            if record.key not in self._known:
                self._known.add(record.key)
                self._waiting.append(record)


def overdue(doc: dict[str, Any], now: float) -> bool:
    """Whether a request has waited longer than it may."""
    return bool(now >= doc["Received"] + doc["Ttl"])


async def remove(records: Records, scope: str | None, query: Query) -> int:
    """Remove every request that the query finds, page by page; how many there were."""
    count = 0
    while found := await records.find(KIND, scope, query):
        await records.commit(*(Delete(KIND, record.scope, record.key) for record in found))
        count += len(found)
    return count

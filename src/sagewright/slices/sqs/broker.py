"""Messages at rest and in flight: bodies in the records, the order in memory.

A message is one record. What is sent is in the records before the answer; so is a receipt, so that neither a visibility
timeout nor a receive count is lost with the process. Delivery is at least once, as everywhere in SQS.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ...resources.arn import parse
from ...resources.platform import Platform
from ...stores.records import Change, Delete, Put, Query, Record
from ...wire.errors import ServiceError
from .attributes import number, redrive
from .index import Entry, Index

QUEUE, MESSAGE = "Queue", "QueueMessage"
PAGE = 500
"""Records read or removed at a time."""
SWEPT = 20
"""Expired messages removed along with each send: a queue that nobody reads keeps no more than its retention."""


class Broker:
    """The messages of one platform's queues. A queue is given as its record."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.records = platform, platform.records
        self._indexes: dict[str, Index] = {}
        self._opening: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def index(self, queue: Record) -> Index:
        """The queue's messages, read from the records at its first use."""
        id_ = queue.doc["Id"]
        if (found := self._indexes.get(id_)) is not None:
            return found
        async with self._opening[id_]:
            if id_ not in self._indexes:
                made = Index()
                async for record in self._all(queue):
                    doc = record.doc
                    made.put(record.key, Entry(doc["Available"], doc["Expires"], doc["Receives"], doc.get("Receipt", "")))
                self._indexes[id_] = made
        return self._indexes[id_]

    async def _all(self, queue: Record) -> Any:
        after: tuple[Any, str] | None = None
        while True:
            query = Query(parent=queue.doc["Id"], descending=False, limit=PAGE, after=after)
            page = await self.records.find(MESSAGE, queue.scope, query)
            for record in page:
                yield record
            if len(page) < PAGE:
                return
            after = (page[-1].created, page[-1].key)

    async def send(self, queue: Record, messages: Iterable[Mapping[str, Any]], sender: str) -> list[str]:
        """Keep messages; their ids. ``messages`` are as SendMessage has them."""
        index, now = await self.index(queue), self.platform.clock()
        attributes = queue.doc["Attributes"]
        changes: list[Change] = [Delete(MESSAGE, queue.scope, key) for key in index.expire(now, SWEPT)]
        entries: dict[str, Entry] = {}
        for message in messages:
            id_ = str(uuid.uuid4())
            delay = message.get("DelaySeconds", number(attributes, "DelaySeconds"))
            entry = Entry(now + delay, now + number(attributes, "MessageRetentionPeriod"))
            doc = {
                "Body": message["MessageBody"], "SenderId": sender, "Sent": int(now * 1000),
                "Available": entry.available, "Expires": entry.expires, "Receives": 0,
            }
            if message.get("MessageAttributes"):
                doc["MessageAttributes"] = {k: _kept(v) for k, v in message["MessageAttributes"].items()}
            for name, value in message.get("MessageSystemAttributes", {}).items():
                doc[name] = value.get("StringValue", "")
            changes.append(self._put(queue, id_, doc))
            entries[id_] = entry
        await self.records.commit(*changes)
        for id_, entry in entries.items():
            index.put(id_, entry)
        self._wake(queue)
        return list(entries)

    async def receive(self, queue: Record, most: int, visibility: float, wait: float) -> list[tuple[Record, str]]:
        """Up to ``most`` messages with their receipt handles; waits up to ``wait`` seconds for the first of them."""
        changes, clock = self.platform.reconciler.changes, self.platform.clock
        end = clock() + wait
        while True:
            waiter = changes.waiter(QUEUE, queue.scope, queue.doc["Id"])
            if found := await self._take(queue, most, visibility):
                waiter.cancel()
                return found
            now = clock()
            soon = (await self.index(queue)).next()
            if now >= end or changes.closed:
                waiter.cancel()
                return []
            await changes.wait(waiter, min(end, soon if soon is not None else end) - now + 0.001)

    async def _take(self, queue: Record, most: int, visibility: float) -> list[tuple[Record, str]]:
        index, now = await self.index(queue), self.platform.clock()
        keys, expired = index.take(now, now + visibility, most)
        dead = redrive(queue.doc["Attributes"])
        target = await self._dead_letters(queue, dead[0]) if dead else None
        found: list[tuple[Record, str]] = []
        changes: list[Change] = [Delete(MESSAGE, queue.scope, key) for key in expired]
        for record in await self.records.several(MESSAGE, queue.scope, keys):
            entry = index.entries.get(record.key)
            if entry is None:
                continue  # deleted while it was being read
            if dead is not None and target is not None and entry.receives >= dead[1]:
                changes.append(self._bury(queue, target, record))
                index.drop(record.key)
                continue
            entry.receives += 1
            entry.receipt = uuid.uuid4().hex
            doc = {
                **record.doc, "Available": entry.available, "Receives": entry.receives, "Receipt": entry.receipt,
                "First": record.doc.get("First", int(now * 1000)),
            }
            changes.append(self._put(queue, record.key, doc))
            found.append((Record(MESSAGE, queue.scope, record.key, doc, 0, 0.0, 0.0), handle(record.key, entry.receipt)))
        if changes:
            await self.records.commit(*changes)
        if target is not None:
            self._wake(target)
        return found

    async def _dead_letters(self, queue: Record, arn: str) -> Record | None:
        where = parse(arn)
        target = await self.records.get(QUEUE, f"{where.account}/{where.region}", where.name)
        if target is None or target.doc["Id"] == queue.doc["Id"]:
            return None  # as in SQS, messages then stay where they are
        await self.index(target)
        return target

    def _bury(self, queue: Record, target: Record, record: Record) -> Change:
        """Move a message: one record changes its owner, so there is never none of it and never two."""
        now = self.platform.clock()
        # its age counts on, as SQS says of standard queues
        entry = Entry(now, record.doc["Sent"] / 1000 + number(target.doc["Attributes"], "MessageRetentionPeriod"))
        doc = {**record.doc, "Available": now, "Expires": entry.expires, "Receives": 0, "Source": queue.doc["Arn"]}
        doc.pop("Receipt", None)
        self._indexes[target.doc["Id"]].put(record.key, entry)
        return self._put(target, record.key, doc)

    async def delete(self, queue: Record, receipt_handle: str) -> None:
        """Remove a received message; an old receipt of it changes nothing. Raises ServiceError for what is no receipt."""
        id_, receipt = opened(receipt_handle)
        index = await self.index(queue)
        entry = index.entries.get(id_)
        if entry is not None and entry.receipt == receipt:
            index.drop(id_)
            await self.records.commit(Delete(MESSAGE, queue.scope, id_))

    async def hide(self, queue: Record, receipt_handle: str, seconds: float) -> None:
        """Another visibility timeout, from now on, for a message in flight. Raises ServiceError."""
        id_, receipt = opened(receipt_handle)
        index, now = await self.index(queue), self.platform.clock()
        entry, record = index.entries.get(id_), await self.records.get(MESSAGE, queue.scope, id_)
        if entry is None or record is None or entry.receipt != receipt or entry.available <= now:
            raise ServiceError("MessageNotInflight", "The specified message isn't in flight.")
        index.hide(id_, now + seconds)
        await self.records.commit(self._put(queue, id_, {**record.doc, "Available": entry.available}))
        self._wake(queue)

    async def purge(self, queue: Record) -> None:
        """Remove every message that is there now."""
        index = await self.index(queue)
        keys = list(index.entries)
        for at in range(0, len(keys), PAGE):
            part = keys[at : at + PAGE]
            for key in part:
                index.drop(key)
            await self.records.commit(*(Delete(MESSAGE, queue.scope, key) for key in part))

    def forget(self, queue: Record) -> None:
        """The queue is gone: whoever waits for a message of it goes, too."""
        self._indexes.pop(queue.doc["Id"], None)
        self._opening.pop(queue.doc["Id"], None)
        self._wake(queue)

    def _put(self, queue: Record, id_: str, doc: dict[str, Any]) -> Put:
        return Put(MESSAGE, queue.scope, id_, doc, parent=queue.doc["Id"])

    def _wake(self, queue: Record) -> None:
        self.platform.reconciler.changes.notify(QUEUE, queue.scope, queue.doc["Id"])


def _kept(value: Mapping[str, Any]) -> dict[str, Any]:
    """A message attribute as JSON can hold it."""
    kept = dict(value)
    if "BinaryValue" in kept:
        kept["BinaryValue"] = base64.b64encode(kept["BinaryValue"]).decode()
    return kept


def shown(value: Mapping[str, Any]) -> dict[str, Any]:
    """A kept message attribute as it was given."""
    given = dict(value)
    if "BinaryValue" in given:
        given["BinaryValue"] = base64.b64decode(given["BinaryValue"])
    return given


def handle(id_: str, receipt: str) -> str:
    return base64.urlsafe_b64encode(f"{id_}:{receipt}".encode()).decode()


def opened(receipt_handle: str) -> tuple[str, str]:
    """(message id, receipt). Raises ServiceError for anything else."""
    try:
        id_, _, receipt = base64.b64decode(receipt_handle, b"-_", validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        id_ = receipt = ""
    if not receipt:
        raise ServiceError("ReceiptHandleIsInvalid", f'The input receipt handle "{receipt_handle[:100]}" is not a valid receipt handle.')
    return id_, receipt

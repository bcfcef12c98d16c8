"""Tasks of resources: hands them to the compute backend and turns its reports into lifecycle events, each once."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..runtime.lifecycle import Event, ImpossibleTransition
from ..runtime.reconciler import Reconciler
from ..stores.compute import Compute, Report, Task
from ..stores.records import Delete, Put, Query, Record, Records

log = logging.getLogger(__name__)

KIND = "Task"
PAUSE, LONGEST = 0.5, 30.0
"""Seconds before reports are taken in again when the records could not be read or written; doubled up to the longest."""
LAST = ("Finished", "Failed")


class Tasks:
    """One per server. A task belongs to one record; its reports reach that record's lifecycle under their own names,
    with the member ``Task`` added. Consecutive Metric reports arrive as one event with a list ``Metrics``."""

    def __init__(self, records: Records, compute: Compute, reconciler: Reconciler) -> None:
        self._records, self._compute, self._reconciler = records, compute, reconciler
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._again: dict[str, asyncio.Task[None]] = {}
        """Task id → what takes its reports in once that can be done."""
        self.revoke: Callable[[str], Awaitable[None]] | None = None
        """Ends an access key; set by whoever makes them."""
        compute.subscribe(self.heard)
        reconciler.listen(self._bereaved)

    async def submit(self, owner: Record, task: Task, keys: Iterable[str] = ()) -> None:
        """Start a task for a record. Submitting the same id again changes nothing.

        Args:
            keys: access keys among the task's variables; they end with it, even if its owner is deleted first.
        """
        async with self._locks[task.id]:
            record = await self._records.get(KIND, "", task.id)
            doc: dict[str, Any] = record.doc if record else {"Kind": owner.kind, "Scope": owner.scope, "Key": owner.key, "Seq": 0}
            known: list[str] = doc.get("Keys", [])
            if record is None or set(keys) - set(known):
                doc = {**doc, "Keys": list(dict.fromkeys([*known, *keys]))}
                await self._records.commit(Put(KIND, "", task.id, doc, parent=f"{owner.kind}/{owner.scope}/{owner.key}"))
        await self._compute.submit(task)

    async def stop(self, task_id: str, grace: float | None = None, *, discard: bool = False) -> None:
        """As the port's."""
        await self._compute.stop(task_id, grace, discard=discard)

    async def forget(self, task_id: str) -> None:
        """Remove the task and everything it left on its machine."""
        await self._compute.forget(task_id)
        record = await self._records.get(KIND, "", task_id)
        if record is not None and self.revoke is not None:
            for key in record.doc.get("Keys", ()):
                await self.revoke(key)
        await self._records.commit(Delete(KIND, "", task_id))
        self._locks.pop(task_id, None)

    async def adopt(self) -> None:
        """After a start: catch up with every task that the last server left behind."""
        for task in await self._records.find(KIND, "", Query(descending=False, limit=1_000_000)):
            if await self._records.get(task.doc["Kind"], task.doc["Scope"], task.doc["Key"]) is None:
                await self.forget(task.key)
            else:
                await self.heard(task.key)

    async def _bereaved(self, owner: Record, event: Event) -> None:
        """A record that goes away takes its tasks with it."""
        if await self._records.get(owner.kind, owner.scope, owner.key) is not None:
            return
        parent = f"{owner.kind}/{owner.scope}/{owner.key}"
        for task in await self._records.find(KIND, "", Query(parent=parent, limit=1_000)):
            await self.forget(task.key)

    async def close(self) -> None:
        """What has not been taken in is at the next start."""
        for work in (again := list(self._again.values())):
            work.cancel()
        await asyncio.gather(*again, return_exceptions=True)

    async def heard(self, task_id: str) -> None:
        """Take in the reports that have come since the last one taken in; again and again until that is done, for nothing may
        tell of them once more."""
        try:
            await self._take_in(task_id)
        except Exception:
            trying = self._again.get(task_id)
            if trying is None or trying.done():
                log.exception("cannot take in the reports of %s; trying again", task_id)
                self._again[task_id] = asyncio.create_task(self._until_taken_in(task_id), name=f"reports of {task_id}")

    async def _until_taken_in(self, task_id: str) -> None:
        pause = PAUSE
        while True:
            await asyncio.sleep(pause)
            try:
                await self._take_in(task_id)
            except Exception as error:
                pause = min(2 * pause, LONGEST)
                log.error("cannot take in the reports of %s, trying again in %g s: %s", task_id, pause, error)
            else:
                del self._again[task_id]
                return

    async def _take_in(self, task_id: str) -> None:
        async with self._locks[task_id]:
            record = await self._records.get(KIND, "", task_id)
            if record is None:
                self._locks.pop(task_id, None)  # forgotten: nobody hears of it any more
                return
            for report in _coalesced(await self._compute.reports(task_id, record.doc["Seq"])):
                record = replace(record, doc={**record.doc, "Seq": report.seq})
                if not await self._deliver(record, report):
                    return

    async def _deliver(self, task: Record, report: Report) -> bool:
        """False when there is nobody to hear it, and the task is gone with its owner."""
        seen = Put(KIND, "", task.key, task.doc, parent=task.parent)
        event = Event(report.name, {**report.data, "Task": task.key, "At": report.at})
        owner = task.doc["Kind"], task.doc["Scope"], task.doc["Key"]
        try:
            if await self._reconciler.send(*owner, event, also=(seen,)) is None:
                await self.forget(task.key)
                return False
        except ImpossibleTransition as error:
            log.info("late report: %s", error)
            await self._records.commit(seen)
        return True


def _coalesced(reports: list[Report]) -> Iterator[Report]:
    metrics: list[Report] = []
    for report in [*reports, None]:
        if report is not None and report.name == "Metric":
            metrics.append(report)
            continue
        if metrics:
            yield replace(metrics[-1], data={"Metrics": [m.data for m in metrics]})
            metrics = []
        if report is not None:
            yield report

"""Reports of tasks whose owner has gone leave nothing behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.resources.tasks import KIND, Tasks
from sagewright.runtime.lifecycle import Lifecycle
from sagewright.runtime.reconciler import Reconciler
from sagewright.stores.compute import Report
from sagewright.stores.records import Put, Query


class Compute:
    """A backend with one task and three reports of it."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def subscribe(self, heard: Any) -> None:
        self.heard = heard

    async def reports(self, task_id: str, after: int = 0) -> list[Report]:
        names = ("Staging", "Started", "Finished")
        return [Report(n, 0.0, name) for n, name in enumerate(names, 1) if n > after]  # type: ignore[arg-type]

    async def forget(self, task_id: str) -> None:
        self.forgotten.append(task_id)


async def test_a_task_without_an_owner_is_forgotten_once(tmp_path: Path) -> None:
    records, compute = SqliteRecords(tmp_path / "r.sqlite"), Compute()
    reconciler = Reconciler(records, time.time)
    reconciler.lifecycle("Job", Lifecycle("Job", start="New", final=("New",), table={}))
    tasks = Tasks(records, compute, reconciler)  # type: ignore[arg-type]
    doc = {"Kind": "Job", "Scope": "s", "Key": "gone", "Seq": 0}
    await records.commit(Put(KIND, "", "t-1", doc, parent="Job/s/gone"))
    await compute.heard("t-1")
    await compute.heard("t-1")
    assert await records.find(KIND, "", Query()) == []
    assert compute.forgotten == ["t-1"]
    assert not tasks._locks
    await records.close()

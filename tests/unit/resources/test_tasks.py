"""Reports of tasks whose owner has gone leave nothing behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.resources import tasks as tasks_module
from sagewright.resources.tasks import KIND, Tasks
from sagewright.runtime.lifecycle import Event, Lifecycle, Move, to
from sagewright.runtime.reconciler import Reconciler
from sagewright.stores.compute import Report, Task
from sagewright.stores.records import Put, Query, Record


class Compute:
    """A backend with one task and three reports of it."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def subscribe(self, heard: Any) -> None:
        self.heard = heard

    async def reports(self, task_id: str, after: int = 0) -> list[Report]:
        names = ("Staging", "Started", "Finished")
        return [Report(n, 0.0, name) for n, name in enumerate(names, 1) if n > after]  # type: ignore[arg-type]

    async def submit(self, task: Task) -> None: ...

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


async def test_a_report_that_comes_while_the_database_is_away_is_taken_in_once_it_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the last one: nothing would tell of the task again, and its job would never end."""
    monkeypatch.setattr(tasks_module, "PAUSE", 0.01)
    records, compute, ended = SqliteRecords(tmp_path / "r.sqlite"), Compute(), asyncio.Event()
    away = 3

    class Away(SqliteRecords):
        """As often as that it cannot be reached."""

        def __init__(self) -> None: ...

        def __getattr__(self, name: str) -> Any:
            return getattr(records, name)

        async def get(self, kind: str, scope: str, key: str) -> Any:
            nonlocal away
            if away:
                away -= 1
                raise ConnectionError("the database is away")
            return await records.get(kind, scope, key)

        async def commit(self, *changes: Any) -> None:
            await records.commit(*changes)

    async def written(record: Record, event: Event) -> None:
        ended.set()

    there = Away()
    reconciler = Reconciler(there, time.time)
    reconciler.lifecycle("Job", Lifecycle("Job", start="New", final=("Ended",), table={
        ("New", "Staging"): lambda *_: None, ("New", "Started"): lambda *_: None, ("New", "Finished"): to("Ended"),
    }))
    reconciler.listen(written)
    tasks = Tasks(there, compute, reconciler)  # type: ignore[arg-type]
    doc = {"Kind": "Job", "Scope": "s", "Key": "j", "Seq": 0}
    await records.commit(Put("Job", "s", "j", {"_state": "New"}), Put(KIND, "", "t-1", doc, parent="Job/s/j"))
    await asyncio.gather(compute.heard("t-1"), compute.heard("t-1"))
    async with asyncio.timeout(10):
        await ended.wait()
    await tasks.close()
    await records.close()


async def test_an_owner_that_is_deleted_before_it_was_cleaned_up_leaves_no_keys(tmp_path: Path) -> None:
    """Its work goes with it, so that nobody else would end them."""
    records, revoked = SqliteRecords(tmp_path / "r.sqlite"), []

    async def revoke(key: str) -> None:
        revoked.append(key)

    reconciler = Reconciler(records, time.time)
    reconciler.lifecycle("Job", Lifecycle("Job", start="Ended", final=("Ended",), table={("Ended", "Delete"): lambda *_: Move("Ended", remove=True)}))
    tasks = Tasks(records, Compute(), reconciler)  # type: ignore[arg-type]
    tasks.revoke = revoke
    await records.commit(Put("Job", "s", "j", {"_state": "Ended"}))
    job = await records.get("Job", "s", "j")
    assert job is not None
    for key in ("ASIA1", "ASIA2"):
        await tasks.submit(job, Task("t-1", "run", "i", []), [key])
    await reconciler.send("Job", "s", "j", Event("Delete"))
    assert revoked == ["ASIA1", "ASIA2"]
    assert await records.find(KIND, "", Query()) == []
    await records.close()

"""Which execution hears of what, where one driver ends and the next has begun."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.runtime.box import Box
from sagewright.runtime.lifecycle import Event
from sagewright.runtime.reconciler import Job, Reconciler
from sagewright.slices.pipelines import executor
from sagewright.slices.pipelines.executor import PipelineExecutor
from sagewright.slices.pipelines.lifecycle import LIFECYCLE
from sagewright.slices.pipelines.records import EXECUTION
from sagewright.stores.records import Put, Record, Work

ARN = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/e"


class Waiting:
    """A driver that ends when it is told to."""

    made: asyncio.Queue[Waiting]

    def __init__(self, platform: Any, job: Job, box: Box) -> None:
        self.box, self.end = box, asyncio.Event()
        self.made.put_nowait(self)

    async def run(self) -> None:
        await self.end.wait()


async def test_a_retry_that_begins_before_its_predecessor_has_let_go_hears_its_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = SqliteRecords(tmp_path / "records.sqlite", clock=lambda: 1.0)
    reconciler = Reconciler(records, lambda: 1.0)
    reconciler.lifecycle(EXECUTION, LIFECYCLE)
    put = Put(EXECUTION, "123456789012/us-east-1", "p/execution/e", {"PipelineExecutionArn": ARN, "_round": 1})
    record = await reconciler.create(put)
    Waiting.made = asyncio.Queue()
    monkeypatch.setattr(executor, "Driver", Waiting)
    pipelines = PipelineExecutor(SimpleNamespace(reconciler=reconciler, records=records))  # type: ignore[arg-type]
    work = Work("w", EXECUTION, record.scope, record.key, "Run")
    first = asyncio.create_task(pipelines.run(Job(work, record, reconciler)))
    before = await Waiting.made.get()
    second = asyncio.create_task(pipelines.run(Job(work, record, reconciler)))
    after = await Waiting.made.get()
    before.end.set()
    await first
    job = Record("TrainingJob", record.scope, "job", {"_source": ARN}, 1, 1.0, 1.0)
    await pipelines.heard(job, Event("Exited"))
    assert [letter[0].key for letter in after.box.letters] == ["job"]
    after.end.set()
    await second
    await pipelines.heard(job, Event("Exited"))
    assert len(after.box.letters) == 1, "nobody is told any more"
    await records.close()

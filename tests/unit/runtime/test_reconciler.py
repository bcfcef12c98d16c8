"""The reconciler over real records: at-least-once work, timers, waiting for changes, restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.runtime import reconciler as module
from sagewright.runtime.lifecycle import Event, Instruction, Lifecycle, Move
from sagewright.runtime.reconciler import Job, Reconciler
from sagewright.stores.records import AddWork, Change, DoneWork, Put, Work


def table() -> Lifecycle:
    def tick(doc: dict[str, object], event: Event, now: float) -> Move:
        return Move("Done", {"Result": event.data.get("value")})

    return Lifecycle(
        "Thing", start="New", final=("Done", "Failed"),
        table={
            ("New", "Tick"): tick,
            ("New", "Fault"): lambda doc, event, now: Move("Failed", {"Reason": event.data["Reason"]}),
            ("New", "Later"): lambda doc, event, now: Move("New", {}, (Instruction("Ring", delay=0.05),)),
        },
    )


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[SqliteRecords]:
    opened = SqliteRecords(tmp_path / "r.sqlite")
    yield opened
    await opened.close()


async def settled(reconciler: Reconciler, key: str = "a") -> dict[str, object]:
    while True:
        waiter = reconciler.changes.waiter("Thing", "s", key)
        record = await reconciler.records.get("Thing", "s", key)
        assert record is not None
        if reconciler.settled(record):
            waiter.cancel()
            return record.doc
        assert await reconciler.changes.wait(waiter, 5.0)


def make(records: SqliteRecords) -> Reconciler:
    reconciler = Reconciler(records, time.time)
    reconciler.lifecycle("Thing", table())
    return reconciler


async def test_first_instruction_runs_and_its_event_settles(records: SqliteRecords) -> None:
    reconciler = make(records)

    async def run(job: Job) -> None:
        await job.send("Tick", value=job.args["n"])

    reconciler.executor("Thing", "Go", run)
    await reconciler.start()
    await reconciler.create(Put("Thing", "s", "a", {}), Instruction("Go", {"n": 7}))
    assert (await settled(reconciler))["Result"] == 7
    await reconciler.stop()
    assert await records.due(time.time() + 100) == []


async def test_work_of_a_stopped_server_runs_at_the_next(records: SqliteRecords) -> None:
    first, begun = make(records), asyncio.Event()

    async def hang(job: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    first.executor("Thing", "Go", hang)
    await first.start()
    await first.create(Put("Thing", "s", "a", {}), Instruction("Go"))
    await begun.wait()
    await first.stop()
    second = make(records)

    async def run(job: Job) -> None:
        await job.send("Tick", value="second")

    second.executor("Thing", "Go", run)
    await second.start()
    assert (await settled(second))["Result"] == "second"
    await second.stop()


async def test_a_failing_executor_is_tried_again_and_then_faults(records: SqliteRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_DELAY", 0.001)
    reconciler, tries = make(records), 0

    async def fail(job: Job) -> None:
        nonlocal tries
        tries += 1
        raise OSError("disk on fire")

    reconciler.executor("Thing", "Go", fail)
    await reconciler.start()
    await reconciler.create(Put("Thing", "s", "a", {}), Instruction("Go"))
    doc = await settled(reconciler)
    await reconciler.stop()
    assert tries == module.RETRIES
    assert "disk on fire" in str(doc["Reason"])


async def test_work_without_a_lifecycle_is_given_up_too(records: SqliteRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_DELAY", 0.001)
    reconciler, over = make(records), asyncio.Event()
    tries, commit = 0, records.commit

    async def committed(*changes: Change) -> None:
        await commit(*changes)
        if any(isinstance(change, DoneWork) for change in changes):
            over.set()

    async def fail(job: Job) -> None:
        nonlocal tries
        tries += 1
        raise OSError("no")

    reconciler.executor("Timetable", "Ring", fail)
    await records.commit(Put("Timetable", "s", "a", {}, 0), reconciler.work("Timetable", "s", "a", Instruction("Ring")))
    monkeypatch.setattr(records, "commit", committed)
    await reconciler.start()
    async with asyncio.timeout(5):
        await over.wait()
    assert tries == module.RETRIES
    assert await records.due(time.time() + 100) == []
    await reconciler.stop()


async def test_it_goes_on_when_the_records_can_be_read_again(records: SqliteRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.001)
    reconciler, faults = make(records), iter(range(3))
    read, commit = records.due, records.commit

    async def due(now: float, limit: int = 100) -> list[Work]:
        if next(faults, None) is not None:
            raise ConnectionError("the database is away")
        return await read(now, limit)

    losses, over = iter(range(2)), asyncio.Event()

    async def lost(*changes: Change) -> None:
        if any(isinstance(c, DoneWork | AddWork) for c in changes) and next(losses, None) is not None:
            raise OSError("no space left on the device")
        await commit(*changes)
        if any(isinstance(c, DoneWork) for c in changes):
            over.set()

    async def run(job: Job) -> None:
        if job.record.status == "New":
            await job.send("Tick", value="done")

    reconciler.executor("Thing", "Go", run)
    await reconciler.create(Put("Thing", "s", "a", {}), Instruction("Go"))
    monkeypatch.setattr(records, "due", due)
    monkeypatch.setattr(records, "commit", lost)
    await reconciler.start()
    assert (await settled(reconciler))["Result"] == "done"
    async with asyncio.timeout(5):
        await over.wait()
    assert await read(time.time() + 100) == []
    assert next(faults, None) is None
    assert next(losses, None) is None
    await reconciler.stop()


async def test_a_timer_rings(records: SqliteRecords) -> None:
    reconciler = make(records)

    async def ring(job: Job) -> None:
        await job.send("Tick", value="rang")

    reconciler.executor("Thing", "Ring", ring)
    await reconciler.start()
    await reconciler.create(Put("Thing", "s", "a", {}))
    await reconciler.send("Thing", "s", "a", Event("Later"))
    assert (await settled(reconciler))["Result"] == "rang"
    await reconciler.stop()


async def test_waiting_ends_with_shutdown(records: SqliteRecords) -> None:
    reconciler = make(records)
    await reconciler.create(Put("Thing", "s", "a", {}))
    waiting = asyncio.ensure_future(reconciler.changes.wait(reconciler.changes.waiter("Thing", "s", "a"), 60))
    await asyncio.sleep(0)
    reconciler.changes.close()
    assert await waiting is False


async def test_concurrent_events_are_applied_one_after_the_other(records: SqliteRecords) -> None:
    reconciler = Reconciler(records, time.time)
    reconciler.lifecycle("Thing", Lifecycle("Thing", start="New", final=(), table={
        ("New", "Add"): lambda doc, event, now: Move("New", {"N": doc.get("N", 0) + 1})}))
    await reconciler.create(Put("Thing", "s", "a", {}))
    await asyncio.gather(*(reconciler.send("Thing", "s", "a", Event("Add")) for _ in range(50)))
    record = await records.get("Thing", "s", "a")
    assert record is not None
    assert record.doc["N"] == 50

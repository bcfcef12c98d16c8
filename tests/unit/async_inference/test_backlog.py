"""The queue of an endpoint, on real records."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.slices.async_inference import backlog as module
from sagewright.slices.async_inference.backlog import ANSWERED, KIND, Backlog
from sagewright.stores.records import Conflict, Query


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[SqliteRecords]:
    made = SqliteRecords(tmp_path / "records.sqlite")
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW", 4)


def doc(n: int, **more: Any) -> dict[str, Any]:
    return {"N": n, "InferenceId": str(n), "OutputLocation": "o", "Received": float(n), "Ttl": 100, **more}


async def filled(records: SqliteRecords, count: int) -> Backlog:
    made = Backlog(records, "a/r", "e-1")
    for n in range(count):
        await made.add(f"k{n:02}", doc(n), float(n + 1))
    return made


async def drained(backlog: Backlog) -> list[int]:
    found = []
    while record := await backlog.next():
        found.append(record.doc["N"])
        await backlog.done(record)
    return found


async def test_order_is_kept_beyond_what_is_in_memory(records: SqliteRecords) -> None:
    backlog = await filled(records, 11)
    assert (backlog.size, len(backlog._waiting)) == (11, 4)
    assert await drained(backlog) == list(range(11))
    assert backlog.size == 0
    assert await records.count(KIND, "a/r") == 0


async def test_requests_that_come_while_others_are_worked_on(records: SqliteRecords) -> None:
    backlog = await filled(records, 5)
    found = []
    for n in range(5, 12):
        record = await backlog.next()
        assert record is not None
        found.append(record.doc["N"])
        await backlog.done(record)
        await backlog.add(f"k{n:02}", doc(n), float(n + 1))
    assert found + await drained(backlog) == list(range(12))


async def test_a_new_server_finds_what_the_last_one_left(records: SqliteRecords) -> None:
    before = await filled(records, 9)
    taken = await before.next()
    assert taken is not None  # the last server was at it
    after = Backlog(records, "a/r", "e-1")
    await after.open()
    assert after.size == 9
    await after.add("k09", doc(9), 10.0)
    assert await drained(after) == list(range(10))


async def test_one_that_waits_again_comes_first(records: SqliteRecords) -> None:
    backlog = await filled(records, 6)
    first = await backlog.next()
    assert first is not None
    backlog.back(first)
    assert backlog.size == 6
    assert await drained(backlog) == list(range(6))


async def test_the_same_request_twice(records: SqliteRecords) -> None:
    backlog = await filled(records, 0)
    await backlog.add("k", doc(0, Named=True), 1.0)
    with pytest.raises(Conflict):
        await backlog.add("k", doc(0, Named=True), 2.0)
    assert await drained(backlog) == [0]
    with pytest.raises(Conflict):
        await backlog.add("k", doc(0, Named=True), 3.0)
    assert await drained(backlog) == []
    assert len(await records.find(KIND, "a/r", Query(statuses=(ANSWERED,)))) == 1


async def test_late_ones_are_taken_out(records: SqliteRecords) -> None:
    backlog = await filled(records, 6)
    late = await backlog.expired(102.0)
    assert [record.doc["N"] for record in late] == [0, 1, 2]
    assert backlog.size == 3
    for record in late:
        await backlog.done(record)
    assert await drained(backlog) == [3, 4, 5]


async def test_an_endpoint_that_goes_takes_its_queue_along(records: SqliteRecords) -> None:
    backlog, other = await filled(records, 7), Backlog(records, "a/r", "e-2")
    await other.add("x", doc(0), 1.0)
    await backlog.drop()
    assert (backlog.size, await backlog.next()) == (0, None)
    assert await records.count(KIND, "a/r") == 1

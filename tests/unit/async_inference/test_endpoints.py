"""What goes wrong beside the model costs neither an instance nor a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.gateway.answer import Broken
from sagewright.runtime.timer import Timer
from sagewright.slices.async_inference import endpoints as module
from sagewright.slices.async_inference.backlog import Backlog
from sagewright.slices.async_inference.endpoints import Endpoint, Endpoints
from sagewright.slices.async_inference.work import Errand, Lost


class House:
    """An endpoint with one instance that takes one request at a time; ``tried`` are the requests that it got."""

    def __init__(self, records: SqliteRecords) -> None:
        nothing = SimpleNamespace(put=lambda samples: None, append=lambda *events: None)
        settings = SimpleNamespace(objects="")
        platform: Any = SimpleNamespace(
            records=records, objects=None, settings=settings, logs=nothing, metrics=nothing, clock=lambda: 1000.0, recorder=None
        )
        self.endpoints = Endpoints(platform)
        self.endpoint = Endpoint("e", "r", Backlog(records, "a/r", "e-1"), since=0.0)
        self.endpoint.timer = Timer(lambda: None)
        about = {"OutputConfig": {"S3OutputPath": "s3://b/o"}, "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1}}
        self.endpoint.crew.update({"EndpointName": "e", "_fleet": {
            "Variants": [{"Name": "v", "Weight": 1.0, "Role": "role", "Async": about}],
            "Tasks": {"t": {"Variant": "v", "Sockets": ["s"]}},
        }})
        self.endpoints._table["a/r", "e"] = self.endpoint
        self.tried: list[str] = []
        self.changed = asyncio.Event()
        right = self.endpoint.backlog.done

        async def done(record: Any) -> None:
            await right(record)
            asyncio.get_running_loop().call_soon(self.changed.set)

        self.endpoint.backlog.done = done  # type: ignore[method-assign]
        self.endpoints.work.carry_out = self.carry_out  # type: ignore[method-assign]

    async def carry_out(self, errand: Errand) -> None:
        self.tried.append(errand.record.key)
        self.changed.set()

    async def answered(self, count: int) -> None:
        """Wait until the model has been asked so often and nothing waits any more."""
        async with asyncio.timeout(10.0):
            while len(self.tried) < count or self.endpoint.size:
                await self.changed.wait()
                self.changed.clear()

    async def ask(self, key: str) -> None:
        doc = {"InferenceId": key, "OutputLocation": "o", "Received": 999.0, "Ttl": 100}
        await self.endpoint.backlog.add(key, doc, self.endpoints.moment())
        self.endpoints.kick(self.endpoint)


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(module, "REST", 0.001)
    records = SqliteRecords(tmp_path / "records.sqlite")
    made = House(records)
    yield made
    await made.endpoints.close()
    await records.close()


async def test_records_that_cannot_be_read_cost_no_instance(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = house.endpoint.backlog.next, iter(range(3))

    async def next_() -> Any:
        if next(wrong, None) is not None:
            raise OSError("the database is away")
        return await right()

    monkeypatch.setattr(house.endpoint.backlog, "next", next_)
    monkeypatch.setattr(house.endpoints, "_later", lambda seconds, endpoint: asyncio.get_running_loop().call_soon(house.endpoints.kick, endpoint))
    await house.ask("k")
    await house.answered(1)


async def test_a_request_whose_end_cannot_be_written_down_waits_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its instance has broken off, and the records are away as well."""
    wrong = iter(range(2))

    async def carry_out(errand: Errand) -> None:
        await house.carry_out(errand)
        if len(house.tried) < 3:
            raise Lost(Broken("gone", untouched=True))

    async def lost(endpoint: Endpoint, errand: Errand, error: Lost) -> None:
        if next(wrong, None) is not None:
            raise OSError("the database is away")

    monkeypatch.setattr(house.endpoints.work, "carry_out", carry_out)
    monkeypatch.setattr(house.endpoints, "_lost", lost)
    await house.ask("k")
    await house.answered(3)

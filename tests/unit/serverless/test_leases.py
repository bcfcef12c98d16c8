"""A request's instance is its own, whatever becomes of the slot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.slices.serverless.crew import Crew
from sagewright.slices.serverless.endpoints import Endpoint, Endpoints
from sagewright.slices.serverless.slots import Slots, State


class House:
    """An endpoint with an instance in slot 0."""

    def __init__(self, folder: Path) -> None:
        platform: Any = SimpleNamespace(metrics=SimpleNamespace(put=lambda samples: None), clock=lambda: 0.0, endpoint="")
        self.endpoints = Endpoints(platform)
        self.endpoint = Endpoint("e", "v", lambda: self.endpoints.gauges.of("e", "v"))
        self.crew = Crew("t", str(folder / "nobody"), ("e", "v"), "s", Slots(1, 0, 60.0), lambda: None, lambda seconds: None)
        self.endpoint.crew = self.crew
        self.arrived("/first")

    def arrived(self, socket: str) -> None:
        self.crew._hear({"ready": 0, "socket": socket, "seconds": 0.0})

    def ended(self) -> None:
        self.crew._hear({"ended": 0, "ready": True})

    async def lease(self) -> Any:
        call: Any = SimpleNamespace()
        return await self.endpoints._lease(self.endpoint, call)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    yield made
    made.crew.close()
    await made.endpoints.close()


async def test_one_that_ended_gives_nothing_back(house: House) -> None:
    """The next instance in the slot has a request of its own: a late end of the first must not make it look free."""
    first = await house.lease()
    house.ended()
    house.arrived("/second")
    second = await house.lease()
    assert [lease[2].every[0].workers[0].path for lease in (first, second)] == ["/first", "/second"]
    house.endpoints._release(house.endpoint, first)
    assert house.crew.slots.states[0] is State.BUSY
    house.endpoints._release(house.endpoint, second)
    assert house.crew.slots.states[0] is State.FREE


async def test_one_that_ends_before_its_request_goes_out_is_known_all_the_same(house: House) -> None:
    lease = await house.lease()
    house.ended()
    assert lease[2].every[0].workers[0].path == "/first", "the request finds nobody there, and is offered to the next"
    house.endpoints._release(house.endpoint, lease)
    assert 0 not in house.crew.slots.states

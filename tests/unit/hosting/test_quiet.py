"""Endpoints that nobody asks say zero."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.sqlite.metrics import SqliteMetrics
from sagewright.gateway.meter import Tally
from sagewright.gateway.routes import Routes, VariantSpec
from sagewright.slices.hosting.quiet import Quiet, pause
from sagewright.stores.metrics import Dimensions, Series

START = 1_800_000_000.0 - 1_800_000_000 % 60
"""The beginning of a minute."""


class House:
    """Routes and metrics of a platform, at a moment."""

    def __init__(self, folder: Path) -> None:
        self.metrics, self.routes, self.now = SqliteMetrics(folder / "metrics.sqlite"), Routes(), START + 68
        self.platform: Any = SimpleNamespace(metrics=self.metrics, clock=lambda: self.now, starters=[], closers=[])
        self.quiet = Quiet(self.platform, self.routes)

    def values(self, name: str, dimensions: Dimensions) -> list[float]:
        return [s.value for s in self.metrics.samples(Series("AWS/SageMaker", name, dimensions), 0.0, 2 * START)]

    def asked(self, dimensions: Dimensions, at: float) -> None:
        tally = Tally()
        tally.requests = 3
        tally.instances.add(1.0)
        self.metrics.put(tally.samples("AWS/SageMaker", dimensions, at))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def variant(endpoint: str, name: str) -> Dimensions:
    return (("EndpointName", endpoint), ("VariantName", name))


async def test_variants_without_requests_say_zero_and_others_do_not(house: House) -> None:
    house.routes.put(("1/us-east-1", "e"), "E", [VariantSpec("a", 1.0, []), VariantSpec("b", 1.0, [])])
    house.asked(variant("E", "a"), START + 30)
    house.asked(variant("E", "b"), START - 1)  # in the minute before
    await house.quiet.tell(house.now)
    assert house.values("Invocations", variant("E", "b")) == [3.0], "it may have come a moment ago"
    await house.quiet.tell(house.now)
    assert house.values("Invocations", variant("E", "a")) == [3.0]
    assert house.values("Invocations", variant("E", "b")) == [3.0, 0.0]
    for name in ("InvocationsPerInstance", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"):
        assert house.values(name, variant("E", "b"))[-1] == 0.0
    assert house.values("ModelLatency", variant("E", "b")) == house.values("ModelLatency", variant("E", "a")), "no latency of nothing"


async def test_requests_at_the_same_time_are_counted_for_each_instance(house: House) -> None:
    copies = VariantSpec("a", 1.0, ["/s/3"], instances=1, component="c")
    house.routes.put(("1/us-east-1", "e"), "E", [VariantSpec("a", 1.0, ["/s/1", "/s/2"], instances=2), VariantSpec("b", 1.0, [])])
    house.routes.put(("1/us-east-1", "e/c"), "c", [copies])
    house.routes.workers()[0].outstanding = 3
    await house.quiet.count(house.now)
    assert house.values("ConcurrentRequestsPerModel", variant("E", "a")) == [1.5]
    assert house.values("ConcurrentRequestsPerModel", variant("E", "b")) == [], "no instance, no requests"
    assert {s.dimensions for s in house.metrics.series("AWS/SageMaker", "ConcurrentRequestsPerModel")} == {variant("E", "a")}


async def test_nothing_is_looked_up_while_there_is_no_endpoint(house: House) -> None:
    house.metrics.close()
    await house.quiet.tell(house.now)
    await house.quiet.count(house.now)


async def test_it_happens_by_itself_after_each_minute(house: House) -> None:
    house.routes.put(("1/us-east-1", "e"), "E", [VariantSpec("a", 1.0, [])])
    house.quiet.install()
    house.now = START + 67.95
    tell, told = house.quiet.tell, asyncio.Event()

    async def telling(now: float) -> None:
        await tell(now)
        if house.values("Invocations", variant("E", "a")):
            told.set()

    house.quiet.tell = telling  # type: ignore[method-assign]
    (start,), (stop,) = house.platform.starters, house.platform.closers
    await start()
    async with asyncio.timeout(10):
        await told.wait()
    await stop()
    at = house.metrics.samples(Series("AWS/SageMaker", "Invocations", variant("E", "a")), 0.0, 2 * START)[0].timestamp
    assert START <= at < START + 60, "in the minute that is over"


@pytest.mark.parametrize(("second", "seconds"), [(0, 8), (7.5, 0.5), (8, 60), (58, 10)])
def test_when_it_is_time(second: float, seconds: float) -> None:
    assert pause(START + second) == pytest.approx(seconds)

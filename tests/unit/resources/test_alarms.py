"""A deployment looks at its alarms as soon as one of them changes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from sagewright.resources.alarms import KIND, Alarms
from sagewright.runtime.lifecycle import Event
from sagewright.slices.metrics.alarms.lifecycle import LIFECYCLE
from sagewright.stores.records import Record


async def test_a_change_of_an_alarm_is_heard() -> None:
    heard: list[Any] = []
    alarms = Alarms(SimpleNamespace(reconciler=SimpleNamespace(listen=heard.append)))  # type: ignore[arg-type]
    alarms.install()
    waiting = asyncio.create_task(alarms.change(60.0))
    await asyncio.sleep(0)
    (tell,) = heard
    await tell(Record("Endpoint", "s", "e", {}, 1, 0.0, 0.0), Event("Ready"))
    assert not waiting.done()
    await tell(Record(LIFECYCLE.name, "s", "a", {}, 1, 0.0, 0.0), Event("Evaluated"))
    async with asyncio.timeout(5):
        await waiting
    assert LIFECYCLE.name == KIND

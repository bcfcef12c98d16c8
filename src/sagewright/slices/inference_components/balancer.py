"""Brings the components of an endpoint and its instances together whenever either changes. What it decides is ``pool.balance``."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import Any

from ...resources.platform import Platform
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Query, Record
from .pool import Plan, balance

log = logging.getLogger(__name__)

KIND = "InferenceComponent"
QUIET = ("Preparing", "Staging", "Started", "Keyed", "Ready", "Placed", "Short", "Looked", "Pooled", "Exited")
"""Events after which nothing is to be placed that was not before."""
GONE = "Its endpoint was deleted, or holds no inference components any more."


class Balancer:
    """One per platform. Endpoints are balanced one at a time each; everything it needs is in the records."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._locks: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def install(self) -> None:
        self.platform.reconciler.listen(self.heard)
        self.platform.starters.append(self.load)
        self.platform.closers.append(self.close)

    async def load(self) -> None:
        """What the last server may not have come to."""
        for record in await self.platform.records.find("Endpoint", None, Query(limit=1_000_000)):
            if holds(record):
                self.soon(record.scope, record.key)

    async def heard(self, record: Record, event: Event) -> None:
        if event.name in QUIET:
            return
        if record.kind == KIND:
            self.soon(record.scope, record.doc["EndpointName"].lower())
        elif record.kind == "Endpoint" and holds(record):
            self.soon(record.scope, record.key)

    def soon(self, scope: str, endpoint: str) -> None:
        """Balance an endpoint; several wishes at once become one."""
        place = scope, endpoint
        if place in self._waiting:
            return
        task = self._waiting[place] = asyncio.get_running_loop().create_task(self._logged(place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, place: tuple[str, str]) -> None:
        try:
            await asyncio.sleep(0)  # wishes of the same moment come together
            self._waiting.pop(place, None)
            await self.balance(*place)
        except Exception:
            log.exception("the components of endpoint %s were not placed", place[1])
        finally:
            self._waiting.pop(place, None)

    async def balance(self, scope: str, endpoint: str) -> None:
        """Place what waits, add and release instances, as things are now."""
        place = scope, endpoint
        async with self._locks[place]:
            if timer := self._timers.pop(place, None):
                timer.cancel()
            record = await self.platform.records.get("Endpoint", scope, endpoint)
            found = await self.platform.records.find(KIND, scope, Query(parent=endpoint, descending=False, limit=10_000))
            components = {c.key: c.doc for c in found}
            if record is None or record.doc["_state"] in ("Deleting", "Failed"):
                await self._orphan(scope, components)
                self._locks.pop(place, None)
                return
            fleet = record.doc.get("_fleet")
            if not fleet:
                return  # as soon as it serves
            before = record.doc.get("_pool", {})
            plan = balance(fleet["Variants"], before, components, self.platform.clock())
            if plan.pool != before:
                await self._tell("Endpoint", scope, endpoint, "Pooled", Pool=plan.pool)
            await self._carry_out(scope, plan)
            if plan.again is not None:
                self._timers[place] = asyncio.get_running_loop().call_later(plan.again + 0.01, self.soon, scope, endpoint)

    async def _carry_out(self, scope: str, plan: Plan) -> None:
        for key, places in plan.placed.items():
            await self._tell(KIND, scope, key, "Placed", Copies=places)
        for key, copies in plan.short.items():
            await self._tell(KIND, scope, key, "Short", Copies=copies)
        for key, copies in plan.moves.items():
            await self._tell(KIND, scope, key, "Moving", Copies=copies)

    async def _orphan(self, scope: str, components: dict[str, dict[str, Any]]) -> None:
        for key, doc in components.items():
            if doc["_state"] not in ("Failed", "Deleting"):
                await self._tell(KIND, scope, key, "Orphaned", Reason=GONE)

    async def _tell(self, kind: str, scope: str, key: str, event: str, **data: Any) -> None:
        try:
            await self.platform.reconciler.send(kind, scope, key, Event(event, data))
        except ImpossibleTransition as error:
            log.info("late event: %s", error)

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def holds(record: Record) -> bool:
    """Whether an endpoint is there for components."""
    return any("Components" in v for v in (record.doc.get("_fleet") or {}).get("Variants", ()))

"""The asynchronous endpoints of this server: keeps their instances busy with what waits, woken by events."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ...gateway.client import Worker
from ...gateway.pipeline import worker_at
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...runtime.timer import Timer
from ...stores.records import Query, Record
from . import gauges
from .backlog import ANSWERED, KIND, WAITING, WINDOW, Backlog, remove
from .crew import Crew, Instance
from .work import Errand, Lost, Work

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Times that a request is given to a model that breaks off."""
REST = 0.1
"""Seconds that an instance is left alone after it broke off; doubles each time, up to LONGEST_REST."""
LONGEST_REST = 5.0
REMEMBERED = 300.0
"""Seconds that an answered request with an InferenceId of its caller's is known, as SQS has it for duplicates."""
ENDED = ("Deleting", "Failed")


@dataclass(slots=True, eq=False)
class Endpoint:
    """One asynchronous endpoint."""

    name: str
    region: str
    backlog: Backlog
    crew: Crew = field(default_factory=Crew)
    running: dict[str, Record] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    since: float = 0.0
    """Requests that came before this moment are an earlier server's."""
    accepts: bool = True
    pumping: bool = False
    again: bool = False
    timer: Timer = field(init=False)
    """Until the backlog is published next."""
    told: float = float("-inf")
    """When it was published last, on the loop's clock."""
    silent: bool = False
    """Nothing waits, nobody is there, and that has been said."""
    ended: bool = False

    @property
    def size(self) -> int:
        """Requests that wait or are being worked on."""
        return self.backlog.size + len(self.running)

    def oldest(self) -> float | None:
        front = self.backlog.oldest()
        times = [record.doc["Received"] for record in (*self.running.values(), *([front] if front else ()))]
        return min(times, default=None)


class Endpoints:
    """Every asynchronous endpoint of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.records = platform, platform.records
        self.work = Work(platform, self._worker)
        self._table: dict[tuple[str, str], Endpoint] = {}
        self._workers: dict[str, Worker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._forgetting: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._closed = False

    def install(self) -> None:
        self.platform.reconciler.listen(self.heard)
        self.platform.starters.append(self.load)
        self.platform.closers.append(self.close)

    def get(self, scope: str, name: str) -> Endpoint | None:
        return self._table.get((scope, name.lower()))

    def moment(self) -> float:
        """The time, later than at any call before: the order in which requests came."""
        self._last = max(self.platform.clock(), self._last + 1e-6)
        return self._last

    # -- endpoints come and go

    async def load(self) -> None:
        """After a start: take up what the last server left."""
        for record in await self.records.find("Endpoint", None, Query(limit=1_000_000)):
            await self._apply(record)
        waiting = await self.records.count(KIND, None, Query(statuses=(WAITING,)))
        if waiting != sum(endpoint.backlog.size for endpoint in self._table.values()):
            await self._remove_orphans()
        self._forget_later()

    async def _remove_orphans(self) -> None:
        """Requests of endpoints that were deleted while nobody looked."""
        known = {endpoint.backlog.id for endpoint in self._table.values()}
        after: Any = None
        while found := await self.records.find(KIND, None, Query(statuses=(WAITING,), descending=False, after=after, limit=WINDOW)):
            for gone in {(record.scope, record.parent) for record in found if record.parent not in known}:
                await remove(self.records, gone[0], Query(parent=gone[1], limit=WINDOW))
            after = (found[-1].created, found[-1].key, found[-1].scope)

    async def heard(self, record: Record, event: Event) -> None:
        if record.kind == "Endpoint":
            await self._apply(record)

    async def _apply(self, record: Record) -> None:
        key, doc = (record.scope, record.key), record.doc
        endpoint = self._table.get(key)
        if endpoint is not None and (doc["_state"] in ENDED or endpoint.backlog.id != doc["_prefix"]):
            del self._table[key]
            endpoint.ended = True
            self._background(endpoint.backlog.drop())
            endpoint = None
        fleet = doc.get("_fleet")
        if doc["_state"] in ENDED or not fleet:
            return
        accepts = any("Async" in variant for variant in fleet["Variants"])
        if endpoint is None:
            if not accepts:
                return
            backlog = Backlog(self.records, record.scope, doc["_prefix"])
            endpoint = Endpoint(doc["EndpointName"], record.scope.split("/", 1)[1], backlog, since=self.platform.clock())
            endpoint.timer = Timer(partial(self._publish, endpoint))
            await backlog.open()
            self._table[key] = endpoint
        endpoint.accepts = accepts
        endpoint.crew.update(doc)
        named = {path for e in self._table.values() for i in e.crew.instances.values() for path in i.sockets}
        for path in [path for path in self._workers if path not in named]:
            self._workers.pop(path).close()
        self.kick(endpoint)

    def _worker(self, instance: Instance) -> Worker:
        """The least busy process of an instance."""
        workers = [self._workers.setdefault(path, worker_at(path)) for path in instance.sockets]
        return min(workers, key=lambda worker: worker.outstanding)

    # -- requests

    def kick(self, endpoint: Endpoint) -> None:
        """Something changed: there may be work, or somebody to do it."""
        endpoint.again = True
        if not endpoint.pumping and not endpoint.ended and not self._closed:
            endpoint.pumping = True
            self._background(self._pump(endpoint))
        if not endpoint.ended and not self._closed:
            self._gauge_later(endpoint)

    async def _pump(self, endpoint: Endpoint) -> None:
        try:
            while endpoint.again and not endpoint.ended:
                endpoint.again = False
                while endpoint.backlog.size and (instance := endpoint.crew.take()):
                    record = None
                    try:
                        record = await endpoint.backlog.next()
                    finally:
                        instance.busy -= record is None
                    if record is None:
                        break
                    before = record.doc["Received"] < endpoint.since or record.key in endpoint.attempts
                    errand = Errand(record, instance.variant, instance.role, endpoint.crew.output, instance, before)
                    endpoint.running[record.key] = record
                    self._background(self._carry_out(endpoint, errand))
        except Exception:
            log.exception("the queue of endpoint %s cannot be read", endpoint.name)
            self._later(1.0, endpoint)
        finally:
            endpoint.pumping = False

    async def _carry_out(self, endpoint: Endpoint, errand: Errand) -> None:
        record, instance = errand.record, errand.instance
        try:
            try:
                await self.work.carry_out(errand)
            except Lost as error:
                await self._lost(endpoint, errand, error)
            else:
                await self._done(endpoint, errand)
        except Exception:
            log.exception("async request %s of endpoint %s failed here; it waits again", record.doc["InferenceId"], endpoint.name)
            endpoint.attempts.setdefault(record.key, 0)  # its answer may be there already
            self._wait_again(endpoint, errand)
        finally:
            endpoint.running.pop(record.key, None)
            if instance is not None:
                instance.busy -= 1
            self.kick(endpoint)

    async def _done(self, endpoint: Endpoint, errand: Errand) -> None:
        await endpoint.backlog.done(errand.record)
        endpoint.attempts.pop(errand.record.key, None)
        if errand.instance is not None:
            errand.instance.failures = 0
        if errand.record.doc.get("Named"):
            self._forget_later()

    async def _lost(self, endpoint: Endpoint, errand: Errand, error: Lost) -> None:
        """The instance broke off. A model that does so again and again for one request does not get it forever."""
        instance, key = errand.instance, errand.record.key
        assert instance is not None
        if not error.untouched and not instance.gone:
            endpoint.attempts[key] = endpoint.attempts.get(key, 0) + 1
        if endpoint.attempts.get(key, 0) >= ATTEMPTS:
            await self.work.give_up(errand, f"The model broke off {ATTEMPTS} times: {error}.")
            await endpoint.backlog.done(errand.record)
            del endpoint.attempts[key]
            return
        self._wait_again(endpoint, errand)

    def _wait_again(self, endpoint: Endpoint, errand: Errand) -> None:
        """The request goes back to the front; its instance rests a while."""
        endpoint.backlog.back(errand.record)
        instance = errand.instance
        if instance is None:
            return
        instance.resting = True
        delay = min(REST * 2**instance.failures, LONGEST_REST)
        instance.failures += 1

        def rested() -> None:
            instance.resting = False
            self.kick(endpoint)

        asyncio.get_running_loop().call_later(delay, rested)

    # -- what waits, told and forgotten

    def _gauge_later(self, endpoint: Endpoint) -> None:
        """See to it that the endpoint's backlog is published when it is due; at once where there was nothing to say before."""
        loop, seconds = asyncio.get_running_loop(), gauges.pause(endpoint.crew, endpoint.size)
        if seconds is None and endpoint.silent:
            return
        due = max(loop.time(), endpoint.told + (seconds or 0.0))
        endpoint.timer.by(due)

    def _publish(self, endpoint: Endpoint) -> None:
        self._background(self._gauge(endpoint))

    async def _gauge(self, endpoint: Endpoint) -> None:
        if endpoint.ended or self._closed:
            return
        now = self.platform.clock()
        endpoint.told, endpoint.silent = asyncio.get_running_loop().time(), gauges.pause(endpoint.crew, endpoint.size) is None
        found = gauges.samples(endpoint.name, endpoint.crew, endpoint.size, endpoint.oldest(), now)
        try:
            await asyncio.to_thread(self.platform.metrics.put, found)
            for record in [] if endpoint.crew.capacity else await endpoint.backlog.expired(now):
                variant, role = next(iter(endpoint.crew.roles.items()), ("", None))
                endpoint.running[record.key] = record
                self._background(self._carry_out(endpoint, Errand(record, variant, role, endpoint.crew.output)))
        except Exception:
            log.exception("the backlog of endpoint %s was not published", endpoint.name)
        if not endpoint.ended and not self._closed:
            self._gauge_later(endpoint)

    def _forget_later(self) -> None:
        if self._forgetting is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._forgetting = loop.call_later(REMEMBERED, lambda: self._background(self._forget()))

    async def _forget(self) -> None:
        """Remove answered requests that nobody asks for again."""
        before = self.platform.clock() - REMEMBERED
        await remove(self.records, None, Query(statuses=(ANSWERED,), modified_before=before, limit=WINDOW))
        self._forgetting = None
        if await self.records.find(KIND, None, Query(statuses=(ANSWERED,), limit=1)):
            self._forget_later()

    # -- tasks

    def _later(self, seconds: float, endpoint: Endpoint) -> None:
        asyncio.get_running_loop().call_later(seconds, lambda: self.kick(endpoint))

    def _background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let go of what is under way; it is still queued, and taken up at the next start."""
        self._closed = True
        for endpoint in self._table.values():
            endpoint.ended = True
            endpoint.timer.cancel()
        if self._forgetting is not None:
            self._forgetting.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers.values():
            worker.close()
        await self.work.journal.close()

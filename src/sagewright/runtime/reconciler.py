"""The reconciler: applies events to documents and carries out the instructions that follow.

An event's way: ``send`` → lifecycle table → document and work in one transaction → executor → next event. It is woken
by events and by the earliest timer, never by polling. Work is done at least once: an executor must be able to run
again after a crash in its middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from ..stores.records import AddWork, Change, Conflict, Delete, DoneWork, Put, Record, Records, Work
from .lifecycle import Event, ImpossibleTransition, Instruction, Lifecycle

log = logging.getLogger(__name__)

RETRIES = 5
RETRY_DELAY = 0.5
"""Seconds before the first retry of a failed executor; doubles each time."""
PAUSE = 1.0
"""Seconds before work is looked for again when the records could not be read or written."""
HORIZON = 3600.0
"""Seconds that the loop looks ahead for timers."""
BATCH = 200
"""Work read at once; more is read when some of it is done."""


@dataclass(slots=True)
class Job:
    """One instruction being carried out."""

    work: Work
    record: Record
    reconciler: Reconciler

    @property
    def doc(self) -> dict[str, Any]:
        return self.record.doc

    @property
    def args(self) -> dict[str, Any]:
        return self.work.args

    async def fresh(self) -> Job | None:
        """The same with the record as it is now; None if that is gone, or has come to rest."""
        record = await self.reconciler.records.get(self.work.kind, self.work.scope, self.work.key)
        return None if record is None or self.reconciler.settled(record) else Job(self.work, record, self.reconciler)

    async def send(self, name: str, **data: Any) -> None:
        """Tell the resource what came of it. A late event that its state no longer allows is dropped and logged."""
        try:
            await self.reconciler.send(self.work.kind, self.work.scope, self.work.key, Event(name, data))
        except ImpossibleTransition as error:
            log.info("late event: %s", error)


Executor = Callable[[Job], Awaitable[None]]


class Changes:
    """Lets somebody wait until a document changes. In memory only: it saves polling, it decides nothing."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, str], set[asyncio.Future[None]]] = defaultdict(set)
        self._listeners: list[Callable[[str, str, str], None]] = []
        self.closed = False

    def listen(self, heard: Callable[[str, str, str], None]) -> None:
        """``heard(kind, scope, key)`` is called at every change of every document; it must not raise, nor wait."""
        self._listeners.append(heard)

    def notify(self, kind: str, scope: str, key: str) -> None:
        for heard in self._listeners:
            heard(kind, scope, key)
        for future in self._waiting.pop((kind, scope, key), ()):
            if not future.done():
                future.set_result(None)

    def waiter(self, kind: str, scope: str, key: str) -> asyncio.Future[None]:
        """A future that the next change resolves. Take it before reading the document, so that no change is missed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[kind, scope, key]
        waiting.add(future)

        def forget(_: asyncio.Future[None]) -> None:
            waiting.discard(future)
            if not waiting and self._waiting.get((kind, scope, key)) is waiting:
                del self._waiting[kind, scope, key]

        future.add_done_callback(forget)
        return future

    async def wait(self, waiter: asyncio.Future[None], seconds: float) -> bool:
        """True on a change, False when the seconds pass or the server shuts down."""
        if self.closed or seconds <= 0:
            waiter.cancel()
            return False
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return False
        return not self.closed

    def close(self) -> None:
        self.closed = True
        for key in list(self._waiting):
            self.notify(*key)


class Reconciler:
    """One per server. Lifecycles and executors are registered before ``start``."""

    def __init__(self, records: Records, clock: Callable[[], float]) -> None:
        self.records, self.clock, self.changes = records, clock, Changes()
        self._lifecycles: dict[str, Lifecycle] = {}
        self._executors: dict[tuple[str, str], Executor] = {}
        self._listeners: list[Callable[[Record, Event], Awaitable[None]]] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def lifecycle(self, kind: str, lifecycle: Lifecycle) -> None:
        self._lifecycles[kind] = lifecycle

    def executor(self, kind: str, instruction: str, run: Executor) -> None:
        if (kind, instruction) in self._executors:
            raise ValueError(f"{kind} {instruction} has an executor already")
        self._executors[kind, instruction] = run

    def work(self, record_kind: str, scope: str, key: str, instruction: Instruction) -> AddWork:
        """The change that queues an instruction; commit it with the document it follows from."""
        due = self.clock() + instruction.delay
        return AddWork(Work(uuid.uuid4().hex, record_kind, scope, key, instruction.name, instruction.args, due))

    async def commit(self, *changes: Change) -> None:
        """Write documents without a lifecycle, and tell whoever waits or listens.

        Raises:
            Conflict: a document has changed meanwhile, or its key is taken.
        """
        await self.records.commit(*changes)
        for change in changes:
            if isinstance(change, (Put, Delete)):
                self.changed(change.kind, change.scope, change.key)

    async def create(self, put: Put, *instructions: Instruction, also: tuple[Change, ...] = ()) -> Record:
        """Write a new document in its lifecycle's first state, with its first instructions.

        Raises:
            Conflict: the key is taken.
        """
        lifecycle = self._lifecycles[put.kind]
        doc = lifecycle.begin(put.doc, self.clock())
        put = replace(put, doc=doc, status=lifecycle.status(doc["_state"]), expected=0)
        await self.records.commit(put, *(self.work(put.kind, put.scope, put.key, i) for i in instructions), *also)
        self.changed(put.kind, put.scope, put.key)
        record = await self.records.get(put.kind, put.scope, put.key)
        assert record is not None
        return record

    async def send(self, kind: str, scope: str, key: str, event: Event, also: tuple[Change, ...] = ()) -> Record | None:
        """Apply an event; the new record, or None if it does not exist any more.

        ``also`` is committed in the same transaction, whether or not the table ignores the event.

        Raises:
            ImpossibleTransition: the table has no rule for it.
            Conflict: a change of ``also`` expects another version than there is.
        """
        lifecycle = self._lifecycles[kind]
        while True:
            record = await self.records.get(kind, scope, key)
            if record is None:
                if also:
                    await self.records.commit(*also)
                return None
            stepped = lifecycle.step(key, record.doc, event, self.clock())
            if stepped is None:
                if also:
                    await self.records.commit(*also)
                return record
            doc, move = stepped
            changes: list[Change] = [*also]
            if move.remove:
                changes.append(Delete(kind, scope, key, record.version))
            else:
                status = lifecycle.status(doc["_state"])
                changes.append(Put(kind, scope, key, doc, record.version, status, record.name, record.parent))
                changes += [self.work(kind, scope, key, instruction) for instruction in move.instructions]
            try:
                await self.records.commit(*changes)
            except Conflict as conflict:
                if (conflict.kind, conflict.key) != (kind, key):
                    raise
                continue
            self._wake.set()
            written = replace(record, doc=doc, version=record.version + 1, status=lifecycle.status(doc["_state"]))
            try:
                for listener in self._listeners:
                    await listener(written, event)
            finally:
                # last: who waits for a status may rely on what follows from it
                self.changes.notify(kind, scope, key)
            return written

    async def offer(self, kind: str, scope: str, key: str, event: Event) -> None:
        """Send an event that most lifecycles and states have no rule for."""
        if kind in self._lifecycles:
            with contextlib.suppress(ImpossibleTransition):
                await self.send(kind, scope, key, event)

    def listen(self, heard: Callable[[Record, Event], Awaitable[None]]) -> None:
        """``heard(record, event)`` is awaited after every transition of this server; it must not raise."""
        self._listeners.append(heard)

    @property
    def busy(self) -> int:
        """How many instructions are being carried out."""
        return len(self._running)

    def settled(self, record: Record) -> bool:
        lifecycle = self._lifecycles.get(record.kind)
        return lifecycle is None or lifecycle.settled(record.doc)

    def changed(self, kind: str, scope: str, key: str) -> None:
        self.changes.notify(kind, scope, key)
        self._wake.set()

    async def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name="reconciler")

    async def stop(self) -> None:
        """Let go of running work; it is still queued and runs again at the next start."""
        self.changes.close()
        tasks = [*self._running.values(), *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                timeout = await self._begin()
            except Exception:
                # the database is away, or its disk is full: what it says once it is back goes on from there
                log.exception("cannot read the work that is due; trying again in %g s", PAUSE)
                timeout = PAUSE
            # not wait_for: on Python 3.11 it may lose a cancellation that arrives with the wake-up
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._wake.wait()

    async def _begin(self) -> float:
        """Begin what is due; seconds until more will be."""
        now = self.clock()
        for work in await self.records.due(now + HORIZON, limit=len(self._running) + BATCH):
            if work.due > now:
                return work.due - now
            if work.id not in self._running:
                self._running[work.id] = asyncio.create_task(self._carry_out(work), name=work.instruction)
        return HORIZON

    async def _carry_out(self, work: Work) -> None:
        try:
            await self._attempt(work)
        except Exception:
            # nothing could be written down, so that the work is still due: not at once, or it would never rest
            log.exception("%s of %s %s is still queued; it runs again in %g s", work.instruction, work.kind, work.key, PAUSE)
            await asyncio.sleep(PAUSE)
        finally:
            self._running.pop(work.id, None)
            self._wake.set()

    async def _attempt(self, work: Work) -> None:
        record = await self.records.get(work.kind, work.scope, work.key)
        if record is None:
            await self.records.commit(DoneWork(work.id))
            return
        try:
            await self._executors[work.kind, work.instruction](Job(work, record, self))
            await self.records.commit(DoneWork(work.id))
        except Exception as error:
            await self._failed(work, record, error)

    async def _failed(self, work: Work, record: Record, error: Exception) -> None:
        log.exception("%s of %s %s failed (attempt %d)", work.instruction, work.kind, work.key, work.attempt + 1)
        if work.attempt + 1 < RETRIES:
            delay = RETRY_DELAY * 2**work.attempt
            await self.records.commit(AddWork(replace(work, attempt=work.attempt + 1, due=self.clock() + delay)))
            return
        reason = f"InternalServerError: {work.instruction} failed {RETRIES} times: {error}"
        if work.kind in self._lifecycles:  # schedules have work and no states
            await Job(work, record, self).send("Fault", Reason=reason[:1024])
        await self.records.commit(DoneWork(work.id))

"""The serverless endpoints of this server: every request is held until an instance is there for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...gateway.answer import Answer
from ...gateway.model import instance_id
from ...gateway.outcomes import TIMED_OUT, model_error
from ...gateway.routes import Route
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.records import Query, Record
from ...wire.errors import ServiceError
from ...wire.types import Call
from .crew import Crew
from .gauges import Gauge, Gauges
from .slots import Slots, Verdict

LIMIT = 4 * 2**20
"""Bytes that a request, and an answer, may hold."""
START = 180.0
"""Seconds that a request waits for an instance."""
TRIES = 3
"""Instances that a request is offered to when those before were gone before they saw it."""
ENDED = ("Deleting", "Failed")

Ask = Callable[[Call, Route], Awaitable[dict[str, Any]]]
Lease = tuple[Crew, int, Route]
"""An instance, for one request: its slot, and the way to this very one, for the slot may have another before the request has ended."""


@dataclass(slots=True, eq=False)
class Endpoint:
    """One serverless endpoint."""

    name: str
    variant: str
    gauge: Callable[[], Gauge]
    crew: Crew | None = None
    waiting: deque[asyncio.Future[Lease]] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None


class Endpoints:
    """Every serverless endpoint of one platform; a ``Servant``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._table: dict[tuple[str, str], Endpoint] = {}
        self._leaving: dict[str, tuple[Endpoint, Crew]] = {}
        """Path of the line → a crew that gets no new requests."""
        self.gauges = Gauges(platform.metrics.put, platform.clock, self._keeping)

    def install(self) -> None:
        self.platform.reconciler.listen(self._heard)
        self.platform.starters.append(self._load)
        self.platform.closers.append(self.close)

    # -- as a Servant

    def serves(self, scope: str, name: str) -> bool:
        return (scope, name.lower()) in self._table

    async def answer(self, call: Call, ask: Ask) -> dict[str, Any]:
        name = call.params["EndpointName"]
        endpoint = self._table[call.scope, name.lower()]
        if len(call.params.get("Body", b"")) > LIMIT:
            raise ServiceError("ValidationError", f"Request body of serverless endpoint {name} is larger than {LIMIT} bytes.", 413)
        if "SessionId" in call.params:
            raise ServiceError("ValidationError", f"SessionId cannot be given: endpoint {name} is serverless.")
        for _ in range(TRIES):
            crew, slot, route = lease = await self._lease(endpoint, call)
            spent, streams = False, False
            try:
                result = await ask(call, route)
                body = result["Body"]
                if not isinstance(body, bytes | bytearray):
                    result["Body"], streams = Leased(body, lambda: self._release(endpoint, lease)), True  # noqa: B023
                elif len(body) > LIMIT:
                    text = f"The model's answer holds {len(body)} bytes; a serverless endpoint's may hold {LIMIT}."
                    raise self._model_error(call, endpoint, crew, text)
                return result
            except ServiceError as error:
                spent = error.members.get("OriginalMessage") == TIMED_OUT  # it still works on what nobody waits for
                if not spent and (error.members.get("OriginalStatusCode") == 0 or error.code == "ServiceUnavailable"):
                    cause = await crew.why(slot)
                    if error.code == "ServiceUnavailable":
                        continue  # it has not seen the request
                    if cause:
                        raise self._model_error(call, endpoint, crew, cause) from None
                raise
            finally:
                if not streams:
                    self._release(endpoint, lease, spent=spent)
        raise ServiceError("ServiceUnavailable", f"No instance of production variant {endpoint.variant} answers at the moment.", 503)

    async def drain(self, record: Record, sockets: Sequence[str], seconds: float) -> None:
        self._apply(record)
        until = asyncio.get_running_loop().time() + seconds
        for path in sockets:
            if (found := self._leaving.get(path)) is None:
                continue
            endpoint, crew = found
            while endpoint.crew is crew and endpoint.waiting and asyncio.get_running_loop().time() < until:
                await asyncio.wait([*endpoint.waiting], timeout=until - asyncio.get_running_loop().time())
            await crew.quiet(max(0.0, until - asyncio.get_running_loop().time()))
            self._leaving.pop(path, None)
            self._discard(endpoint, crew)

    # -- endpoints come and go

    async def _load(self) -> None:
        for record in await self.platform.records.find("Endpoint", None, Query(limit=1_000_000)):
            self._apply(record)

    async def _heard(self, record: Record, event: Event) -> None:
        if record.kind == "Endpoint":
            self._apply(record)

    def _apply(self, record: Record) -> None:
        """Take in what an endpoint's document says."""
        key, doc = (record.scope, record.key), record.doc
        fleet = doc.get("_fleet") if doc["_state"] not in ENDED else None
        variant = next((v for v in (fleet or {}).get("Variants", ()) if "Serverless" in v), None)
        endpoint = self._table.get(key)
        if fleet is None or variant is None:
            if endpoint is not None:
                del self._table[key]
                if endpoint.crew is not None:
                    self._leaving[endpoint.crew.path] = endpoint, endpoint.crew
            return
        if endpoint is None or endpoint.variant != variant["Name"]:
            endpoint = self._table[key] = self._endpoint(doc["EndpointName"], variant["Name"], endpoint)
        task, about = next(iter(fleet["Tasks"].items()))
        path = next(iter(about["Sockets"]), "")
        self._staff(endpoint, task, path)
        if endpoint.crew is not None:
            endpoint.crew.slots.configure(variant["Serverless"], variant.get("Idle", self.platform.settings.serverless_idle))
            if endpoint.crew.slots.kept:
                self.gauges.quiet()
            self._kick(endpoint)

    def _endpoint(self, name: str, variant: str, old: Endpoint | None) -> Endpoint:
        made = Endpoint(name, variant, lambda: self.gauges.of(name, variant))
        if old is not None:
            made.waiting, old.waiting = old.waiting, deque()
            if old.crew is not None:
                self._leaving[old.crew.path] = old, old.crew
        return made

    def _staff(self, endpoint: Endpoint, task: str, path: str) -> None:
        """See to it that the endpoint's instances are those of this task; it has none while there is no ``path``."""
        crew = endpoint.crew
        if crew is not None and (crew.task, crew.path) == (task, path):
            return
        if crew is not None:
            self._leaving[crew.path] = endpoint, crew
            endpoint.crew = None
        if path:
            slots = Slots(1, 0, 0.0, together=max(1, os.cpu_count() or 1))
            stream = f"{endpoint.variant}/{instance_id(task)}"
            endpoint.crew = Crew(
                task, path, (endpoint.name, endpoint.variant), stream, slots, lambda: self._kick(endpoint),
                lambda seconds: endpoint.gauge().add("ModelSetupTime", seconds * 1e6, "Microseconds"),
            )

    def _discard(self, endpoint: Endpoint, crew: Crew) -> None:
        crew.close()
        if endpoint.crew is crew:
            endpoint.crew = None
            if endpoint.timer is not None:
                endpoint.timer.cancel()
            gone = ServiceError("ValidationError", f"Endpoint {endpoint.name} was deleted while the request waited for an instance.")
            self._fail(endpoint, gone)

    def _keeping(self) -> Iterator[tuple[str, str, int, int]]:
        for endpoint in self._table.values():
            if endpoint.crew is not None and endpoint.crew.slots.kept:
                yield endpoint.name, endpoint.variant, endpoint.crew.slots.most, endpoint.crew.slots.kept

    # -- an instance for a request

    async def _lease(self, endpoint: Endpoint, call: Call) -> Lease:
        loop = asyncio.get_running_loop()
        verdict = Verdict.WAIT
        if (crew := endpoint.crew) is not None:
            if crew.slots.hopeless(loop.time()):
                raise self._model_error(call, endpoint, crew, _unready(crew))
            verdict = crew.slots.admit(len(endpoint.waiting), loop.time())
        if verdict is Verdict.THROTTLE:
            raise ServiceError(
                "ThrottlingException", f"Rate exceeded: serverless endpoint {endpoint.name} has as many requests as its MaxConcurrency allows.", 429
            )
        if verdict is Verdict.TAKE and crew is not None and (slot := crew.slots.take()) is not None:
            self._moved(endpoint, crew, slot)
            return crew, slot, crew.routes[slot]
        future: asyncio.Future[Lease] = loop.create_future()
        endpoint.waiting.append(future)
        self._kick(endpoint)
        try:
            async with asyncio.timeout(START):
                return await future
        except TimeoutError:
            text = f"Serverless endpoint {endpoint.name} has no instance for the request yet. Try again."
            raise ServiceError("ModelNotReadyException", text, 429) from None
        except _Hopeless as error:
            raise self._model_error(call, endpoint, error.crew, _unready(error.crew)) from None
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._release(endpoint, future.result())  # it came in the same moment
            raise
        finally:
            with contextlib.suppress(ValueError):
                endpoint.waiting.remove(future)

    def _release(self, endpoint: Endpoint, lease: Lease, *, spent: bool = False) -> None:
        crew, slot, route = lease
        if crew.routes.get(slot) is route:
            crew.release(slot, len(endpoint.waiting), spent=spent)
        self._moved(endpoint, crew)
        if endpoint.crew is crew:
            self._kick(endpoint)

    def _kick(self, endpoint: Endpoint) -> None:
        """Give those who wait what is there, wake what is needed for the rest, and come back when time alone changes something."""
        crew, loop = endpoint.crew, asyncio.get_running_loop()
        if crew is None:
            return
        waiting = endpoint.waiting
        while waiting:
            if waiting[0].done():
                waiting.popleft()
                continue
            if (slot := crew.slots.take()) is None:
                break
            waiting.popleft().set_result((crew, slot, crew.routes[slot]))
            self._moved(endpoint, crew, slot)
        if waiting and crew.slots.hopeless(loop.time()):
            self._fail(endpoint, _Hopeless(crew))
        crew.slots.settle(len(waiting), loop.time())
        crew.tend(len(waiting))
        if endpoint.timer is not None:
            endpoint.timer.cancel()
            endpoint.timer = None
        if (seconds := crew.slots.due(loop.time())) is not None:
            endpoint.timer = loop.call_later(seconds, self._kick, endpoint)

    def _moved(self, endpoint: Endpoint, crew: Crew, taken: int | None = None) -> None:
        slots, gauge = crew.slots, endpoint.gauge()
        busy = [slot for slot, state in slots.states.items() if state.value == "busy"]
        gauge.moved(len(busy), slots.most, sum(not slots.spilled(slot) for slot in busy), slots.kept)
        if taken is not None:
            gauge.invoked(slots.spilled(taken), slots.kept)

    @staticmethod
    def _fail(endpoint: Endpoint, error: Exception) -> None:
        while endpoint.waiting:
            future = endpoint.waiting.popleft()
            if not future.done():
                future.set_exception(error)

    def _model_error(self, call: Call, endpoint: Endpoint, crew: Crew, text: str) -> ServiceError:
        url = call.endpoint or self.platform.endpoint
        return model_error(url, call.account, call.region, Route(endpoint.name, []), crew.stream, Answer(0, {}, text.encode()))

    async def close(self) -> None:
        """Let go of everything; instances go on."""
        for endpoint in self._table.values():
            if endpoint.timer is not None:
                endpoint.timer.cancel()
            if endpoint.crew is not None:
                endpoint.crew.close()
        for _, crew in self._leaving.values():
            crew.close()
        await self.gauges.close()


class _Hopeless(Exception):
    """No instance can be started at the moment."""

    def __init__(self, crew: Crew) -> None:
        super().__init__()
        self.crew = crew


class Leased(AsyncIterator[Any]):
    """A streamed answer; gives its instance back at the end, however that comes about."""

    def __init__(self, parts: AsyncIterator[Any], release: Callable[[], None]) -> None:
        self._parts, self._release = parts, release
        self._held = True

    async def __anext__(self) -> Any:
        try:
            return await self._parts.__anext__()
        except BaseException:
            self._end()
            raise

    async def aclose(self) -> None:
        try:
            await self._parts.aclose()  # type: ignore[attr-defined]
        finally:
            self._end()

    def __del__(self) -> None:
        self._end()

    def _end(self) -> None:
        if self._held:
            self._held = False
            self._release()


def _unready(crew: Crew) -> str:
    return f"No instance could be started. {crew.cause}".strip()

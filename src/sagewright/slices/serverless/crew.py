"""The instances of one task on demand, as the server sees them: its line, who is there, and what became of those who are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...gateway.client import Worker
from ...gateway.dial import beside
from ...gateway.model import died
from ...gateway.routes import Route, Variant
from ...stores.metrics import Dimensions
from .line import Line
from .slots import Slots, State

LAST_WORDS = 1.0
"""Seconds that a request whose instance broke off waits for the news of why."""


class Crew:
    """One task's instances.

    Args:
        path: the address of the task's line.
        stream: the log stream of the task's instances.
        changed: called when there is somebody for a request, or nobody any more.
        setup: told how many seconds the start of an instance took.
    """

    def __init__(
        self, task: str, path: str, names: tuple[str, str], stream: str, slots: Slots, changed: Callable[[], None],
        setup: Callable[[float], None],
    ) -> None:
        self.task, self.path, self.stream, self.slots = task, path, stream, slots
        self._names, self._changed, self._setup = names, changed, setup
        self.routes: dict[int, Route] = {}
        """Slot → the way to its instance."""
        self.cause = ""
        """Why the last instance that ended unasked did so."""
        self._causes: dict[int, asyncio.Future[str]] = {}
        self._quiet: set[asyncio.Future[None]] = set()
        self.line = Line(path, self._hear)

    # -- requests

    def release(self, slot: int, waiting: int, *, spent: bool = False) -> None:
        """The request of an instance has ended. ``spent``: the instance is not fit for another."""
        self.slots.release(slot, waiting, asyncio.get_running_loop().time())
        if spent and self.slots.states.get(slot) is State.FREE:
            self.slots.states[slot] = State.ENDING
            self.line.tell(stop=slot)
        if not self.slots.running:
            for future in self._quiet:
                if not future.done():
                    future.set_result(None)

    async def why(self, slot: int) -> str:
        """Why an instance that broke off has ended; empty if it has not."""
        if slot not in self.routes:
            return self.cause
        future = self._causes.setdefault(slot, asyncio.get_running_loop().create_future())
        done, _ = await asyncio.wait([future], timeout=LAST_WORDS)
        return future.result() if done else ""

    async def quiet(self, seconds: float) -> None:
        """Wait until no instance has a request, ``seconds`` at most."""
        if self.slots.running:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._quiet.add(future)
            await asyncio.wait([future], timeout=seconds)
            self._quiet.discard(future)

    def tend(self, waiting: int) -> None:
        """Wake who is needed, let go of who is not."""
        now = asyncio.get_running_loop().time()
        for slot in self.slots.wake(waiting, now):
            self.line.tell(wake=slot)
        for slot in self.slots.tired(now):
            self.line.tell(stop=slot)

    def close(self) -> None:
        self.line.close()
        for route in self.routes.values():
            _worker(route).close()

    # -- the task's words

    def _hear(self, message: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        if "hello" in message:
            self._greeted({int(slot): path for slot, path in message["hello"].items()}, now)
        elif "ended" in message:
            self._left(message["ended"], message, now)
        elif "ready" in message:
            self._arrived(message["ready"], message["socket"], now)
            if message["seconds"]:
                self._setup(message["seconds"])
        self._changed()

    def _greeted(self, there: dict[int, str], now: float) -> None:
        for slot, path in there.items():
            if slot not in self.routes:
                self._arrived(slot, path, now)
        for slot, state in list(self.slots.states.items()):
            if slot in there:
                continue
            if state is State.WAKING:
                self.line.tell(wake=slot)  # it was said when nobody heard it
            else:
                self._left(slot, {"ready": True}, now)

    def _arrived(self, slot: int, path: str, now: float) -> None:
        path = beside(self.path, path)
        endpoint, name = self._names
        dimensions: Dimensions = (("EndpointName", endpoint), ("VariantName", name))
        variant = Variant(name, 1.0, "RANDOM", [Worker(path)], dimensions, {path: self.stream})
        self.routes[slot] = Route(endpoint, [variant])
        self.slots.awake(slot, now)

    def _left(self, slot: int, said: dict[str, Any], now: float) -> None:
        asked = self.slots.states.get(slot) is State.ENDING
        self.slots.gone(slot, now, ready=bool(said.get("ready")))
        if (route := self.routes.pop(slot, None)) is not None:
            _worker(route).close()
        cause = "" if asked or said.keys() <= {"ready"} else _cause(said)
        if cause:
            self.cause = cause
        if (future := self._causes.pop(slot, None)) is not None and not future.done():
            future.set_result(cause)


def _cause(said: dict[str, Any]) -> str:
    if said.get("slow"):
        return "The container did not answer GET /ping in time."
    if said.get("OutOfMemory"):
        return f"OutOfMemory: the instance needed more than the endpoint's MemorySizeInMB (exit code {said.get('ExitCode')})."
    return died(said)


def _worker(route: Route) -> Worker:
    return route.every[0].workers[0]

"""An instance of several containers, as callers see one worker: requests go through the containers one after another, or to
the one that they name.

Its address is a text as well, where a worker's is the path of its socket: JSON, ``[[name, socket, ...], ...]``. What it costs
is a hop a container: there is no process between them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import multimodel
from .answer import Answer, Broken, Done, Step
from .client import Stream, Worker

BUSY = 1000
"""Requests that one instance may have under way."""
TARGET = "X-Amzn-SageMaker-Target-Container-Hostname"
"""The header that names a container. Containers do not get it."""
MARK = TARGET.lower().encode() + b":"


class Late(TimeoutError):
    """No answer in time; ``container`` is who did not give it."""

    container = ""
    steps: tuple[Step, ...] = ()


@dataclass(slots=True)
class Container:
    """One container of the instance: its processes."""

    name: str
    workers: list[Worker]
    turn: int = 0

    @property
    def many(self) -> bool:
        """Whether it has many models, one of which the request names."""
        return isinstance(self.workers[0], multimodel.Instance)

    def worker(self, tried: Collection[Worker], *, frames: bool = False) -> Worker | None:
        """The process with the fewest requests; with ``frames``, of those that the gateway has such a connection to."""
        found = [w for w in self.workers if w not in tried and (not frames or w.usable)]
        if not found:
            return None
        self.turn += 1
        start = self.turn % len(found)
        return min(found[start:] + found[:start], key=lambda worker: worker.outstanding)


def joined(ready: Mapping[str, Any]) -> list[str]:
    """The addresses of an instance, from its Ready report: its sockets, or one address for several containers."""
    sockets: list[str] = ready["Sockets"]
    if "Containers" not in ready:
        return sockets
    rest, groups = iter(sockets), []
    for name, count in ready["Containers"]:
        groups.append([name, *(next(rest) for _ in range(count))])
    return [json.dumps(groups)]


def width(address: str) -> int:
    """How many requests an address can work on at a time: the processes of its smallest container."""
    return min(len(group) - 1 for group in json.loads(address)) if address.startswith("[") else 1


def worker_at(address: str) -> Worker:
    """The worker, or the instance of several containers, with that address."""
    if multimodel.behind(address):
        return multimodel.Instance(address)
    return Pipeline(address) if address.startswith("[") else Worker(address)


class Pipeline(Worker):
    """The containers of one instance. Takes what a worker takes; a request with the header TARGET goes to that container
    alone, every other one through all of them."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.containers = [Container(name, [worker_at(path) for path in paths]) for name, *paths in json.loads(address)]
        self.frames = Chain(self)

    @property
    def parts(self) -> list[Worker]:
        return [worker for container in self.containers for worker in container.workers]

    def way(self, headers: Mapping[str, str]) -> tuple[list[Container], dict[str, str]]:
        """The containers that a request passes, and its headers without TARGET. Raises Broken for an unknown container."""
        kept = dict(headers)
        target = next((kept.pop(name) for name in headers if name.lower() == TARGET.lower()), None)
        found = [c for c in self.containers if target is None or c.name == target]
        if not found:
            raise Broken(f"there is no container {target}", untouched=True)
        return found, kept

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | AsyncIterable[bytes] = b"", *, seconds: float
    ) -> Answer:
        containers, headers = self.way(headers)
        self.outstanding += 1
        try:
            travel = _Travel(method, path, headers, body, asyncio.get_running_loop().time() + seconds)
            # what is no prediction, such as a question about limits, is for the container that gets the requests
            return await travel.through(containers if method == "POST" else containers[:1])
        finally:
            self._left()

    async def stream(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | AsyncIterable[bytes], *, seconds: float, total: float
    ) -> tuple[Answer, Stream]:
        """The last container's answer as it comes."""
        containers, headers = self.way(headers)
        self.outstanding += 1
        try:
            travel = _Travel(method, path, headers, body, asyncio.get_running_loop().time() + seconds)
            if len(containers) > 1:
                answer = await travel.through(containers[:-1], whole=False)
                if not answer.good:
                    return answer, Told(self, answer.body)
            answer, stream = await travel.last(containers[-1], total)
        except BaseException:
            self._left()
            raise
        return answer, Tail(self, stream)

    def close(self) -> None:
        for worker in self.parts:
            worker.close()


@dataclass(slots=True)
class _Travel:
    """One request on its way through containers, by HTTP."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | AsyncIterable[bytes]
    until: float
    kind: str | None = None
    """Content type of the step before."""
    steps: tuple[Step, ...] = ()
    freed: float = field(default_factory=time.perf_counter)
    """When the step before had ended."""
    waited: float = 0.0
    """Seconds that the request waited for its model, where a container has many."""

    async def through(self, containers: list[Container], *, whole: bool = True) -> Answer:
        """The last one's answer, or the first that is no success. ``whole``: the way ends with these containers.

        Raises:
            Broken, Late: with the container's name.
        """
        answer: Answer | None = None
        for number, container in enumerate(containers):
            last = whole and number == len(containers) - 1
            answer = await self._step(container, last)
            if not answer.good:
                return answer
            self.body, self.kind = answer.body, answer.headers.get("content-type", "")
        assert answer is not None
        return answer

    async def last(self, container: Container, total: float) -> tuple[Answer, Stream]:
        """The beginning of the last container's answer."""
        tried: list[Worker] = []
        while True:
            worker, sent = self._worker(container, tried), time.perf_counter()
            try:
                answer, stream = await worker.stream(
                    self.method, self.path, self._headers(container, True), self.body, seconds=self._left(), total=total
                )
            except (Broken, TimeoutError) as error:
                self._failed(container, tried, worker, error, sent)
                continue
            return self._said(container, answer, sent), stream

    async def _step(self, container: Container, last: bool) -> Answer:
        tried: list[Worker] = []
        while True:
            worker, sent = self._worker(container, tried), time.perf_counter()
            try:
                answer = await worker.request(self.method, self.path, self._headers(container, last), self.body, seconds=self._left())
            except (Broken, TimeoutError) as error:
                self._failed(container, tried, worker, error, sent)
                continue
            return self._said(container, answer, sent)

    def _worker(self, container: Container, tried: Collection[Worker]) -> Worker:
        worker = container.worker(tried)
        if worker is None:
            raise named(Broken("it has no process that answers", untouched=not self.steps), container.name, self.steps)
        return worker

    def _headers(self, container: Container, last: bool) -> dict[str, str]:
        """What the client said, but the type of what the step before has made, what the client accepts at the end only, and the
        model that it names where there are many."""
        dropped = {"content-type"} if self.kind is not None else set()
        dropped |= set() if last else {"accept"}
        dropped |= set() if container.many else {multimodel.HEADER.lower()}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        return kept | ({"Content-Type": self.kind} if self.kind else {})

    def _left(self) -> float:
        return max(0.0, self.until - asyncio.get_running_loop().time())

    def _said(self, container: Container, answer: Answer, sent: float) -> Answer:
        now, waited = time.perf_counter(), multimodel.waited(answer)
        self.steps = (*self.steps, Step(container.name, answer.status, sent - self.freed + waited, now - sent - waited))
        self.freed = now
        self.waited += waited
        self.until += waited  # a model that had to be loaded first takes no time from the containers behind it
        answer.container, answer.steps = container.name, self.steps
        answer.headers = multimodel.after(answer.headers, self.waited)
        return answer

    def _failed(self, container: Container, tried: list[Worker], worker: Worker, error: Exception, sent: float) -> None:
        """Go on with another process of the container where that is safe; else raise."""
        tried.append(worker)
        if isinstance(error, Broken) and error.untouched:
            if len(tried) < len(container.workers):
                return
            raise named(Broken(str(error), untouched=not self.steps), container.name, self.steps) from None
        steps = (*self.steps, Step(container.name, 0, sent - self.freed, time.perf_counter() - sent))
        raise named(_last(error), container.name, steps) from None


class Tail(Stream):
    """The last container's body, on its way; the instance has the request until its end."""

    def __init__(self, pipeline: Pipeline, stream: Stream) -> None:
        self._pipeline, self._stream = pipeline, stream
        self._open = True

    async def __anext__(self) -> bytes:
        if not self._open:
            raise StopAsyncIteration
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._finish()
            raise

    def _finish(self) -> None:
        if self._open:
            self._open = False
            self._stream._finish()
            self._pipeline._left()


class Told(Stream):
    """A body that is here already: what a container said that was not the last."""

    def __init__(self, pipeline: Pipeline, body: bytes) -> None:
        self._pipeline, self._body = pipeline, body
        self._open = True

    async def __anext__(self) -> bytes:
        body, self._body = self._body, b""
        if not body:
            self._finish()
            raise StopAsyncIteration
        return body

    def _finish(self) -> None:
        if self._open:
            self._open = False
            self._pipeline._left()


def _last(error: Exception) -> Broken | Late:
    """What became of a request that a container has had: there is no other try."""
    if isinstance(error, TimeoutError):
        return Late()
    return Broken(str(error), status=error.status if isinstance(error, Broken) else 0)


def named(error: Broken | Late, container: str, steps: tuple[Step, ...]) -> Broken | Late:
    """The error, with whose it is."""
    error.container, error.steps = container, steps
    return error


# -- in the gateway process


class Chain:
    """The way through all containers in frames, as ``frames.Frames`` is the way to one worker."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._running: set[_Journey] = set()

    @property
    def usable(self) -> bool:
        return all(any(w.usable for w in container.workers) for container in self._pipeline.containers)

    @property
    def strained(self) -> bool:
        return False

    def room(self, seconds: float) -> bool:
        """Whether one more request may wait; how long it would, several containers do not tell."""
        return len(self._running) < BUSY

    def submit(self, head: bytes, body: bytes, done: Done) -> None:
        """As Frames has it."""
        journey = _Journey(self._pipeline.containers, self._running, head, body, done)
        for line in [line for line in journey.lines if line.startswith(MARK)]:
            journey.lines.remove(line)
            journey.containers = [c for c in journey.containers if c.name.encode() == line[len(MARK) :]]
        journey.go()

    def expire(self, seconds: float) -> None:
        """Give up on requests that began longer ago; of a late answer nothing becomes."""
        oldest = time.perf_counter() - seconds
        for journey in [journey for journey in self._running if journey.began < oldest]:
            journey.give_up()
        for worker in self._pipeline.parts:
            if worker.frames is not None:
                worker.frames.expire(seconds)

    def close(self) -> None:
        """The connections are the workers' own."""


class _Journey:
    """One request on its way."""

    __slots__ = ("at", "began", "body", "containers", "done", "freed", "head", "kind", "lines", "running", "sent", "steps", "tried")

    def __init__(self, containers: list[Container], running: set[_Journey], head: bytes, body: bytes, done: Done) -> None:
        self.containers, self.running, self.body, self.done = containers, running, body, done
        self.began = self.freed = self.sent = time.perf_counter()
        self.head, *self.lines = head.split(b"\n")
        self.at = 0
        self.kind: bytes | None = None
        self.steps: tuple[Step, ...] = ()
        self.tried: tuple[Worker, ...] = ()
        running.add(self)

    def go(self) -> None:
        """Send the request to the container that it is at."""
        if not self.containers:
            self.settle(Broken("there is no such container", untouched=True))
            return
        container = self.containers[self.at]
        worker = container.worker(self.tried, frames=True)
        if worker is None or worker.frames is None:
            self.settle(named(Broken("it has no process that answers", untouched=not self.steps), container.name, self.steps))
            return
        last = self.at == len(self.containers) - 1
        dropped = (b"content-type:",) * (self.kind is not None) + (b"accept:",) * (not last)
        lines = [line for line in self.lines if not line.startswith(dropped)]
        if self.kind:
            lines.append(b"content-type:" + self.kind)
        worker.enter()
        self.sent = time.perf_counter()
        worker.frames.submit(b"\n".join((self.head, *lines)), self.body, partial(self.arrived, worker))

    def arrived(self, worker: Worker, outcome: Answer | Exception) -> None:
        """A container's answer: the next one's request, or the end."""
        worker.leave()
        if self not in self.running:
            return
        name = self.containers[self.at].name
        if isinstance(outcome, Broken) and outcome.untouched:
            self.tried = (*self.tried, worker)
            self.go()
            return
        now = time.perf_counter()
        status = outcome.status if isinstance(outcome, Answer) else 0
        self.steps = (*self.steps, Step(name, status, self.sent - self.freed, now - self.sent))
        self.freed = now
        if isinstance(outcome, Answer):
            outcome.container, outcome.steps = name, self.steps
            if outcome.good and self.at < len(self.containers) - 1:
                self.at, self.tried, self.body = self.at + 1, (), outcome.body
                self.kind = outcome.headers.get("content-type", "").encode("latin-1")
                self.go()
                return
            self.settle(outcome)
        else:
            self.settle(named(_last(outcome), name, self.steps))

    def give_up(self) -> None:
        name = self.containers[self.at].name
        now = time.perf_counter()
        self.settle(named(Late(), name, (*self.steps, Step(name, 0, self.sent - self.freed, now - self.sent))))

    def settle(self, outcome: Answer | Exception) -> None:
        self.running.discard(self)
        self.done(outcome)

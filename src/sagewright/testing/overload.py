"""More requests than a model can answer: callers who come again when they were refused (``load``), or ever new ones (``arrivals``)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil

from .processes import children
from .server import TestServer
from .signed import request


@dataclass
class Load:
    """What came of a load.

    Attributes:
        offered: requests sent, answered or refused, a second.
        answered: requests answered, a second.
        accepted: seconds that each answered request took, sorted.
        statuses: how often each status came.
        refusals: the distinct (status, error type) of what was refused.
        grown: bytes that the server's processes, models left out, grew by at most.
    """

    offered: float = 0.0
    answered: float = 0.0
    accepted: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refusals: set[tuple[int, str]] = field(default_factory=set)
    grown: int = 0

    @property
    def waiting(self) -> float:
        """How many accepted requests were under way at a time, on average."""
        return self.answered * sum(self.accepted) / len(self.accepted)

    def percentile(self, share: float) -> float:
        return self.accepted[min(len(self.accepted) - 1, int(len(self.accepted) * share))]


def memory(server: TestServer) -> int:
    """Bytes of the server and of its gateway."""
    assert server.process
    gateways = children(server.process.pid, "sagewright.gateway.process")
    return int(sum(one.memory_info().rss for one in (psutil.Process(server.process.pid), *gateways)))


def load(server: TestServer, endpoint: str, body: bytes, *, connections: int, seconds: float, pause: float) -> Load:
    """Ask for ``seconds`` on so many connections; who is refused waits for ``pause`` seconds first."""
    return asyncio.run(_load(server, endpoint, body, connections, seconds, pause))


def arrivals(server: TestServer, endpoint: str, body: bytes, *, rate: float, seconds: float) -> Load:
    """Ask ``rate`` times a second for ``seconds``, whatever becomes of those who asked before; each is measured from when it was due."""
    return asyncio.run(_arrivals(server, endpoint, body, rate, seconds))


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _load(server: TestServer, endpoint: str, body: bytes, connections: int, seconds: float, pause: float) -> Load:
    raw = request(server, f"/endpoints/{endpoint}/invocations", body, {"Content-Type": "text/plain"})
    where, found = urlsplit(server.url), Load()
    end = time.monotonic() + seconds

    async def ask(number: int) -> None:
        await asyncio.sleep(pause * number / connections)  # they do not come in one instant
        stream = await asyncio.open_connection(where.hostname, where.port)
        try:
            while (sent := time.monotonic()) < end:
                if not await _exchange(stream, raw, sent, found):
                    await asyncio.sleep(pause)
        finally:
            stream[1].close()

    async with _watched(server, found):
        await asyncio.gather(*(ask(number) for number in range(connections)))
    return found


async def _arrivals(server: TestServer, endpoint: str, body: bytes, rate: float, seconds: float) -> Load:
    raw = request(server, f"/endpoints/{endpoint}/invocations", body, {"Content-Type": "text/plain"})
    where, found = urlsplit(server.url), Load()
    idle: list[Stream] = []
    asked: set[asyncio.Task[None]] = set()

    async def ask(due: float) -> None:
        stream = idle.pop() if idle else await asyncio.open_connection(where.hostname, where.port)
        await _exchange(stream, raw, due, found)
        idle.append(stream)

    async with _watched(server, found):
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            elif not number % 32:
                await asyncio.sleep(0)  # late: what has been answered is read all the same
            task = asyncio.create_task(ask(due))
            asked.add(task)
            task.add_done_callback(asked.discard)
        await asyncio.gather(*asked)
    for _, writer in idle:
        writer.close()
    return found


async def _exchange(stream: Stream, raw: bytes, due: float, found: Load) -> bool:
    """Whether the request was answered, and not refused."""
    reader, writer = stream
    writer.write(raw)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
    await reader.readexactly(int(lines["content-length"]))
    status = int(head.split(" ", 2)[1])
    found.statuses[status] += 1
    if status == 200:
        found.accepted.append(time.monotonic() - due)
    else:
        found.refusals.add((status, lines.get("x-amzn-errortype", "")))
    return status == 200


@asynccontextmanager
async def _watched(server: TestServer, found: Load) -> AsyncIterator[None]:
    """Memory while it lasts, and rates in the end."""
    before, began = memory(server), time.monotonic()

    async def watch() -> None:
        while True:
            found.grown = max(found.grown, memory(server) - before)
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
    took = time.monotonic() - began
    found.offered, found.answered = sum(found.statuses.values()) / took, found.statuses[200] / took
    found.accepted.sort()

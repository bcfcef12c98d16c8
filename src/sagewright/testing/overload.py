"""More requests than a model can answer: many connections that ask at once, are refused, wait a moment and ask again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil

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
    process = psutil.Process(server.process.pid)
    gateways = [child for child in process.children() if "sagewright.gateway.process" in child.cmdline()]
    return int(sum(one.memory_info().rss for one in (process, *gateways)))


def load(server: TestServer, endpoint: str, body: bytes, *, connections: int, seconds: float, pause: float) -> Load:
    """Ask for ``seconds`` on so many connections; who is refused waits for ``pause`` seconds first."""
    return asyncio.run(_load(server, endpoint, body, connections, seconds, pause))


async def _load(server: TestServer, endpoint: str, body: bytes, connections: int, seconds: float, pause: float) -> Load:
    raw = request(server, f"/endpoints/{endpoint}/invocations", body, {"Content-Type": "text/plain"})
    where, found, before = urlsplit(server.url), Load(), memory(server)
    began = time.monotonic()
    end = began + seconds

    async def ask(number: int) -> None:
        await asyncio.sleep(pause * number / connections)  # they do not come in one instant
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            while (sent := time.monotonic()) < end:
                writer.write(raw)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
                await reader.readexactly(int(lines["content-length"]))
                status = int(head.split(" ", 2)[1])
                found.statuses[status] += 1
                if status == 200:
                    found.accepted.append(time.monotonic() - sent)
                else:
                    found.refusals.add((status, lines.get("x-amzn-errortype", "")))
                    await asyncio.sleep(pause)
        finally:
            writer.close()

    async def watch() -> None:
        while True:
            found.grown = max(found.grown, memory(server) - before)
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(ask(number) for number in range(connections)))
    watching.cancel()
    took = time.monotonic() - began
    found.offered, found.answered = sum(found.statuses.values()) / took, found.statuses[200] / took
    found.accepted.sort()
    return found

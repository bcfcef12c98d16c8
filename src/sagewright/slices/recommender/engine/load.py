"""Carries out one load test: ``python -m recommender.load CONFIG``.

Each user is a connection that sends its next request when the answer to the last has come. One line a window tells what was
counted; the result is one JSON object in ``/opt/ml/output/message``. It bears a server that is away for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import ssl
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import payloads, traffic
from .signing import Signer
from .verdict import Count, Limits

AWAY = 120.0
"""Seconds that the server may be away."""
AGAIN = 0.05
"""Seconds between two attempts to reach it."""
TICK = 0.05
FULL = 0.9
"""The share of its core's time from which on this program itself is what holds the load back."""
HELD_BACK = "The load test itself had no more time on its core: the endpoint may do better than this."
MESSAGE, FAILURE = "/opt/ml/output/message", "/opt/ml/output/failure"


class Failed(Exception):
    """The test cannot go on; the message is the reason."""


class User(asyncio.Protocol):
    """One connection and its loop of requests."""

    def __init__(self, test: Test) -> None:
        self.test = test
        self.buffer = bytearray()
        self.need = 0
        """Bytes of the answer, head included; 0 while that is not known."""
        self.status = 0
        self.sent = 0.0
        self.number = 0
        self.gone = self.ends = False
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        """Of a single request; None in the loop."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self) -> None:
        """The next request."""
        self.sent = time.perf_counter()
        head, body = self.test.request(self.number)
        self.number += 1
        self.transport.write(head + body)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.need:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head(bytes(self.buffer[:end]), end + 4)
        if len(self.buffer) < self.need:
            return
        taken, body = time.perf_counter() - self.sent, bytes(self.buffer[-min(len(self.buffer), 2048) :])
        del self.buffer[: self.need]
        self.need = 0
        if self.answer is not None:
            self.answer.set_result((self.status, body))
            return
        self.test.heard(self.status, taken, body)
        if self.ends:
            self.transport.close()
        else:
            self.send()

    def _head(self, head: bytes, end: int) -> None:
        lines = head.split(b"\r\n")
        self.status = int(lines[0].split(b" ", 2)[1])
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self.need = end + int(value)
                return
        self.test.refusal = f"an answer {self.status} without a content-length"
        self.need = end

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionResetError("the connection was closed"))
        elif not self.ends:
            self.test.lost(self)


class Test:
    """One load test, as its configuration says."""

    __test__ = False

    def __init__(self, config: dict[str, Any], environ: dict[str, str]) -> None:
        self.config = config
        self.plan: list[traffic.Segment] = config["Segments"]
        self.limits = Limits(config["Limits"])
        address = urlsplit(environ["AWS_ENDPOINT_URL"])
        self.tls = ssl.create_default_context(cafile=environ.get("AWS_CA_BUNDLE")) if address.scheme == "https" else None
        self.host, self.port = address.hostname or "", address.port or (443 if self.tls else 80)
        keys = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", ""), environ.get("AWS_SESSION_TOKEN", "")
        self.signer = Signer(keys, config["Region"], address.netloc, f"/endpoints/{config['Endpoint']}/invocations")
        self.payloads: list[tuple[str, dict[str, str], str, bytes]] = []
        for name, kind, body in payloads.read(Path(config["Payloads"]), config["ContentTypes"]):
            headers = {"content-type": kind, **({"accept": config["Accept"]} if config.get("Accept") else {})}
            self.payloads.append((name, headers, hashlib.sha256(body).hexdigest(), body))
        self.users: list[User] = []
        self.count = Count()
        self.refusal = ""
        self.first = 0.0
        """Seconds until the first answer."""
        self.busy = 0.0
        """The largest share of a window that this program has worked."""
        self.away_since: float | None = None

    def request(self, number: int) -> tuple[bytes, bytes]:
        """Head and body of a user's request; the payloads take turns."""
        index = number % len(self.payloads)
        _, headers, digest, body = self.payloads[index]
        return self.signer.head(index, headers, digest, len(body)), body

    # -- what users tell

    def heard(self, status: int, seconds: float, body: bytes) -> None:
        if 200 <= status < 300:
            self.count.add(seconds)
            return
        self.count.failed += 1
        if status in (403, 404):
            self.refusal = _text(status, body)

    def lost(self, user: User) -> None:
        """The server is away, or has closed the connection."""
        self.count.lost = True
        if user in self.users:
            self.users.remove(user)

    # -- the test

    async def run(self) -> dict[str, Any]:
        """What came of it. Raises Failed."""
        await self._try_payloads()
        counts, why, began = await self._load()
        best = self.limits.best(counts)
        if best is None:
            raise Failed(self._nothing(counts))
        answered, failed = sum(c.answered for c in counts), sum(c.failed for c in counts)
        return {
            "Begin": began, "End": time.time(), "PeakBegin": best.begin, "PeakEnd": best.end, "Users": best.users,
            "Rate": round(best.rate, 3), "Latency": round(best.percentile(self.limits.percent), 3), "Answered": answered,
            "Failed": failed, "First": self.first, "Why": why if self.busy < FULL else f"{why} {HELD_BACK}",
        }

    async def _try_payloads(self) -> None:
        """Each payload once, before anything is counted: what the model refuses is no load test."""
        user = await self._connected()
        for index, (name, _, _, _) in enumerate(self.payloads):
            user.number = index
            try:
                status, body = await self._single(user)
            except OSError:
                user = await self._connected()
                status, body = await self._single(user)
            self.first = self.first or time.perf_counter() - user.sent
            if not 200 <= status < 300:
                raise Failed(f"ClientError: The payload {name} was answered with {_text(status, body)}")
        user.ends = True
        user.transport.close()

    async def _single(self, user: User) -> tuple[int, bytes]:
        user.answer = asyncio.get_event_loop().create_future()
        user.send()
        status, body = await user.answer
        user.answer = None
        return status, body

    async def _load(self) -> tuple[list[Count], str, float]:
        """(windows, why it ended, when it began)."""
        zero, began = time.perf_counter(), time.time()
        counts: list[Count] = []
        why = "The traffic pattern is over."
        for window in traffic.windows(self.plan):
            wanted = traffic.users(self.plan, window, window.start)
            self.count = count = Count(wanted, window.segment)
            count.begin, start, worked = time.time(), time.perf_counter(), time.process_time()
            while (now := time.perf_counter() - zero) < window.end and time.time() < self.config["Until"]:
                await self._people(traffic.users(self.plan, window, now))
                await asyncio.sleep(max(0.0, min(TICK, window.end - now)))
                if self.refusal:
                    raise Failed(f"ClientError: The endpoint refuses: {self.refusal}")
            count.seconds, count.end = time.perf_counter() - start, time.time()
            self.busy = max(self.busy, (time.process_time() - worked) / count.seconds)
            counts.append(count)
            self._tell(count)
            if time.time() >= self.config["Until"]:
                why = "JobDurationInSeconds is over."
                break
            if ended := self.limits.reached(counts):
                why = ended
                break
        for user in self.users:
            user.ends = True
            user.transport.abort()
        return counts, why, began

    async def _people(self, wanted: int) -> None:
        """As many users as there should be; those that are too many leave after their answer."""
        while len(self.users) > wanted:
            self.users.pop().ends = True
        while len(self.users) < wanted:
            user = await self._connected()
            self.users.append(user)
            user.number = len(self.users)
            user.send()

    async def _connected(self) -> User:
        loop = asyncio.get_event_loop()
        while True:
            try:
                _, user = await loop.create_connection(lambda: User(self), self.host, self.port, ssl=self.tls)
            except OSError as error:
                self.count.lost = True
                self.away_since = self.away_since or time.monotonic()
                if time.monotonic() > self.away_since + AWAY:
                    raise Failed(f"InternalServerError: The server could not be reached for {AWAY:g} seconds: {error}") from None
                # another process: its port is the first thing that can be seen of it
                await asyncio.sleep(AGAIN)
            else:
                self.away_since = None
                return user

    def _tell(self, count: Count) -> None:
        percentile = count.percentile(self.limits.percent)
        print(
            f"[{self.config['Name']}] NumberOfUsers={count.users} ClientInvocations={count.answered + count.failed} "
            f"ClientInvocationErrors={count.failed} ClientLatency={count.mean:.3f} ms (P{self.limits.percent:g}: {percentile:.3f} ms, "
            f"{count.rate:.0f} a minute){' -- the server was away' if count.lost else ''}", flush=True,
        )

    def _nothing(self, counts: list[Count]) -> str:
        """Why there is no result."""
        answered, failed = sum(c.answered for c in counts), sum(c.failed for c in counts)
        limit = self.limits.milliseconds
        if limit and any(c.sound for c in counts):
            found = min(c.percentile(self.limits.percent) for c in counts if c.sound)
            return f"ClientError: The latency (P{self.limits.percent:g}) was never below the threshold of {limit:g} ms: {found:.1f} ms at best."
        if any(c.lost for c in counts):
            return "InternalServerError: The server was away during the load test."
        return f"ClientError: {failed} of {answered + failed} invocations of the load test failed."


def _text(status: int, body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        text = json.loads(text[text.index("{") :]).get("Message", text)
    return f"{status}: {text[-600:]}"


def main() -> int:
    """Exit status 0, and the result; or 1, and the reason."""
    config = json.loads(Path(sys.argv[1]).read_text())
    try:
        result = asyncio.run(Test(config, dict(os.environ)).run())
    except (Failed, ValueError) as error:
        Path(FAILURE).write_text(str(error) if isinstance(error, Failed) else f"ClientError: {error}")
        print(f"[{config['Name']}] {error}", flush=True)
        return 1
    Path(MESSAGE).write_text(json.dumps(result))
    print(f"[{config['Name']}] {result['Why']} The most: {result['Rate']:.0f} invocations a minute with {result['Users']} users.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

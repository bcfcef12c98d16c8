"""Many requests on one connection to a model server that offers it (``sagewright_container.frames`` is the other side).

Whatever is submitted in one turn of the event loop goes out in one write, and every answer that has come is taken in one
read: at a high rate a request costs two copies and no system call of its own. Requests beyond what the model has to do for a
while wait here, where they can still be refused, or be given to another process when this one ends.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import cast

from .admission import FEWEST, Admission
from .answer import Answer, Broken
from .dial import dial

NAME = "sagewright-frames"
FRAME = struct.Struct("!IIHB")
"""Bytes that follow, number of the request, bytes of the head, flags."""
MORE, BROKEN = 1, 2
SENT = 0.1
"""Seconds of work that a model has at least before requests wait here for it."""
HANDSHAKE = (
    f"GET /ping HTTP/1.1\r\nHost: model\r\nConnection: Upgrade\r\nUpgrade: {NAME}\r\n\r\n"
).encode()

Done = Callable[[Answer | Exception], None]


class Refused(Exception):
    """The request has waited a moment, and would have to wait for too long."""


class Frames(asyncio.Protocol):
    """One upgraded connection. ``submit`` and the callbacks run on the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._upgraded: asyncio.Future[bool] = self._loop.create_future()
        self._buffer = bytearray()
        self._wanted = 0
        """Bytes that have to be there before there is another whole frame."""
        self._next = 0
        self._waiting: dict[int, tuple[Done, float]] = {}
        """In the order of their submission: what to do with the answer, and since when it is waited for."""
        self._parts: dict[int, tuple[bytes, list[bytes]]] = {}
        self._out: list[bytes] = []
        self._unsent: list[int] = []
        self._held: deque[tuple[int, bytes, bytes]] = deque()
        """Of those that wait, the last: number, head and body of what the model has not got yet."""
        self._span = FEWEST
        """How many the model may have."""
        self._settled, self._since = 0, 0.0
        self.admission = Admission()
        self.lost = False

    @property
    def usable(self) -> bool:
        return not self.lost

    @property
    def strained(self) -> bool:
        """Whether there have been too many requests of late: ``room`` may well be False."""
        return self.admission.strained

    def room(self, seconds: float) -> bool:
        """Whether one more request may wait, that is to be answered within about so many seconds."""
        calm = not self.admission.strained
        fits = self.admission.room(len(self._waiting), seconds, self._loop.time())
        if calm and self.admission.strained and self._held:
            self._loop.call_soon(self._shed)
        return fits

    def submit(self, head: bytes, body: bytes, done: Done) -> None:
        """Send a request; ``done`` gets the whole answer, or Broken, TimeoutError from ``expire``, or Refused."""
        number = self._next = (self._next + 1) & 0xFFFFFFFF
        now = self._loop.time()
        if not self._waiting:
            self._since = now
        self._waiting[number] = done, now
        if len(self._waiting) > self._span:
            self._held.append((number, head, body))
        else:
            self._send(number, head, body)

    def _send(self, number: int, head: bytes, body: bytes) -> None:
        if len(self._waiting) == 1:  # the model has nothing to do: it begins at once, with what comes besides it goes on
            self._write(FRAME.pack(len(head) + len(body), number, len(head), 0) + head + body)
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(FRAME.pack(len(head) + len(body), number, len(head), 0))
        self._out.append(head)
        self._out.append(body)
        self._unsent.append(number)

    def expire(self, seconds: float) -> None:
        """Give up on requests that were submitted longer ago; a late answer is dropped."""
        oldest = self._loop.time() - seconds
        late = list(itertools.takewhile(lambda number: self._waiting[number][1] < oldest, self._waiting))
        for number in late:
            self._parts.pop(number, None)
            self._settle(number, TimeoutError())
        if late:
            self._held = deque(held for held in self._held if held[0] in self._waiting)
            self._go_on()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def upgrade(self) -> bool:
        """Whether the server speaks frames; then the connection does from now on. Raises OSError if it says nothing."""
        assert self._transport is not None
        self._transport.write(HANDSHAKE)
        return await self._upgraded

    def _flush(self) -> None:
        out, self._out, self._unsent = self._out, [], []
        self._write(b"".join(out))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.lost:
            self._transport.write(data)

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._upgraded.done():
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
            if end >= 0:
                self._upgraded.set_result(self._buffer.startswith(b"HTTP/1.1 101 "))
                del self._buffer[: end + 4]
            return
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._wanted:
                return
            data, self._buffer = bytes(self._buffer), bytearray()
        at, self._wanted = 0, FRAME.size
        while len(data) - at >= FRAME.size:
            length, number, head, flags = FRAME.unpack_from(data, at)
            first = at + FRAME.size
            if len(data) - first < length:
                self._wanted += length
                break
            at = first + length
            self._received(number, flags, data[first : first + head], data[first + head : at])
        if at < len(data):
            self._buffer += data[at:]
        if self._settled:
            self._measure()
            self._go_on()

    def _measure(self) -> None:
        now = self._loop.time()
        self.admission.took((now - self._since) / self._settled)
        # those that it answers together it would also answer with as many more
        self._span = max(FEWEST, int(SENT / max(self.admission.pace, 1e-6)), 2 * self._settled)
        self._settled, self._since = 0, now

    def _go_on(self) -> None:
        """The model gets of what waits here as much as it may have."""
        while self._held and len(self._waiting) - len(self._held) < self._span:
            self._send(*self._held.popleft())

    def _shed(self) -> None:
        """There are too many: of those that the model has not got, only a few go on waiting."""
        while self._held and len(self._waiting) > self.admission.few:
            number, _, _ = self._held.pop()
            self._waiting.pop(number)[0](Refused())

    def _received(self, number: int, flags: int, head: bytes, body: bytes) -> None:
        if flags == BROKEN:
            self._parts.pop(number, None)
            self._settle(number, Broken("the container's answer broke off"))
        elif number not in self._waiting:
            self._parts.pop(number, None)
        elif flags & MORE or number in self._parts:
            begun, parts = self._parts.setdefault(number, (head, []))
            parts.append(body)
            if not flags & MORE:
                self._parts.pop(number)
                self._settle(number, _answer(begun or head, b"".join(parts)))
        else:
            self._settle(number, _answer(head, body))

    def _settle(self, number: int, outcome: Answer | Exception) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            self._settled += 1
            waiting[0](outcome)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if not self._upgraded.done():
            self._upgraded.set_exception(ConnectionResetError("the container closed the connection without an answer"))
        unsent = {*self._unsent, *(number for number, _, _ in self._held)}
        self._held.clear()
        waiting, self._waiting = self._waiting, {}
        for number, (done, _) in waiting.items():
            # one after another, so that what goes wrong with one request is no other's
            self._loop.call_soon(done, Broken("the container closed the connection without an answer", untouched=number in unsent))


def _answer(head: bytes, body: bytes) -> Answer:
    status, headers = _parse_head(head)
    return Answer(status, headers, body)


@lru_cache(maxsize=1024)  # the answers of a model look alike; nobody changes the headers
def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    status, *lines = head.decode("latin-1").split("\n")
    return int(status), {name: value for name, _, value in (line.partition(":") for line in lines)}


async def connect(path: str) -> Frames | None:
    """An upgraded connection to the model server at ``path``; None if it speaks HTTP only. Raises OSError."""
    made = await dial(Frames, path)
    if await made.upgrade():
        return made
    made.close()
    return None

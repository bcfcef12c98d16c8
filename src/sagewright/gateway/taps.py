"""What happens to requests besides being answered: some are captured, some are repeated to a shadow variant.

Both begin when the caller's answer is on its way; nothing here can delay or change it. What is too much is left out and
counted.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial

from .answer import Answer, Broken
from .capture import Note, Recorder
from .client import Stream, Worker
from .front import FORWARDED, request_head
from .meter import Meter
from .outcomes import measure
from .routes import Variant

log = logging.getLogger(__name__)

TIMEOUT = 60.0
"""Seconds that a shadow has to answer."""
BUSY = 50
"""Requests that one worker of a shadow may have waiting; it does not get more until it has answered some."""
HELD = 64 << 20
"""Bytes of requests that wait for shadows in one process."""
LARGEST = 25 << 20
"""Bytes of a streamed answer that is captured; a larger one is not."""
REPORT = 10.0


def new_event() -> str:
    """A random UUID. ``uuid.uuid4`` asks the kernel for its bits and takes several times as long."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


class Taps:
    """The taps of one process. Belongs to its event loop.

    Args:
        connect: opens the connection for many requests to a worker, where there may be one.
    """

    def __init__(self, recorder: Recorder, meter: Meter, connect: Callable[[Worker], None] | None = None) -> None:
        self.recorder, self._meter, self.connect = recorder, meter, connect
        self._held = 0
        self._waiting: Counter[str] = Counter()
        """Socket of a shadow's worker → requests repeated to it that it has not answered."""
        self._left_out: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def request(self, variant: Variant, headers: Mapping[str, str], body: bytes, answer: Answer, *, whole: bool = True) -> None:
        """A request that a production variant with taps has answered, or refused.

        Args:
            headers: the caller's, lower-cased names.
            whole: False when the answer is too large to be kept.
        """
        capture, captured = variant.capture, None
        if capture is not None and capture.wanted():
            captured = new_event(), time.time()
            if whole and 200 <= answer.status < 300:
                self.recorder.add(Note(capture, *captured, headers, body, answer))
        for shadow in variant.shadows:
            if shadow.share >= 1 or random.random() < shadow.share:
                self._mirror(shadow, headers, body, captured)

    async def tee(self, variant: Variant, headers: Mapping[str, str], body: bytes, answer: Answer, chunks: Stream) -> AsyncGenerator[bytes, None]:
        """The chunks of a streamed answer, as they come; at its end it is a request like any other."""
        kept: list[bytes] = []
        size = 0
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size <= LARGEST:
                    kept.append(chunk)
                yield chunk
        finally:
            await chunks.aclose()
        self.request(variant, headers, body, Answer(answer.status, answer.headers, b"".join(kept)), whole=size <= LARGEST)

    async def close(self) -> None:
        """Forget the shadows' answers; everything that is captured goes to disk."""
        for task in self._tasks:
            task.cancel()
        if self._timer is not None:
            self._report()
        await self.recorder.close()

    # -- shadows

    def _mirror(self, shadow: Variant, headers: Mapping[str, str], body: bytes, captured: tuple[str, float] | None) -> None:
        worker = shadow.worker()
        if worker is None or self._waiting[worker.path] >= BUSY or self._held + len(body) > HELD:
            self._left_out[f"{dict(shadow.dimensions)['EndpointName']}, {shadow.name}"] += 1
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(REPORT, self._report)
            return
        self._held += len(body)
        self._waiting[worker.path] += 1
        done = partial(self._done, shadow, worker, headers, body, captured, time.perf_counter())
        if worker.frames is not None and worker.frames.usable:
            worker.enter()
            worker.frames.submit(request_head(headers), body, lambda outcome: done(outcome, framed=True))
            return
        if self.connect is not None:
            self.connect(worker)
        task = asyncio.get_running_loop().create_task(self._ask(worker, headers, body, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, worker: Worker, headers: Mapping[str, str], body: bytes, done: Callable[[Answer | Exception], None]) -> None:
        """The same by HTTP, for servers that speak nothing else."""
        sent = {name: headers[name] for name, _ in FORWARDED if name in headers}
        try:
            done(await worker.request("POST", "/invocations", sent, body, seconds=TIMEOUT))
        except (Broken, TimeoutError) as error:
            done(error)

    def _done(
        self, shadow: Variant, worker: Worker, headers: Mapping[str, str], body: bytes, captured: tuple[str, float] | None,
        sent: float, outcome: Answer | Exception, *, framed: bool = False,
    ) -> None:
        """A shadow's answer goes to nobody: it is measured, and captured where its request was."""
        if framed:
            worker.leave()
        self._held -= len(body)
        self._waiting[worker.path] -= 1
        if not self._waiting[worker.path]:
            del self._waiting[worker.path]
        status = outcome.status if isinstance(outcome, Answer) else 0
        measure(self._meter, shadow, status, sent, sent, time.perf_counter())
        if captured is not None and shadow.capture is not None and isinstance(outcome, Answer) and 200 <= status < 300:
            self.recorder.add(Note(shadow.capture, *captured, headers, body, outcome))

    def _report(self) -> None:
        self._timer = None
        for name, count in self._left_out.items():
            log.warning("%d requests were not repeated to the shadow variant (%s): it is too slow, or does not answer", count, name)
        self._left_out.clear()

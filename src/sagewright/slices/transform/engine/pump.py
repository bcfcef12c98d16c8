"""The pump: reads objects, sends their records to the model, stores the answers in the records' order.

One result an input object, written only when it is whole. A result that this job has written already (its user metadata
says so) is not made again, so that the pump can be started anew after any crash. Requests under way, with what waits to be
written behind them, are bounded by the slots: an object's answers hold theirs until they are written.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO, cast

from ....gateway.client import Answer, Broken, Worker
from ....stores.objects import NewObject, NoSuchBucket, NoSuchKey, Objects, Writer
from .filters import BadRecord
from .inputs import NoInput, sources, target
from .plan import Plan
from .records import CHUNK, BadFraming, TooLarge, grouped, records, requests
from .threads import aside, iterate

MARK = "sagewright-transform"
"""User metadata of a result: which job's run wrote it."""
FIRST_PAUSE = 0.2
"""Seconds before the first retry of a request; doubled each time."""
SHOWN = 200
"""Characters of a model's error that a reason carries."""


class Unfit(Exception):
    """An object that gets no result; the message says why."""


class Pump:
    """One run of one job.

    Args:
        objects: where records come from and results go.
        workers: the model's, of every instance.
        slots: requests that may be under way at once.
        mark: names this job for ever; see ``MARK``.
        say: writes a line to the job's data log.
    """

    def __init__(
        self, objects: Objects, workers: list[Worker], slots: int, plan: Plan, mark: str, say: Callable[[str], None]
    ) -> None:
        self.objects, self.workers, self.plan, self.mark, self.say = objects, workers, plan, mark, say
        self._slots = asyncio.Semaphore(slots)
        self._files = asyncio.Semaphore(slots)
        self.failures: list[str] = []
        self.done = 0

    async def run(self, source: dict[str, Any], output_path: str) -> str:
        """Do all objects; empty, or the job's FailureReason.

        Raises:
            NoInput: nothing can be read.
        """
        running: set[asyncio.Task[None]] = set()
        try:
            async for bucket, key, name in iterate(sources(self.objects, source)):
                await self._files.acquire()
                task = asyncio.create_task(self._object(bucket, key, target(output_path, name)))
                running.add(task)
                task.add_done_callback(lambda _: self._files.release())
                for ended in [t for t in running if t.done()]:
                    running.discard(ended)
                    ended.result()
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if not self.failures:
            return ""
        return f"{self.failures[0]} ({len(self.failures)} of {len(self.failures) + self.done} objects failed)"

    async def _object(self, bucket: str, key: str, to: tuple[str, str]) -> None:
        try:
            if not await aside(self._finished, to):
                await self._transform(bucket, key, to)
            self.done += 1
        except (Unfit, TooLarge, BadFraming, BadRecord) as error:
            text = str(error)
            if isinstance(error, TooLarge):
                text = f"Too much data for max payload size: {text}"
            await self._failed(f"{bucket}/{key}: {text}")
        except (OSError, EOFError, zlib.error) as error:
            if not self.plan.gzip or isinstance(error, (FileNotFoundError, PermissionError)):
                raise
            await self._failed(f"{bucket}/{key}: not a whole gzip stream: {error}")
        except NoSuchKey:
            await self._failed(f"{bucket}/{key}: the object was deleted while the job ran")
        except NoSuchBucket:
            await self._failed(f"{bucket}/{key}: the bucket {to[0]} of the output does not exist")

    async def _failed(self, text: str) -> None:
        self.failures.append(text)
        await aside(self.say, text)

    def _finished(self, to: tuple[str, str]) -> bool:
        try:
            return self.objects.head(*to).metadata.get(MARK) == self.mark
        except NoSuchKey:
            return False

    async def _transform(self, bucket: str, key: str, to: tuple[str, str]) -> None:
        _, raw = await aside(self.objects.open, bucket, key)
        try:
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self.plan.gzip else raw
            whole = self.plan.split == "None"
            if whole and not self.plan.processing.before and not self.plan.processing.after:
                await self._pass(stream, to)
                return
            new = NewObject(content_type=self.plan.accept or "binary/octet-stream", metadata={MARK: self.mark})
            writer = await aside(self.objects.writer, *to, new)
            try:
                await self._records(stream, writer)
            except BaseException:
                await aside(writer.abort)
                raise
            await aside(writer.commit)
        finally:
            await aside(raw.close)

    # -- record by record

    def _payloads(self, stream: BinaryIO) -> Any:
        plan = self.plan
        if plan.split == "None":
            return iter([[self._whole(stream)]])
        found = records(stream, plan.split, plan.limit)
        return grouped(requests(found, plan.split, plan.limit, single=plan.single))

    def _whole(self, stream: BinaryIO) -> bytes:
        data = stream.read(self.plan.limit + 1)
        if len(data) > self.plan.limit:
            raise TooLarge(f"the object has more than {self.plan.limit} bytes")
        return data

    async def _records(self, stream: BinaryIO, writer: Writer) -> None:
        """Send the payloads of an object as slots allow; write their answers in order."""
        queue: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()
        feeding = asyncio.create_task(self._feed(stream, queue))
        feeding.add_done_callback(lambda _: queue.put_nowait(None))
        waiting: list[bytes] = []
        size = 0
        try:
            while (request := await queue.get()) is not None:
                try:
                    result = await request
                finally:
                    self._slots.release()
                waiting.append(result)
                size += len(result)
                if self.plan.line and not result.endswith(b"\n"):
                    waiting.append(b"\n")
                if size >= CHUNK:
                    await aside(writer.write, b"".join(waiting))
                    waiting, size = [], 0
            await feeding
            await aside(writer.write, b"".join(waiting))
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            left = []
            while not queue.empty():
                if (request := queue.get_nowait()) is not None:
                    request.cancel()
                    left.append(request)
            await asyncio.gather(*left, return_exceptions=True)
            for _ in left:
                self._slots.release()

    async def _feed(self, stream: BinaryIO, queue: asyncio.Queue[asyncio.Task[bytes] | None]) -> None:
        async for group in iterate(self._payloads(stream)):
            for payload in group:
                await self._slots.acquire()
                queue.put_nowait(asyncio.create_task(self._send(payload)))

    async def _send(self, payload: bytes) -> bytes:
        processing = self.plan.processing
        body = await aside(processing.request, payload) if processing.before else payload
        answer = await self._ask(body)
        return await aside(processing.result, payload, answer) if processing.after else answer

    async def _ask(self, body: bytes) -> bytes:
        """The model's answer to one request. Raises Unfit when every try failed."""
        pause = FIRST_PAUSE
        for left in range(self.plan.retries, -1, -1):
            try:
                answer = await self._worker().request("POST", "/invocations", self.plan.headers, body, seconds=self.plan.seconds)
                if 200 <= answer.status < 300:
                    return answer.body
                reason, again = _bad(answer), _worth(answer.status)
            except (Broken, TimeoutError) as error:
                reason, again = _gone(error, self.plan.seconds), True
            if not left or not again:
                raise Unfit(reason)
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _worker(self) -> Worker:
        return min(self.workers, key=lambda worker: worker.outstanding)

    # -- an object as it stands, both ways without holding it

    async def _pass(self, stream: BinaryIO, to: tuple[str, str]) -> None:
        pause = FIRST_PAUSE
        for left in range(self.plan.retries, -1, -1):
            async with self._slots:
                reason = await self._try(stream, to)
            if not reason:
                return
            if not left or reason.startswith("!"):
                raise Unfit(reason.lstrip("!"))
            await asyncio.sleep(pause)
            pause *= 2
            await aside(stream.seek, 0)

    async def _try(self, stream: BinaryIO, to: tuple[str, str]) -> str:
        """One try; empty, or why it failed, with ``!`` when another one is no use."""
        plan = self.plan
        body: bytes | AsyncIterator[bytes]
        body = iterate(iter(lambda: stream.read(CHUNK), b"")) if plan.unlimited else await aside(self._whole, stream)
        try:
            answer, chunks = await self._worker().stream(
                "POST", "/invocations", plan.headers, body, seconds=plan.seconds, total=plan.seconds
            )
            if not 200 <= answer.status < 300:
                answer.body = b"".join([chunk async for chunk in chunks])
                return ("" if _worth(answer.status) else "!") + _bad(answer)
            new = NewObject(content_type=plan.accept or "binary/octet-stream", metadata={MARK: self.mark})
            writer = await aside(self.objects.writer, *to, new)
            try:
                await self._store(chunks, writer)
            except BaseException:
                await aside(writer.abort)
                raise
            await aside(writer.commit)
        except (Broken, TimeoutError) as error:
            return _gone(error, plan.seconds)
        return ""

    async def _store(self, chunks: AsyncIterator[bytes], writer: Writer) -> None:
        last = b""
        waiting = io.BytesIO()
        with contextlib.closing(waiting):
            async for chunk in chunks:
                last = chunk
                waiting.write(chunk)
                if waiting.tell() >= CHUNK:
                    await aside(writer.write, waiting.getvalue())
                    waiting.seek(0)
                    waiting.truncate()
            if self.plan.line and not last.endswith(b"\n"):
                waiting.write(b"\n")
            await aside(writer.write, waiting.getvalue())


def _worth(status: int) -> bool:
    """Another try may end better."""
    return status >= 500 or status in (408, 429)


def _bad(answer: Answer) -> str:
    text = answer.body.decode("utf-8", "replace").strip()[:SHOWN]
    return f"Bad HTTP status received from algorithm: {answer.status}" + (f": {text}" if text else "")


def _gone(error: Exception, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"Model server did not respond to /invocations request within {seconds:g} seconds"
    return f"Unable to evaluate: {error}"


__all__ = ["MARK", "NoInput", "Pump"]

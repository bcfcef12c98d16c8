"""The pump: reads objects, sends their records to the model, stores the answers in the records' order.

One result an input object, written only when it is whole. A result that this job has written already (its user metadata
says so) is not made again, so that the pump can be started anew after any crash. Objects are shared out among the instances
by their place in the order of keys. What an instance holds in memory is bounded by its window of requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, BinaryIO, cast

from ....stores.objects import NewObject, NoSuchBucket, NoSuchKey, Objects, Writer
from .filters import BadRecord
from .inputs import Source, sources, target
from .plan import Plan
from .records import CHUNK, BadFraming, Payload, TooLarge, grouped, payloads
from .sending import Instance, Unfit
from .threads import aside, iterate

MARK = "sagewright-transform"
"""User metadata of a result: which job's run wrote it."""


class Pump:
    """One run of one job.

    Args:
        objects: where records come from and results go.
        mark: names this job for ever; see ``MARK``.
    """

    def __init__(self, objects: Objects, instances: list[Instance], plan: Plan, mark: str) -> None:
        self.objects, self.instances, self.plan, self.mark = objects, instances, plan, mark
        self.reason = ""
        """The first failure."""
        self.failed = self.done = 0

    async def run(self, source: dict[str, Any], output_path: str) -> str:
        """Do all objects; empty, or the job's FailureReason.

        Raises:
            NoInput: nothing can be read.
        """
        await _all(self._share(number, source, output_path) for number in range(len(self.instances)))
        if not self.failed:
            return ""
        return f"{self.reason} ({self.failed} of {self.failed + self.done} objects failed)"

    async def _share(self, number: int, source: dict[str, Any], output_path: str) -> None:
        """One instance's objects, as many at once as it may have requests."""
        instance = self.instances[number]
        running: set[asyncio.Task[None]] = set()
        try:
            async for one in iterate(sources(self.objects, source, number, len(self.instances))):
                await instance.files.acquire()
                task = asyncio.create_task(self._object(instance, one, target(output_path, one.name)))
                running.add(task)
                task.add_done_callback(lambda _: instance.files.release())
                for ended in [t for t in running if t.done()]:
                    running.discard(ended)
                    ended.result()
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _object(self, instance: Instance, one: Source, to: tuple[str, str]) -> None:
        where = f"{one.bucket}/{one.key}"
        try:
            if not await aside(written, self.objects, to, self.mark):
                await self._transform(instance, one, to)
            self.done += 1
        except (Unfit, BadFraming, BadRecord) as error:
            await self._failed(instance, f"{where}: {error}")
        except TooLarge as error:
            await self._failed(instance, f"{where}: Too much data for max payload size: {error}")
        except (OSError, EOFError, zlib.error) as error:
            if not self.plan.gzip or isinstance(error, (FileNotFoundError, PermissionError)):
                raise
            await self._failed(instance, f"{where}: not a whole gzip stream: {error}")
        except NoSuchKey:
            await self._failed(instance, f"{where}: the object does not exist")
        except NoSuchBucket as error:
            gone = to[0] if await aside(self.objects.bucket, to[0]) is None else one.bucket
            await self._failed(instance, f"{where}: the bucket {gone} does not exist" + (f" ({error})" if str(error) else ""))

    async def _failed(self, instance: Instance, text: str) -> None:
        self.reason = self.reason or text
        self.failed += 1
        await aside(instance.say, text)

    async def _transform(self, instance: Instance, one: Source, to: tuple[str, str]) -> None:
        _, raw = await aside(self.objects.open, one.bucket, one.key)
        processing = self.plan.processing
        try:
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self.plan.gzip else raw
            if self.plan.split == "None" and not processing.before and not processing.after:
                await self._pass(instance, stream, to)
            else:
                async with self._writer(to) as writer:
                    await self._records(instance, stream, writer)
        finally:
            await aside(raw.close)

    @contextlib.asynccontextmanager
    async def _writer(self, to: tuple[str, str]) -> AsyncIterator[Writer]:
        """A result being written: there when the body ends well, else not at all."""
        new = NewObject(content_type=self.plan.accept or "binary/octet-stream", metadata={MARK: self.mark})
        writer = await aside(self.objects.writer, *to, new)
        try:
            yield writer
        except BaseException:
            await aside(writer.abort)
            raise
        await aside(writer.commit)

    # -- record by record

    def _payloads(self, stream: BinaryIO) -> Iterator[list[Payload]]:
        plan = self.plan
        if plan.split == "None":
            return iter([[Payload(self._whole(stream))]])
        return grouped(payloads(stream, plan.split, plan.limit, single=plan.single))

    def _whole(self, stream: BinaryIO) -> bytes:
        data = stream.read(self.plan.limit + 1)
        if len(data) > self.plan.limit:
            raise TooLarge(f"the object has more than {self.plan.limit} bytes")
        return data

    async def _records(self, instance: Instance, stream: BinaryIO, writer: Writer) -> None:
        """Send the payloads of an object as the window allows; write their answers in order."""
        queue: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()
        feeding = asyncio.create_task(self._feed(instance, stream, queue))
        feeding.add_done_callback(lambda _: queue.put_nowait(None))
        waiting: list[bytes] = []
        size = 0
        try:
            while (request := await queue.get()) is not None:
                try:
                    result = await request
                finally:
                    instance.window.release()
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
                instance.window.release()

    async def _feed(self, instance: Instance, stream: BinaryIO, queue: asyncio.Queue[asyncio.Task[bytes] | None]) -> None:
        async for group in iterate(self._payloads(stream)):
            for payload in group:
                await instance.window.acquire()
                queue.put_nowait(asyncio.create_task(self._send(instance, payload)))

    async def _send(self, instance: Instance, payload: Payload) -> bytes:
        processing = self.plan.processing
        try:
            body = await aside(processing.request, payload.data) if processing.before else payload.data
            answer = await instance.ask(body)
            return await aside(processing.result, payload.data, answer) if processing.after else answer
        except (Unfit, BadRecord) as error:
            if self.plan.split == "None":
                raise
            raise type(error)(f"{error} ({payload.place})") from None

    # -- an object as it stands, both ways without holding it

    async def _pass(self, instance: Instance, stream: BinaryIO, to: tuple[str, str]) -> None:
        async def body() -> bytes | AsyncIterator[bytes]:
            await aside(stream.seek, 0)
            return iterate(iter(lambda: stream.read(CHUNK), b"")) if self.plan.unlimited else await aside(self._whole, stream)

        async def store(chunks: AsyncIterator[bytes]) -> None:
            async with self._writer(to) as writer:
                await self._store(chunks, writer)

        await instance.stream(body, store)

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


def written(objects: Objects, to: tuple[str, str], mark: str) -> bool:
    """Whether this job has stored that result."""
    try:
        return objects.head(*to).metadata.get(MARK) == mark
    except NoSuchKey:
        return False


async def _all(jobs: Iterable[Any]) -> None:
    """Run all; the first error ends the others, and then is raised."""
    running = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


__all__ = ["MARK", "Pump", "written"]

"""Runs over a small database: every put is one record of an append-only log, and now and then the log becomes chunks.

A put writes 32 bytes a point to the log and keeps the points in memory. When ``LIMIT`` points have come together, each
series' points become one packed *chunk*, series by series, and the log starts over. Eight chunks of a size become one,
so that a series of a million points is a few dozen rows. A series remembers the last record that its chunks hold:
sealing may stop anywhere and be done again, and a server that was killed reads the rest of the log when it starts.

Everything here runs in the event loop's thread except what a ``Disk`` that is not ``inline`` does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from ...stores.runs import MOST_SERIES, Observed, Summary, Track
from .head import Head, Memory
from .pack import Row, chunk, record, records, unchunk

log = logging.getLogger(__name__)

LIMIT = 500_000
"""Points in the log before they become chunks."""
SLICE = 64
"""Series sealed in one transaction."""
FAN = 8
"""Chunks of one size that become one."""
LONGEST_CHUNK = 1 << 17
"""Points."""
CREATED = 2_000
"""New series after which the database's own log is carried over: each writes a few pages of an index."""
SEALED = 100
"""Slices sealed, likewise."""
SETTLE = 200
"""Owners replaced before the database's own log is carried over."""

T = TypeVar("T")


class Disk(Protocol):
    """The blocking half: a database of series and chunks, and the log."""

    inline: bool
    """Whether writes are quick enough for the event loop's own thread."""

    def load(self, owner: str) -> list[Head]: ...

    def owners_of(self, series: Sequence[int]) -> set[str]: ...

    def create(self, owner: str, names: Sequence[str]) -> list[Head]:
        """New series; one that exists already is loaded."""
        ...

    def append(self, data: bytes, sequence: int) -> None:
        """Write records to the log, durably. ``sequence``: of the last of them."""
        ...

    def log(self) -> Iterator[bytes]:
        """Everything in the log, oldest first."""
        ...

    def rotate(self) -> None:
        """What is appended from now on survives the next ``trim``."""
        ...

    def trim(self, sequence: int) -> None:
        """Forget the log up to the last ``rotate``; remember that sequence numbers reached this one."""
        ...

    def settle(self) -> None:
        """Called by the reading thread when much has been written: see that it is on disk before the log goes."""
        ...

    def sequence(self) -> int:
        """The last number given to ``trim``."""
        ...

    def seal(self, batch: Sequence[tuple[tuple[Any, ...], list[tuple[int, int, bytes]], list[int]]]) -> None:
        """In one transaction: (the series' row, chunks to write as (number, count, data), numbers of chunks to drop)."""
        ...

    def chunks(self, series: int, numbers: range) -> list[tuple[int, bytes]]:
        """(count, data) of some chunks."""
        ...

    def read(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[int, bool, bool, list[tuple[int, bytes]]] | None]:
        """(sequence, climbing, timely, chunks) of series, as of one moment."""
        ...

    def summaries(self, owners: Sequence[str], names: Sequence[str] | None) -> list[tuple[str, Summary]]: ...

    def replace(self, owner: str, heads: Sequence[tuple[tuple[Any, ...], tuple[int, bytes]]]) -> None:
        """Drop the owner's series and write these, each with its one chunk; the ids in the rows mean nothing."""
        ...

    def close(self) -> None: ...


class ChunkedRuns:
    """The Runs port over a Disk."""

    def __init__(self, disk: Disk, *, limit: int = LIMIT) -> None:
        self._disk, self._limit = disk, limit
        self._owners: dict[str, dict[str, Head]] = {}
        self._series: dict[int, Head] = {}
        self._touched: set[str] = set()
        self._waiting, self._due, self._replaced, self._created = 0, limit, 0, 0
        self._sequence = disk.sequence()
        self._replay()
        self._writer = None if disk.inline else ThreadPoolExecutor(1, "runs-writer")
        self._reader = ThreadPoolExecutor(1, "runs-reader")
        self._queue: list[tuple[list[Row], asyncio.Future[None]]] = []
        self._lock = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._sealing: asyncio.Task[None] | None = None

    # -- writing

    async def put(self, owner: str, points: Sequence[Observed]) -> list[int]:
        heads = self._owners.get(owner)
        try:
            found: list[Head | None] = [heads[name] for name, _, _, _ in points] if heads is not None else []
        except KeyError:
            heads = None
        if heads is None:
            names = [name for name, _, _, _ in points]
            await self._heads(owner, names)
            while (heads := self._owners.get(owner)) is None:  # it rested, and was forgotten while new series were made
                await self._heads(owner, names)
            found = [heads.get(name) for name in names]
        left_out = [index for index, head in enumerate(found) if head is None] if None in found else []
        rows = [(head.id, step, time, value) for head, (_, step, time, value) in zip(found, points, strict=True) if head is not None]
        if rows:
            self._touched.add(owner)
            if self._writer is None:
                self._disk.append(record(self._sequence + 1, rows), self._sequence + 1)
                self._apply(rows)
            else:
                done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._queue.append((rows, done))
                await self._write_queue(done)
            if self._waiting >= self._due and self._sealing is None:
                self._sealing = asyncio.create_task(self._seal_all(), name="runs-seal")
        return left_out

    async def _write_queue(self, done: asyncio.Future[None]) -> None:
        """What is queued while the disk is busy shares the next write."""
        async with self._writing:
            if not done.done():
                batch, self._queue = self._queue, []
                data = b"".join([record(self._sequence + n, rows) for n, (rows, _) in enumerate(batch, 1)])
                try:
                    await self._run(self._disk.append, data, self._sequence + len(batch))
                except BaseException as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                    done.exception()  # told below, or by whoever was cancelled
                    raise
                for rows, future in batch:
                    self._apply(rows)
                    if not future.done():
                        future.set_result(None)
        await done

    def _apply(self, rows: Iterable[Row]) -> None:
        self._sequence += 1
        sequence, series = self._sequence, self._series
        for number, step, time, value in rows:
            head = series.get(number)
            if head is not None:
                head.add(sequence, step, time, value)
                self._waiting += 1

    async def _heads(self, owner: str, names: Iterable[str]) -> None:
        """Load the owner's series, with new ones for unknown names as far as there is room."""
        async with self._lock:
            heads = self._owners.get(owner)
            if heads is None:
                heads = self._remember(owner, await self._run(self._disk.load, owner))
            new = [name for name in dict.fromkeys(names) if name not in heads][: MOST_SERIES - len(heads)]
            if new:
                self._remember(owner, await self._run(self._disk.create, owner, new))
                self._created += len(new)
                if self._created >= CREATED:
                    self._created = 0
                    await self._read(self._disk.settle)  # within the lock: a log that nobody writes to can start over

    def _remember(self, owner: str, found: list[Head]) -> dict[str, Head]:
        heads = self._owners.setdefault(owner, {})
        for head in found:
            heads[head.name] = self._series[head.id] = head
        return heads

    def _forget(self, owner: str) -> None:
        for head in self._owners.pop(owner, {}).values():
            self._series.pop(head.id, None)
            self._waiting -= len(head.fresh)
        self._touched.discard(owner)

    async def replace(self, owner: str, points: Sequence[Observed]) -> None:
        heads: dict[str, Head] = {}
        for name, step, time, value in points:
            if name not in heads and len(heads) == MOST_SERIES:
                continue
            heads.setdefault(name, Head(0, owner, name)).add(0, step, time, value)
        rows = []
        for head in heads.values():
            track = head.seal()
            head.levels = b"\x00"
            rows.append((head.row(), (len(track), chunk(track))))
        async with self._lock:
            await self._settled()
            self._forget(owner)
            await self._run(self._disk.replace, owner, rows)
        self._replaced += 1
        if self._replaced % SETTLE == 0:
            await self._read(self._disk.settle)

    async def delete(self, owner: str) -> None:
        await self.replace(owner, ())

    # -- from the log to chunks

    async def _settled(self) -> None:
        if self._sealing is not None:
            await asyncio.wait([self._sealing])

    async def _seal_all(self) -> None:
        try:
            async with self._writing:
                await self._run(self._disk.rotate)
                upto, idle = self._sequence, set(self._owners) - self._touched
                self._touched.clear()
            full = [head for head in self._series.values() if len(head.fresh)]
            for at in range(0, len(full), SLICE):
                await self._seal([head for head in full[at : at + SLICE] if head.id in self._series])
                if at // SLICE % SEALED == SEALED - 1:
                    await self._read(self._disk.settle)
                await asyncio.sleep(0)  # others have their turn
            await self._read(self._disk.settle)
            await self._run(self._disk.trim, upto)
            for owner in idle - self._touched:
                self._forget(owner)
            self._due = self._limit
        except Exception:
            self._due = self._waiting + self._limit
            log.exception("cannot carry the log of run metrics into chunks; trying again with the next points")
        finally:
            self._sealing = None

    async def _seal(self, heads: list[Head]) -> None:
        sequence = self._sequence
        rows = [(head.row(), head.seal()) for head in heads]
        try:
            levels = await self._run(self._write_chunks, rows, sequence)
        except BaseException:
            for head in heads:
                head.unseal()
            raise
        for head, (_, track), after in zip(heads, rows, levels, strict=True):
            head.sealing, head.sequence, head.levels = None, sequence, after
            self._waiting -= len(track)

    def _write_chunks(self, rows: list[tuple[tuple[Any, ...], Track]], sequence: int) -> list[bytes]:
        """The series' ``levels`` afterwards."""
        batch, after = [], []
        for row, new in rows:
            old = row[16]
            levels, number, track = self._merged(row[0], old, new)
            batch.append(((*row[:3], sequence, *row[4:16], levels), [(number, len(track), chunk(track))], list(range(number + 1, len(old)))))
            after.append(levels)
        self._disk.seal(batch)
        return after

    def _merged(self, series: int, levels: bytes, track: Track) -> tuple[bytes, int, Track]:
        """(levels after a new chunk, its number, its points), with what is merged into it."""
        levels += b"\x00"
        level = 0
        while levels.endswith(bytes([level]) * FAN):
            numbers = range(len(levels) - FAN, len(levels) - 1)
            whole = Track()
            for count, data in self._disk.chunks(series, numbers):
                unchunk(data, count, whole)
            if len(whole) + len(track) > LONGEST_CHUNK:
                break
            whole.steps += track.steps
            whole.times += track.times
            whole.values += track.values
            level, track = level + 1, whole
            levels = levels[: numbers.start] + bytes([level])
        return levels, len(levels) - 1, track

    def _replay(self) -> None:
        """What the last server had not sealed."""
        for data in self._disk.log():
            for sequence, rows, _ in records(data):
                points = list(rows)
                # asked one by one: a difference of sets would look at every series there is, for every record
                unknown = {row[0] for row in points if row[0] not in self._series}
                for owner in self._disk.owners_of(sorted(unknown)) if unknown else ():
                    self._remember(owner, self._disk.load(owner))
                for number, step, time, value in points:
                    head = self._series.get(number)
                    if head is not None and sequence > head.sequence:
                        head.add(sequence, step, time, value)
                        self._waiting += 1
                self._sequence = max(self._sequence, sequence)

    # -- reading

    async def summaries(self, owners: Iterable[str], names: Sequence[str] | None = None) -> dict[str, list[Summary]]:
        found: dict[str, list[Summary]] = {}
        cold = []
        chosen = None if names is None else set(names)
        for owner in dict.fromkeys(owners):
            heads = self._owners.get(owner)
            if heads is None:
                cold.append(owner)
            else:
                some = [h.summary() for h in heads.values() if h.count and (chosen is None or h.name in chosen)]
                if some:
                    found[owner] = some
        if cold:
            for owner, one in await self._read(self._disk.summaries, cold, names):
                found.setdefault(owner, []).append(one)
        for some in found.values():
            some.sort(key=lambda summary: summary.name)
        return found

    async def tracks(self, wanted: Sequence[tuple[str, str]]) -> list[Track]:
        # memory first: what is sealed meanwhile is then found on disk, under a later sequence number
        found: list[Track | None] = []
        memory: list[Memory | None] = []
        for owner, name in wanted:
            head = self._owners.get(owner, {}).get(name)
            memory.append(head.memory() if head is not None else None)
            found.append(head.memory().over(Track(), -1) if head is not None and not head.levels and head.sealing is None else None)
        missing = [at for at, track in enumerate(found) if track is None]
        if missing:
            read = await self._read(self._tracks, [wanted[at] for at in missing], [memory[at] for at in missing])
            for at, track in zip(missing, read, strict=True):
                found[at] = track
        return [track for track in found if track is not None]

    def _tracks(self, wanted: Sequence[tuple[str, str]], memory: Sequence[Memory | None]) -> list[Track]:
        found = []
        for stored, rest in zip(self._disk.read(wanted), memory, strict=True):
            track, sequence = Track(), -1
            if stored is not None:
                sequence, track.climbing, track.timely, chunks = stored
                for count, data in chunks:
                    unchunk(data, count, track)
            found.append(rest.over(track, sequence) if rest is not None else track)
        return found

    # -- threads

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        if self._writer is None:
            return work(*args)
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *args)

    async def _read(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work, *args)

    async def close(self) -> None:
        await self._settled()
        if self._waiting:
            await self._seal_all()
        if self._writer:
            self._writer.shutdown()
        self._reader.shutdown()
        self._disk.close()

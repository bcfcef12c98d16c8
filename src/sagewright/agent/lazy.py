"""Objects read as they are asked for: ranged reads, a little read-ahead, a bounded memory of what has come.

Never is more fetched ahead than has been read in a row, so that a program that looks here and there into large objects
costs little more than what it looks at.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ..stores.objects import ObjectInfo, Objects

GRAIN = 256 * 2**10
"""Bytes; what a request fetches at least: about what a round trip to a store costs anyway."""
WHOLE = 2**20
"""An object up to this size comes in one request."""
AHEAD = 8 * 2**20
"""The most that is fetched ahead of one reader."""
STREAMS = 16
"""Readers of one object that are told apart."""
BUDGET = 128 * 2**20
WORKERS = 8

Answer = Callable[[list[memoryview] | None], None]


class Segment:
    """A range that has come or is on its way."""

    __slots__ = ("content", "end", "file", "start")

    def __init__(self, file: LazyFile, start: int, end: int, content: Future[bytes]) -> None:
        self.file, self.start, self.end, self.content = file, start, end, content

    @property
    def failed(self) -> bool:
        return self.content.done() and (self.content.cancelled() or self.content.exception() is not None)


class Stream:
    """Somebody who reads an object in order: where they will go on, how much they have read so, what has been ordered."""

    __slots__ = ("ahead", "next", "row")

    def __init__(self, end: int) -> None:
        self.next = self.ahead = end
        self.row = 0


class LazyFile:
    """One version of one object."""

    __slots__ = ("info", "segments", "streams")

    def __init__(self, info: ObjectInfo) -> None:
        self.info = info
        self.segments: dict[int, Segment] = {}
        """By block of GRAIN bytes."""
        self.streams: list[Stream] = []

    def follow(self, offset: int, size: int) -> Stream:
        """The stream that a read belongs to. The kernel's own read-ahead may ask a little out of order."""
        end = offset + size
        for stream in self.streams:
            if stream.next - GRAIN <= offset <= stream.next + GRAIN:
                stream.row += max(0, end - stream.next)
                stream.next = max(stream.next, end)
                return stream
        stream = Stream(end)
        self.streams = [*self.streams[-STREAMS + 1:], stream]
        return stream


class Reader:
    """Reads lazily for one thread; answers may come on others.

    Args:
        lost: called with an object's URI, the first time its version turns out to be gone or cannot be read.
    """

    def __init__(self, objects: Objects, lost: Callable[[str, Exception], None], budget: int = BUDGET) -> None:
        self._objects, self._lost, self._budget = objects, lost, budget
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="fastfile")
        self._kept: OrderedDict[Segment, None] = OrderedDict()
        self._bytes = 0
        self._told: set[str] = set()
        self.fetched = 0
        """Bytes ordered from the store."""

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, file: LazyFile, offset: int, size: int, answer: Answer) -> None:
        """Have ``answer`` called with the pieces of a range, or with None when it cannot be read."""
        end = min(offset + size, file.info.size)
        if offset >= end:
            answer([])
            return
        stream = file.follow(offset, end - offset)
        wanted = self._cover(file, offset, end)
        self._go_ahead(file, stream, end)
        self._forget()
        waiting = [segment.content for segment in wanted if not segment.content.done()]
        if waiting:
            _after(waiting, lambda: _deliver(wanted, offset, end, answer))
        else:
            _deliver(wanted, offset, end, answer)

    def _cover(self, file: LazyFile, offset: int, end: int) -> list[Segment]:
        """The segments of a range, in order; what is missing is ordered."""
        found: list[Segment] = []
        at = offset
        while at < end:
            segment = file.segments.get(at // GRAIN)
            if segment is None or segment.failed:
                segment = self._order(file, at, file.info.size if file.info.size <= WHOLE else end)
            self._kept.move_to_end(segment)
            found.append(segment)
            at = segment.end
        return found

    def _go_ahead(self, file: LazyFile, stream: Stream, end: int) -> None:
        """Order what the stream will want next, in pieces that come side by side."""
        window = min(stream.row, AHEAD)
        limit = min(file.info.size, end + window)
        stream.ahead = max(stream.ahead, end)
        piece = max(GRAIN, window // 4)
        while stream.ahead < limit and (limit - stream.ahead >= piece or limit == file.info.size):
            segment = file.segments.get(stream.ahead // GRAIN)
            if segment is None or segment.failed:
                segment = self._order(file, stream.ahead, min(limit, stream.ahead + piece))
            stream.ahead = segment.end

    def _order(self, file: LazyFile, offset: int, end: int) -> Segment:
        """Fetch from the block of ``offset`` to that of ``end``, or to a block that is there already."""
        first, last = offset // GRAIN, -(-end // GRAIN)
        block = first
        while block < last and ((there := file.segments.get(block)) is None or there.failed):
            block += 1
        start, stop = first * GRAIN, min(block * GRAIN, file.info.size)
        self.fetched += stop - start
        segment = Segment(file, start, stop, self._pool.submit(self._fetch, file.info, start, stop - start))
        for number in range(first, block):
            file.segments[number] = segment
        self._kept[segment] = None
        self._bytes += stop - start
        return segment

    def _fetch(self, info: ObjectInfo, start: int, size: int) -> bytes:
        try:
            data = self._objects.read(info, start, size)
            if len(data) != size:
                raise EOFError(f"{len(data)} of {size} bytes")
            return data
        except Exception as error:
            uri = f"s3://{info.bucket}/{info.key}"
            if uri not in self._told:
                self._told.add(uri)
                self._lost(uri, error)
            raise

    def _forget(self) -> None:
        """Let go of what was used longest ago, over the budget; what is on its way is waited for."""
        while self._bytes > self._budget:
            segment = next((one for one in self._kept if one.content.done()), None)
            if segment is None:
                return
            del self._kept[segment]
            self._bytes -= segment.end - segment.start
            for number in range(segment.start // GRAIN, -(-segment.end // GRAIN)):
                if segment.file.segments.get(number) is segment:
                    del segment.file.segments[number]


def _after(waiting: list[Future[bytes]], then: Callable[[], None]) -> None:
    """Call ``then`` once every future is done."""
    left, guard = len(waiting), threading.Lock()

    def one(_: Future[bytes]) -> None:
        nonlocal left
        with guard:
            left -= 1
            last = left == 0
        if last:
            then()

    for future in waiting:
        future.add_done_callback(one)


def _deliver(segments: list[Segment], offset: int, end: int, answer: Answer) -> None:
    pieces: list[memoryview] | None = []
    for segment in segments:
        if segment.failed:
            pieces = None
            break
        view = memoryview(segment.content.result())
        assert pieces is not None
        pieces.append(view[max(0, offset - segment.start):end - segment.start])
    answer(pieces)

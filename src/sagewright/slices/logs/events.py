"""Log events: write, read by position, search across streams."""

from __future__ import annotations

import asyncio
import heapq
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from ...stores.logs import OVERHEAD, LogEvent, Logs
from ...wire.types import Call
from .groups import DAY, Groups, bad_token, group_of, invalid, make_token, no_stream, on_group, on_stream, read_token
from .pattern import compiled

PAGE = 10_000
PAGE_BYTES = 1 << 20
PAST, FUTURE = 14 * DAY, 7_200_000
"""Milliseconds that an event's time may lie off."""
SCANNED = 200_000
"""Events that one FilterLogEvents looks at before it answers with what it has and a token."""
READ_AHEAD = 500
_POSITION = re.compile(r"([fb])/(\d{1,18})")


class Events:
    """The verbs on events of one platform."""

    def __init__(self, groups: Groups) -> None:
        self.groups, self.platform, self.logs = groups, groups.platform, groups.logs

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("logs", "PutLogEvents", self.put, resources=on_stream)
        bind("logs", "GetLogEvents", self.get, resources=on_stream)
        bind("logs", "FilterLogEvents", self.filter, resources=on_group)

    async def put(self, call: Call) -> dict[str, Any]:
        group, stream = await self._stream(call)
        now = int(self.platform.clock() * 1000)
        given = call.params["logEvents"]
        if any(a["timestamp"] > b["timestamp"] for a, b in pairwise(given)):
            raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
        if given[-1]["timestamp"] - given[0]["timestamp"] > DAY:
            raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
        size = sum(len(e["message"].encode()) + OVERHEAD for e in given)
        if size > PAGE_BYTES:
            raise invalid(f"Upload too large: {size} bytes exceeds limit of {PAGE_BYTES}")
        horizon = await self.groups.horizon(group)
        stamps = [e["timestamp"] for e in given]
        rejected: dict[str, int] = {}
        if old := sum(t < now - PAST for t in stamps):
            rejected["tooOldLogEventEndIndex"] = old
        if expired := sum(t < horizon for t in stamps):
            rejected["expiredLogEventEndIndex"] = expired
        first, last = max(old, expired), sum(t <= now + FUTURE for t in stamps)
        if last < len(given):
            rejected["tooNewLogEventStartIndex"] = last
        events = [LogEvent(e["timestamp"], e["message"], now) for e in given[first:last]]
        await asyncio.to_thread(self.logs.append, group, stream, events)
        return {"nextSequenceToken": "0"} | ({"rejectedLogEventsInfo": rejected} if rejected else {})

    async def get(self, call: Call) -> dict[str, Any]:
        """A page forward or backward. At the end the forward token repeats, which is how clients know."""
        p = call.params
        position, backward = _position(p["nextToken"]) if "nextToken" in p else (None, not p.get("startFromHead", False))
        group, stream = await self._stream(call)
        start = max(p.get("startTime", 0), await self.groups.horizon(group))
        events, low, high = await asyncio.to_thread(
            self.logs.read, group, stream, position, backward=backward, start=start, end=p.get("endTime"),
            limit=p.get("limit", PAGE), most=PAGE_BYTES,
        )
        return {
            "events": [{"timestamp": e.timestamp, "message": e.message, "ingestionTime": e.ingested} for e in events],
            "nextForwardToken": f"f/{high:018}", "nextBackwardToken": f"b/{low:018}",
        }

    async def filter(self, call: Call) -> dict[str, Any]:
        p, group = call.params, group_of(call)
        await self.groups.check_group(group)
        prefix, named = p.get("logStreamNamePrefix", ""), p.get("logStreamNames")
        if named is not None and prefix:
            raise invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
        names = await asyncio.to_thread(self.logs.stream_names, group, prefix)
        if named is not None:
            if set(named) - set(names):
                raise no_stream()
            names = sorted(set(named))
        places = read_token(p["nextToken"]) if "nextToken" in p else {}
        if not isinstance(places, dict) or not all(isinstance(v, int) for v in places.values()):
            raise bad_token()
        search = Search(self.logs, group, max(p.get("startTime", 0), await self.groups.horizon(group)), p.get("endTime"))
        return await asyncio.to_thread(search.run, names, places, compiled(p.get("filterPattern", "")), p.get("limit", PAGE))

    async def _stream(self, call: Call) -> tuple[str, str]:
        """(group, stream) that the call names. Raises NotFound."""
        group, name = group_of(call), call.params["logStreamName"]
        if await asyncio.to_thread(self.logs.stream, group, name) is None:
            await self.groups.check_group(group)  # only now: it looks through every group there is
            raise no_stream()
        return group, name


class Search:
    """FilterLogEvents over one group: its streams merged by time. ``end`` is still included.

    The token says how far each stream has been read; streams not begun are left out of it.
    """

    def __init__(self, logs: Logs, group: str, start: int, end: int | None) -> None:
        self._logs, self._group, self._start = logs, group, start
        self._end = None if end is None else end + 1

    def run(self, names: list[str], places: dict[str, int], matches: Callable[[str], bool], limit: int) -> dict[str, Any]:
        places = {name: at for name, at in places.items() if name in names}
        merged = heapq.merge(*(self._events(name, places.get(name)) for name in names), key=lambda found: found[0].timestamp)
        shown: list[dict[str, Any]] = []
        room = PAGE_BYTES
        for scanned, (event, name, after) in enumerate(merged):
            wanted = matches(event.message)
            size = len(event.message.encode()) + OVERHEAD if wanted else 0
            if scanned == SCANNED or (wanted and (len(shown) == limit or (size > room and shown))):
                return {"events": shown, "searchedLogStreams": [], "nextToken": make_token(places)}
            if wanted:
                shown.append(self._about(event, name))
                room -= size
            places[name] = after
        return {"events": shown, "searchedLogStreams": []}

    def _events(self, name: str, position: int | None) -> Iterator[tuple[LogEvent, str, int]]:
        """(event, stream, position after it)."""
        while True:
            events, _, end = self._logs.read(
                self._group, name, position, start=self._start, end=self._end, limit=READ_AHEAD, most=PAGE_BYTES
            )
            if not events:
                return
            for event, following in zip(events, [*(e.position for e in events[1:]), end], strict=True):
                yield event, name, following
            position = end

    @staticmethod
    def _about(event: LogEvent, name: str) -> dict[str, Any]:
        id_ = f"{event.timestamp:020}{zlib.crc32(name.encode()):016}{event.position:020}"
        return {
            "logStreamName": name, "timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested,
            "eventId": id_,
        }


def _position(token: str) -> tuple[int, bool]:
    match = _POSITION.fullmatch(token)
    if match is None:
        raise bad_token()
    return int(match[2]), match[1] == "b"

"""Log events: write, read by position, search across streams."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ...stores.logs import LogEvent
from ...wire.errors import ServiceError
from ...wire.types import Call
from .groups import Groups, group_of, no_stream, on_group, on_stream
from .pattern import compiled

PAGE = 10_000
PAGE_BYTES = 1 << 20
EVENT_OVERHEAD = 26
"""Bytes that CloudWatch counts for each event besides its message."""


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
        group, stream = group_of(call), call.params["logStreamName"]
        await self.groups.check_group(group)
        await self._check_stream(group, stream)
        events = [LogEvent(e["timestamp"], e["message"]) for e in call.params["logEvents"]]
        if any(a.timestamp > b.timestamp for a, b in pairwise(events)):
            raise ServiceError("InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
        if sum(len(e.message.encode()) + EVENT_OVERHEAD for e in events) > PAGE_BYTES:
            raise ServiceError("InvalidParameterException", "Upload too large: more than 1048576 bytes.")
        await asyncio.to_thread(self.logs.append, group, stream, events)
        return {"nextSequenceToken": "0"}

    async def get(self, call: Call) -> dict[str, Any]:
        """A page forward or backward. At the end the forward token repeats, which is how clients know."""
        group, stream, p = group_of(call), call.params["logStreamName"], call.params
        await self.groups.check_group(group)
        await self._check_stream(group, stream)
        position, backward = _read_token(p.get("nextToken"))
        if position is None:
            backward = not p.get("startFromHead", False)
        end = None if p.get("endTime") is None else p["endTime"] + 1
        events, low, high = await asyncio.to_thread(
            self.logs.read, group, stream, position, backward=backward, start=p.get("startTime"), end=end,
            limit=min(p.get("limit", PAGE), PAGE),
        )
        size = 0
        for number, event in enumerate(events):
            size += len(event.message.encode()) + EVENT_OVERHEAD
            if size > PAGE_BYTES and number and not backward:
                events, low, high = await asyncio.to_thread(
                    self.logs.read, group, stream, position, start=p.get("startTime"), end=end, limit=number
                )
                break
        return {
            "events": [{"timestamp": e.timestamp, "message": e.message, "ingestionTime": e.ingested or e.timestamp} for e in events],
            "nextForwardToken": f"f/{high}", "nextBackwardToken": f"b/{low}",
        }

    async def filter(self, call: Call) -> dict[str, Any]:
        p, group = call.params, group_of(call)
        await self.groups.check_group(group)
        prefix, named = p.get("logStreamNamePrefix", ""), p.get("logStreamNames")
        streams = [s.name for s in await asyncio.to_thread(self.logs.streams, group, prefix)]
        if named is not None:
            if prefix:
                raise ServiceError("InvalidParameterException", "Give logStreamNames or logStreamNamePrefix, not both.")
            if set(named) - set(streams):
                raise no_stream()
            streams = [s for s in streams if s in named]
        return await asyncio.to_thread(self._filter, group, streams, p)

    def _filter(self, group: str, streams: list[str], p: dict[str, Any]) -> dict[str, Any]:
        matches = compiled(p.get("filterPattern", ""))
        limit, skip = p.get("limit", PAGE), int(p.get("nextToken", "0") if p.get("nextToken", "0").isdigit() else 0)
        end = None if p.get("endTime") is None else p["endTime"] + 1
        merged = heapq.merge(*(self._stream(group, s, p.get("startTime"), end) for s in streams), key=lambda e: e[0])
        found: list[dict[str, Any]] = []
        number = 0
        for stamp, stream, at, event in merged:
            if not matches(event.message):
                continue
            number += 1
            if number <= skip:
                continue
            if len(found) == limit:
                return {"events": found, "searchedLogStreams": [], "nextToken": str(number - 1)}
            found.append({
                "logStreamName": stream, "timestamp": stamp, "message": event.message, "ingestionTime": stamp,
                "eventId": f"{stamp:020d}{at:016d}",
            })
        return {"events": found, "searchedLogStreams": []}

    def _stream(self, group: str, stream: str, start: int | None, end: int | None) -> Iterator[tuple[int, str, int, LogEvent]]:
        position, at = 0, 0
        while True:
            events, _, after = self.logs.read(group, stream, position, start=start, end=end, limit=2000)
            for event in events:
                yield event.timestamp, stream, at, event
                at += 1
            if after == position or not events:
                return
            position = after

    async def _check_stream(self, group: str, stream: str) -> None:
        if all(s.name != stream for s in await asyncio.to_thread(self.logs.streams, group, stream)):
            raise no_stream()


def _read_token(token: str | None) -> tuple[int | None, bool]:
    if token is None:
        return None, False
    way, _, at = token.partition("/")
    if way not in ("f", "b") or not at.isdigit():
        raise ServiceError("InvalidParameterException", "The specified nextToken is invalid.")
    return int(at), way == "b"

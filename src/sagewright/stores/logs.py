"""Logs: groups of streams of timestamped lines. Agents append while the server reads; both may be killed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LogEvent:
    timestamp: int
    """Milliseconds since the epoch."""
    message: str
    ingested: int = 0
    """Milliseconds; 0 when writing means the same as ``timestamp``."""
    position: int = 0
    """Where it begins in its stream, when it was read."""


OVERHEAD = 26
"""Bytes that an event counts besides its message, as CloudWatch counts."""


@dataclass(frozen=True, slots=True)
class LogStream:
    group: str
    name: str
    created: int
    first: int | None
    last: int | None
    size: int


class Logs(Protocol):
    """Blocking and quick; from any thread. ``position`` is an opaque byte offset that stays valid while the stream exists."""

    def create_group(self, group: str) -> bool:
        """False if it exists."""
        ...

    def groups(self, prefix: str = "") -> list[str]: ...

    def delete_group(self, group: str) -> bool: ...

    def create_stream(self, group: str, stream: str) -> bool: ...

    def stream_names(self, group: str, prefix: str = "") -> list[str]:
        """In order; nothing for a missing group."""
        ...

    def stream(self, group: str, name: str) -> LogStream | None: ...

    def streams(self, group: str, prefix: str = "") -> list[LogStream]:
        """All of ``stream_names``, opened one by one."""
        ...

    def delete_stream(self, group: str, stream: str) -> bool: ...

    def append(self, group: str, stream: str, events: Iterable[LogEvent]) -> None:
        """Append whole lines; creates group and stream. Durable against a killed process when it returns."""
        ...

    def read(
        self, group: str, stream: str, position: int | None = None, *, backward: bool = False,
        start: int | None = None, end: int | None = None, limit: int = 10_000, most: int | None = None,
    ) -> tuple[list[LogEvent], int, int]:
        """Events in order, with the positions before the first and after the last of them.

        Forward from ``position`` (None: the stream's beginning), or the last ``limit`` events that end at
        ``position`` (None: its end). ``start`` ≤ timestamp < ``end`` filters. ``most`` bytes, each event with its
        OVERHEAD, end a page early; one event always fits. Nothing of a missing stream.
        """
        ...

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


@dataclass(frozen=True, slots=True)
class LogStream:
    group: str
    name: str
    created: int
    first: int | None
    last: int | None
    size: int


class Logs(Protocol):
    """Blocking and quick. ``position`` is an opaque byte offset that stays valid while the stream exists."""

    def create_group(self, group: str) -> bool:
        """False if it exists."""
        ...

    def groups(self, prefix: str = "") -> list[str]: ...

    def delete_group(self, group: str) -> bool: ...

    def create_stream(self, group: str, stream: str) -> bool: ...

    def streams(self, group: str, prefix: str = "") -> list[LogStream]: ...

    def delete_stream(self, group: str, stream: str) -> bool: ...

    def append(self, group: str, stream: str, events: Iterable[LogEvent]) -> None:
        """Append whole lines; creates group and stream. Durable against a killed process when it returns."""
        ...

    def read(
        self, group: str, stream: str, position: int | None = None, *, backward: bool = False,
        start: int | None = None, end: int | None = None, limit: int = 10_000,
    ) -> tuple[list[LogEvent], int, int]:
        """Events in order, with the positions before the first and after the last of them.

        Forward from ``position`` (None: the stream's beginning), or the last ``limit`` events that end at
        ``position`` (None: its end). ``start`` ≤ timestamp < ``end`` filters.
        """
        ...

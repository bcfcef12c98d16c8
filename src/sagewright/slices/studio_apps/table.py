"""Which workspaces run and where each answers: a table in memory, kept in step with the records."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...gateway.client import Worker
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.records import Query, Record

CONNECTIONS = 64
"""Requests that one workspace has at a time, besides its WebSockets; more wait."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a record says of its workspace."""

    arn: str
    base: str
    """Path below which it answers, with a slash at both ends."""
    born: str
    """Tells it from an earlier one of the same name."""
    sockets: list[str]
    """Where it answers; empty while it does not."""
    landing: str = "lab"
    """What browsers see first, below the base."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A running workspace as requests see it."""

    id: str
    base: str
    born: str
    worker: Worker
    landing: str


Reader = Callable[[Mapping[str, Any]], Facts | None]


class Table:
    """Every running workspace of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.readers: dict[str, Reader] = {}
        """Kind of record → what its document says; None for those that are no workspaces of ours."""
        self._running: dict[str, Workspace] = {}

    def install(self) -> None:
        self.platform.reconciler.listen(self.heard)
        self.platform.starters.append(self.load)
        self.platform.closers.append(self.close)

    def get(self, name: str) -> Workspace | None:
        """By the name that its host has."""
        return self._running.get(name)

    def url(self, arn: str) -> str:
        """Where browsers find a workspace."""
        return self.platform.workspace_url.replace("*", name_of(arn), 1)

    async def load(self) -> None:
        for kind in self.readers:
            for record in await self.platform.records.find(kind, None, Query(limit=1_000_000)):
                self.apply(record)

    async def heard(self, record: Record, event: Event) -> None:
        self.apply(record)

    def apply(self, record: Record) -> None:
        reader = self.readers.get(record.kind)
        facts = reader(record.doc) if reader else None
        if facts is None:
            return
        name = name_of(facts.arn)
        known = self._running.pop(name, None)
        if facts.sockets:
            same = known is not None and known.worker.path == facts.sockets[0]
            worker = known.worker if known is not None and same else Worker(facts.sockets[0], CONNECTIONS)
            self._running[name] = Workspace(name, facts.base, facts.born, worker, facts.landing)
            if same:
                return
        if known is not None:
            known.worker.close()

    def close(self) -> None:
        for workspace in self._running.values():
            workspace.worker.close()


def name_of(arn: str) -> str:
    """A workspace's host name, first part: the same for the same ARN, so that a browser finds its layout again."""
    return "w-" + hashlib.sha256(arn.encode()).hexdigest()[:16]

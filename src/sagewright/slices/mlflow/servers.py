"""Which servers there are and where each answers: a table in memory, kept in step with the records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...gateway.client import Worker
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.records import Query, Record
from .lifecycle import DELETING
from .resources import KINDS, arn_of

CONNECTIONS = 64
"""Requests that one server has at a time; more wait."""


@dataclass(slots=True)
class Server:
    """A tracking server or app as requests see it."""

    kind: str
    scope: str
    key: str
    id: str
    arn: str
    doc: dict[str, Any]
    worker: Worker | None
    """None while it does not answer."""

    @property
    def is_app(self) -> bool:
        return self.kind == "MlflowApp"


class Servers:
    """Every server and app of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._by_id: dict[str, Server] = {}
        self._by_arn: dict[str, Server] = {}
        self._workers: dict[str, Worker] = {}

    def install(self) -> None:
        self.platform.reconciler.listen(self.heard)
        self.platform.starters.append(self.load)
        self.platform.closers.append(self.close)

    def by_id(self, name: str) -> Server | None:
        """By the name that its URL has."""
        return self._by_id.get(name)

    def by_arn(self, arn: str) -> Server | None:
        return self._by_arn.get(arn.lower())

    async def load(self) -> None:
        for kind in KINDS:
            for record in await self.platform.records.find(kind, None, Query(limit=1_000_000)):
                self.apply(record)

    async def heard(self, record: Record, event: Event) -> None:
        if record.kind in KINDS:
            self.apply(record)
            if event.name == "Erased":
                self._drop(record)

    def apply(self, record: Record) -> None:
        doc = record.doc
        sockets = doc.get("_sockets") or []
        worker = None
        if sockets and doc["_state"] != DELETING:
            worker = self._workers.setdefault(sockets[0], Worker(sockets[0], CONNECTIONS))
        server = Server(record.kind, record.scope, record.key, doc["_id"], arn_of(doc), doc, worker)
        self._by_id[server.id] = self._by_arn[server.arn.lower()] = server

    def url(self, doc: dict[str, Any], endpoint: str = "") -> str:
        """Where a server's pages and REST API begin; ``endpoint``: the base URL that the caller used."""
        return f"{endpoint or self.platform.endpoint}/_sagewright/mlflow/{doc['_id']}"

    async def leave(self, sockets: list[str], seconds: float) -> None:
        """Wait until no request is under way on sockets that are going, then let go of them."""
        for path in sockets:
            if worker := self._workers.pop(path, None):
                await worker.quiet(seconds)
                worker.close()

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()

    def _drop(self, record: Record) -> None:
        doc = record.doc
        self._by_id.pop(doc["_id"], None)
        if (known := self._by_arn.get(arn_of(doc).lower())) and known.id == doc["_id"]:
            del self._by_arn[known.arn.lower()]

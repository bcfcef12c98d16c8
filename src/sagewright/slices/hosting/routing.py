"""Keeps the gateway's routes in step with the endpoints' documents."""

from __future__ import annotations

from ...gateway.routes import Routes, VariantSpec
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.records import Query, Record
from .lifecycle import SERVING, log_stream


class Router:
    """Rebuilds routes from the records at start, and one at a time as endpoints change."""

    def __init__(self, platform: Platform, routes: Routes) -> None:
        self.platform, self.routes = platform, routes

    def install(self) -> None:
        self.platform.reconciler.listen(self.heard)
        self.platform.starters.append(self.load)

    async def load(self) -> None:
        for record in await self.platform.records.find("Endpoint", None, Query(limit=1_000_000)):
            self.apply(record)

    async def heard(self, record: Record, event: Event) -> None:
        if record.kind == "Endpoint":
            self.apply(record)

    def apply(self, record: Record) -> None:
        doc, key = record.doc, (record.scope, record.key)
        fleet = doc.get("_fleet")
        if doc["_state"] not in SERVING or not fleet:
            self.routes.drop(key)
            return
        specs = []
        for variant in fleet["Variants"]:
            spec = VariantSpec(variant["Name"], variant["Weight"], [], variant["Strategy"])
            for task, about in fleet["Tasks"].items():
                if about["Variant"] == variant["Name"]:
                    spec.sockets += about["Sockets"]
                    spec.instances += bool(about["Sockets"])
                    spec.streams |= {path: log_stream(variant["Name"], task) for path in about["Sockets"]}
            specs.append(spec)
        self.routes.put(key, doc["EndpointName"], specs)

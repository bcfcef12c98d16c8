"""Keeps the gateway's routes in step with the endpoints' documents."""

from __future__ import annotations

from typing import Any

from ...gateway import capture
from ...gateway.containers import DIRECT, names
from ...gateway.routes import Routes, VariantSpec
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.records import Query, Record
from . import components, policy, rollout, shadows
from .fleet import Fleet, asynchronous
from .lifecycle import log_stream
from .serverless import serverless
from .states import ROLLING_BACK, SERVING, UPDATING


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
        route(self.routes, record)


def route(routes: Routes, record: Record) -> None:
    """Make an endpoint's route what its document says."""
    doc, key = record.doc, (record.scope, record.key)
    if doc["_state"] not in SERVING or not doc.get("_fleet"):
        routes.drop(key)
    elif serverless(doc["_fleet"]) or components.composed(doc["_fleet"]):
        routes.drop(key)  # its requests are given an instance one by one (Platform.servants)
    elif asynchronous(doc):
        routes.drop(key)  # its requests come out of a queue (slices/async_inference)
        routes.queued.add(key)
    else:
        routes.put(key, doc["EndpointName"], specs(doc))


def specs(doc: dict[str, Any]) -> list[VariantSpec]:
    """What requests may reach, and how much of them each part gets; while a deployment goes on, of several fleets. Pure."""
    portions = rollout.portions(doc)
    shares = policy.split([(shadows.productive(fleet["Variants"]), step) for fleet, step in portions])
    found: list[VariantSpec] = []
    counts: dict[str, int] = {}
    for (fleet, _), parts in zip(portions, shares, strict=True):
        for variant, (weight, share) in zip(shadows.productive(fleet["Variants"]), parts, strict=True):
            if share > 0:
                config = fleet["Config"] if doc["_state"] in (UPDATING, ROLLING_BACK) else ""
                spec = _spec(fleet, variant, weight, share, config)
                spec.capture = capture.plan(variant, doc.get("EndpointName", ""))
                for shadow, part in shadows.of(fleet, variant["Name"]):
                    mirror = _spec(fleet, shadow, 0.0, part, config)
                    mirror.capture = capture.plan(shadow, doc["EndpointName"])
                    spec.shadows.append(mirror)
                found.append(spec)
    found = _answering(found)
    for spec in found:
        counts[spec.name] = counts.get(spec.name, 0) + spec.instances
    for spec in found:
        spec.instances = counts[spec.name]
    return found


def _answering(found: list[VariantSpec]) -> list[VariantSpec]:
    """A fleet of which nothing answers leaves its requests to the other with a variant of the same name."""
    result = []
    for spec in found:
        heirs = [other for other in found if other.name == spec.name and other.sockets]
        if spec.sockets or not heirs:
            result.append(spec)
            continue
        for heir in heirs:
            heir.weight += spec.weight / len(heirs)
            heir.share += spec.share / len(heirs)
    return result


def _spec(fleet: Fleet, variant: dict[str, Any], weight: float, share: float, config: str) -> VariantSpec:
    name = variant["Name"]
    spec = VariantSpec(name, weight, [], variant["Strategy"], share=share, config=config)
    spec.containers, spec.direct = names(variant), variant.get("Mode") == DIRECT
    for task, about in fleet["Tasks"].items():
        if about["Variant"] == name and about["Sockets"]:
            spec.sockets += about["Sockets"]
            spec.instances += 1
            spec.streams |= {path: log_stream(name, task) for path in about["Sockets"]}
    return spec

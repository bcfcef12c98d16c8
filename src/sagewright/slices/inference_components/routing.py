"""Which copies answer: keeps the routes in step with the components' documents, and finds a request its component."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from ...gateway.capture import plan
from ...gateway.meter import NAMESPACE, Meter
from ...gateway.routes import Key, Route, Routes, VariantSpec, component_key
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.metrics import Sample
from ...stores.records import Query, Record
from ...wire.errors import ServiceError
from ...wire.types import Call
from .balancer import KIND, holds
from .lifecycle import DELETING, FAILED, log_stream

UNNAMED = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. Please include Inference "
    "Component Name header or consider using SageMaker models."
)
NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if configured) or try to "
    "increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
KEPT = ("Name", "Strategy", "Capture", "Role")
"""Members of a deployment's variant that the routes to its components are made of."""


class Router:
    """Routes to components on one platform; answers for their endpoints (``Platform.servants``)."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.routes = Routes(platform.gateway)
        self.meter = Meter(platform.metrics.put, NAMESPACE, platform.clock)
        self.known: dict[Key, str] = {}
        """Components that are in service, or were and will be again → name."""
        self._endpoints: dict[Key, dict[str, dict[str, Any]]] = {}
        """Endpoints that hold components → variant → what its components' requests depend on."""
        self._places: dict[tuple[str, str], Key] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def install(self) -> None:
        self.platform.servants["Components"] = self
        self.platform.reconciler.listen(self.heard)
        self.platform.starters.append(self.load)
        self.platform.closers.append(self.close)

    async def load(self) -> None:
        for kind in ("Endpoint", KIND):
            for record in await self.platform.records.find(kind, None, Query(limit=1_000_000)):
                await self.heard(record, Event(""))

    async def heard(self, record: Record, event: Event) -> None:
        key = (record.scope, record.key)
        if record.kind == KIND:
            self.apply(record)
        elif record.kind != "Endpoint":
            return
        elif holds(record) and record.doc["_state"] != DELETING:
            pool = record.doc.get("_pool", {})
            variants = {
                v["Name"]: {**{member: v.get(member) for member in KEPT}, "Hosts": len(pool.get(v["Name"], {}).get("Instances", ()))}
                for v in record.doc["_fleet"]["Variants"]
            }
            changed = self._endpoints.get(key) not in (None, variants)
            self._endpoints[key] = variants
            for one in await self.platform.records.find(KIND, record.scope, Query(parent=record.key, limit=10_000)) if changed else ():
                self.apply(one)
        else:
            self._endpoints.pop(key, None)

    def apply(self, record: Record) -> None:
        """Make a component's route what its document says."""
        doc = record.doc
        key = component_key(record.scope, doc["EndpointName"], doc["InferenceComponentName"])
        old = self._places.get((record.scope, record.key))
        if old not in (None, key):
            self._forget(old)  # the name is another component's now
        if doc["_state"] in (FAILED, DELETING):
            self._forget(key)
            self._places.pop((record.scope, record.key), None)
            return
        self._places[record.scope, record.key] = key
        self.known[key] = doc["InferenceComponentName"]
        variant = self._endpoints.get((record.scope, doc["EndpointName"].lower()), {}).get(doc["VariantName"], {})
        spec = VariantSpec(
            doc["VariantName"], 1.0, [], variant.get("Strategy", "LEAST_OUTSTANDING_REQUESTS"), component=doc["InferenceComponentName"],
            hosts=variant.get("Hosts", 0), capture=plan(variant, doc["EndpointName"], doc["InferenceComponentName"]),
        )
        for task, about in doc["_copies"].items():
            if about["Sockets"]:
                spec.sockets += about["Sockets"]
                spec.instances += 1
                spec.streams |= {path: log_stream(doc, task) for path in about["Sockets"]}
        self.routes.put(key, doc["EndpointName"], [spec])

    def _forget(self, key: Key | None) -> None:
        if key is not None:
            self.routes.drop(key)
            self.known.pop(key, None)

    # -- Servant

    def serves(self, scope: str, name: str) -> bool:
        return (scope, name.lower()) in self._endpoints

    async def answer(self, call: Call, ask: Callable[[Call, Route], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """The answer of one of the named component's copies; who has none fails at once, and that is counted."""
        params = dict(call.params)
        name, endpoint = params.pop("InferenceComponentName", None), params["EndpointName"]
        if name is None:
            raise ServiceError("ValidationError", UNNAMED)
        route = self.routes.get(component_key(call.scope, endpoint, name))
        if route is None:
            raise ServiceError("ValidationError", f"Inference component {name} of endpoint {endpoint} not found.")
        variant = route.every[0]
        if not variant.workers:
            self._count(Sample(NAMESPACE, "NoCapacityInvocationFailures", variant.dimensions, self.platform.clock(), 1.0))
            raise ServiceError("ValidationError", NO_CAPACITY)
        self.meter.concurrent(variant.dimensions, variant.concurrency() + 1 / variant.instances)
        return await ask(replace(call, params=params), route)

    async def drain(self, record: Record, sockets: Sequence[str], seconds: float) -> None:
        """An endpoint of components has no tasks of its own."""

    def _count(self, sample: Sample) -> None:
        task = asyncio.get_running_loop().create_task(asyncio.to_thread(self.platform.metrics.put, [sample]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.meter.close()
        self.routes.close()

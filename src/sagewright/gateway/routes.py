"""Which worker answers a request: a table in memory, replaced whole when an endpoint changes.

Variants share the requests by their weights, evenly spread rather than by chance (smooth weighted round robin); within a
variant the worker with the fewest requests under way gets the next.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..stores.metrics import Dimensions
from . import multimodel
from .capture import Capture
from .client import Worker
from .pipeline import worker_at

Key = tuple[str, str]
"""(scope, record key)."""


def component_key(scope: str, endpoint: str, component: str) -> Key:
    """Of the route to an inference component; no endpoint's name has a slash."""
    return scope, f"{endpoint}/{component}".lower()


@dataclass(slots=True)
class VariantSpec:
    """What a route is made of."""

    name: str
    weight: float
    sockets: list[str]
    strategy: str = "LEAST_OUTSTANDING_REQUESTS"
    streams: dict[str, str] = field(default_factory=dict)
    """Socket → log stream of its instance."""
    instances: int = 0
    share: float = 1.0
    """Of the requests that name the variant: a deployment splits them between two fleets, whose variants may have the same name."""
    config: str = ""
    """The endpoint configuration that requests are also counted for, while a deployment goes on."""
    component: str = ""
    """The inference component that it is the only variant of; its instances are the component's copies."""
    hosts: int = 0
    """Instances of the variant that a component's copies are on."""
    containers: list[str] = field(default_factory=list)
    """Names, where an instance has several."""
    direct: bool = False
    """Requests go to the container that they name, not through all of them."""
    capture: Capture | None = None
    shadows: list[VariantSpec] = field(default_factory=list)
    """Variants that its requests are repeated to; the ``share`` of each says how many."""

    def __post_init__(self) -> None:
        """Also made of what ``asdict`` made of it."""
        if isinstance(self.capture, dict):
            self.capture = Capture(**self.capture)
        self.shadows = [VariantSpec(**s) if isinstance(s, dict) else s for s in self.shadows]


@dataclass(slots=True)
class Variant:
    """A variant as requests see it."""

    name: str
    weight: float
    strategy: str
    workers: list[Worker]
    dimensions: Dimensions
    streams: dict[str, str]
    instances: int = 1
    share: float = 1.0
    besides: Dimensions = ()
    """What requests are also measured under: with EndpointConfigName, while a deployment goes on; of an inference component, the
    endpoint and the variant that it is on."""
    turn: int = 0
    component: str = ""
    hosts: int = 0
    containers: list[str] = field(default_factory=list)
    direct: bool = False
    capture: Capture | None = None
    shadows: list[Variant] = field(default_factory=list)
    tapped: bool = field(init=False)
    """Whether something more becomes of its requests than an answer."""
    many: bool = field(init=False)
    """Whether requests name a model."""

    def __post_init__(self) -> None:
        self.many = bool(self.workers) and multimodel.many(self.workers[0].path)
        self.tapped = self.capture is not None or bool(self.shadows)

    def concurrency(self) -> float:
        """Requests under way from here, for each instance."""
        return sum(w.outstanding for w in self.workers) / max(1, self.instances)

    def worker(self, avoid: Collection[Worker] = (), model: str | None = None) -> Worker | None:
        """The worker for the next request, which may name a model; None if there is none besides those to ``avoid``."""
        if model is not None:
            return multimodel.pick(self.workers, model, avoid)
        workers = [w for w in self.workers if w not in avoid] if avoid else self.workers
        if not workers:
            return None
        if self.strategy == "RANDOM":
            return random.choice(workers)
        self.turn = (self.turn + 1) % len(workers)
        best = workers[self.turn]
        for worker in workers:
            if worker.outstanding < best.outstanding:
                best = worker
        return best


class Turns:
    """Whose turn it is: each as often as its weight says, evenly spread."""

    def __init__(self, pairs: list[tuple[Variant, float]]) -> None:
        self._turns: list[list[Any]] = [[0.0, weight, variant] for variant, weight in pairs]
        self._only = pairs[0][0] if len(pairs) == 1 else None
        self._total = sum(weight for _, weight in pairs)

    def next(self) -> Variant:
        if self._only is not None:
            return self._only
        best = self._turns[0]
        for turn in self._turns:
            turn[0] += turn[1]
            if turn[0] > best[0]:
                best = turn
        best[0] -= self._total
        found: Variant = best[2]
        return found


class Route:
    """One endpoint's variants."""

    def __init__(self, name: str, variants: list[Variant]) -> None:
        self.name = name
        self.every = [*variants, *(shadow for v in variants for shadow in v.shadows)]
        """Also those that no request is for."""
        self.variants = {v.name: v for v in reversed(variants)}
        """Where two have the same name, the first."""
        self._shared = Turns([(v, v.weight) for v in variants if v.weight > 0] or [(v, 1.0) for v in variants])
        self._named = {v.name: Turns([(w, w.share) for w in variants if w.name == v.name]) for v in variants}

    def pick(self, target: str | None = None) -> Variant | None:
        """The variant for the next request; None if ``target`` is not one of them."""
        if target is None:
            return self._shared.next()
        named = self._named.get(target)
        return named.next() if named else None


class Mirror(Protocol):
    """Another process's routes, kept in step with these."""

    captured: Callable[[], None]
    """Called when that process has captured data to upload."""

    def put(self, key: Key, name: str, variants: list[VariantSpec]) -> None: ...

    def drop(self, key: Key) -> None: ...

    async def retire(self, sockets: list[str], seconds: float) -> None: ...


class Routes:
    """Every endpoint of this server."""

    def __init__(self, mirror: Mirror | None = None) -> None:
        self._mirror = mirror
        self._table: dict[Key, Route] = {}
        self._workers: dict[str, Worker] = {}
        """By socket: a worker keeps its connections and its count when its endpoint's route is replaced."""
        self.queued: set[Key] = set()
        """Endpoints that take asynchronous invocations only; requests have no route to them."""

    def get(self, key: Key) -> Route | None:
        return self._table.get(key)

    def put(self, key: Key, name: str, variants: Iterable[VariantSpec]) -> None:
        """Replace an endpoint's route. Requests under way end where they began."""
        specs = list(variants)
        self._table[key] = Route(name, [self._variant(name, spec) for spec in specs])
        self.queued.discard(key)
        if self._mirror is not None:
            self._mirror.put(key, name, specs)

    def _variant(self, name: str, spec: VariantSpec) -> Variant:
        workers = [self._workers.setdefault(path, worker_at(path)) for path in spec.sockets]
        dimensions: Dimensions = (("EndpointName", name), ("VariantName", spec.name))
        during: Dimensions = (*dimensions, ("EndpointConfigName", spec.config)) if spec.config else ()
        if spec.component:
            dimensions, during = (("InferenceComponentName", spec.component),), dimensions
        return Variant(
            spec.name, spec.weight, spec.strategy, workers, dimensions, spec.streams, spec.instances, spec.share, during,
            component=spec.component, hosts=spec.hosts, containers=spec.containers, direct=spec.direct, capture=spec.capture, shadows=[self._variant(name, shadow) for shadow in spec.shadows],
        )

    def drop(self, key: Key) -> None:
        self._table.pop(key, None)
        self.queued.discard(key)
        if self._mirror is not None:
            self._mirror.drop(key)

    def variants(self) -> list[Variant]:
        """Every variant that requests may be for, or be repeated to."""
        return [variant for route in self._table.values() for variant in route.every]

    def workers(self) -> list[Worker]:
        """Every worker that a request may be at."""
        return list(self._workers.values())

    async def retire(self, sockets: Iterable[str], seconds: float) -> None:
        """Wait until no request is under way on workers that no route names any more, then let go of them."""
        going = list(sockets)
        if self._mirror is not None:
            await self._mirror.retire(going, seconds)
        named = {w.path for route in self._table.values() for v in route.every for w in v.workers}
        for path in going:
            worker = self._workers.get(path)
            if worker is not None and path not in named:
                await worker.quiet(seconds)
                worker.close()
                self._workers.pop(path, None)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()

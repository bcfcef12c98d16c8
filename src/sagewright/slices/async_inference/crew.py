"""Who works on an endpoint's queue: its instances, and which of them takes the next request. Pure.

Variants share the requests by their weights among those that have an instance free; within a variant the least busy
instance takes the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...gateway.capture import Capture, plan
from ...gateway.pipeline import width

DEPTH = 2
"""Requests an instance has for each of its processes, unless MaxConcurrentInvocationsPerInstance says how many: one that is
being answered and one whose input is being fetched."""


@dataclass(slots=True, eq=False)
class Instance:
    """One instance of a variant."""

    task: str
    variant: str
    weight: float
    role: str | None
    sockets: list[str]
    limit: int
    capture: Capture | None = None
    """What its requests leave behind."""
    busy: int = 0
    """Requests that it has."""
    failures: int = 0
    """In a row, of its connections."""
    resting: bool = False
    """It did not let anybody in; it is asked again when it says that it is ready, or after a while."""
    gone: bool = False
    """It is no part of the endpoint any more."""

    @property
    def free(self) -> bool:
        return bool(self.sockets) and not self.resting and self.busy < self.limit


@dataclass(slots=True)
class Crew:
    """The instances of one endpoint."""

    instances: dict[str, Instance] = field(default_factory=dict)
    output: dict[str, Any] = field(default_factory=dict)
    """OutputConfig of the configuration that serves."""
    roles: dict[str, str | None] = field(default_factory=dict)
    """Variant → the role that its model runs with."""
    _credit: dict[str, float] = field(default_factory=dict)

    def update(self, doc: dict[str, Any]) -> None:
        """Take over what the endpoint's document says; instances that stay keep what they have."""
        before, self.instances = self.instances, {}
        fleet = doc.get("_fleet") or {"Variants": (), "Tasks": {}}
        variants = {v["Name"]: v for v in fleet["Variants"]}
        self.roles = {name: variant["Role"] for name, variant in variants.items()}
        for variant in variants.values():
            if "Async" in variant:
                self.output = variant["Async"]["OutputConfig"]
        for task, about in fleet["Tasks"].items():
            variant = variants[about["Variant"]]
            most = variant.get("Async", {}).get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance")
            made = Instance(
                task, variant["Name"], variant["Weight"], variant["Role"], list(about["Sockets"]),
                most or DEPTH * max(1, sum(map(width, about["Sockets"]))), plan(variant, doc["EndpointName"]),
            )
            if old := before.pop(task, None):
                made.busy, old.gone = old.busy, False
                for name in ("weight", "role", "sockets", "limit", "capture"):
                    setattr(old, name, getattr(made, name))
                old.resting = False
                made = old
            self.instances[task] = made
        for old in before.values():
            old.gone = True
        self._credit = {name: self._credit.get(name, 0.0) for name in variants}

    def take(self) -> Instance | None:
        """An instance for the next request, which counts as busy with it from now on; None while nobody is free."""
        free: dict[str, Instance] = {}
        for instance in self.instances.values():
            if instance.free and (instance.variant not in free or instance.busy < free[instance.variant].busy):
                free[instance.variant] = instance
        if not free:
            return None
        weights = {name: instance.weight for name, instance in free.items()}
        if not any(weights.values()):
            weights = dict.fromkeys(free, 1.0)
        for name, weight in weights.items():
            self._credit[name] = self._credit.get(name, 0.0) + weight
        chosen = max((name for name, weight in weights.items() if weight), key=lambda name: self._credit[name])
        self._credit[chosen] -= sum(weights.values())
        free[chosen].busy += 1
        return free[chosen]

    @property
    def capacity(self) -> int:
        """Instances that answer."""
        return sum(bool(instance.sockets) for instance in self.instances.values())

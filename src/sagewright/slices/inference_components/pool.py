"""The instances of an endpoint whose variants hold inference components, and what is to be done with them. Pure.

An endpoint's document keeps them in ``_pool``::

    {variant: {"Serial": n, "Asked": n, "Used": bool, "Since": seconds, "Instances": {id: {"Type", "Going"}}}}

``Asked`` is the count that was last asked for (InitialInstanceCount, or DesiredInstanceCount of a later call), ``Used`` whether
there ever was a copy: an endpoint that has just been made keeps the instances that it was made with. An instance that is
``Going`` takes no more copies; those on it are moved to others, and then it goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...resources.instances import declared, machine
from .packer import SPREAD, Copy, Size, pack

PENDING, SHORT, STARTING, READY = "Pending", "Short", "Starting", "Ready"
"""A copy waits for a place; has been refused one; is being started; answers."""

Pool = dict[str, Any]


@dataclass(slots=True)
class Plan:
    """What follows from how things are."""

    pool: dict[str, Pool] = field(default_factory=dict)
    placed: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Component → copy → {"Instance", "Type", "Need"}."""
    short: dict[str, list[str]] = field(default_factory=dict)
    """Component → copies that wait and that nothing has room for."""
    moves: dict[str, list[str]] = field(default_factory=dict)
    """Component → copies that have to leave their instance."""
    again: float | None = None
    """Seconds until something follows from time alone."""


def capacity(instance_type: str) -> Size:
    """What copies may reserve on an instance: what AWS gives the type, else what this machine has."""
    size = declared(instance_type) or machine()
    return Size(size.gpus, size.cores * 1000, size.memory >> 20)


def need(specification: Mapping[str, Any]) -> Size:
    """What a copy reserves."""
    wanted = specification["ComputeResourceRequirements"]
    return Size(
        round(wanted.get("NumberOfAcceleratorDevicesRequired", 0)), round(wanted.get("NumberOfCpuCoresRequired", 0) * 1000),
        wanted["MinMemoryRequiredInMb"],
    )


def specification(specifications: Sequence[Mapping[str, Any]], instance_type: str) -> Mapping[str, Any] | None:
    """The specification for instances of a type; one without a type is for all."""
    return next((s for s in specifications if s.get("InstanceType") in (None, instance_type)), None)


def balance(variants: Sequence[Mapping[str, Any]], pools: Mapping[str, Pool], components: Mapping[str, Mapping[str, Any]], now: float) -> Plan:
    """Bring copies and instances together.

    Args:
        variants: of the fleet that serves; those that hold components have ``Components``.
        pools: the endpoint's ``_pool``.
        components: key → document.
        now: epoch seconds.
    """
    plan = Plan()
    for variant in variants:
        if "Components" in variant:
            mine = {key: doc for key, doc in components.items() if doc["VariantName"] == variant["Name"]}
            _balance(variant, pools.get(variant["Name"]), mine, now, plan)
    return plan


def _balance(variant: Mapping[str, Any], pool: Pool | None, components: Mapping[str, Mapping[str, Any]], now: float, plan: Plan) -> None:
    about, kind = variant["Components"], variant["InstanceType"]
    pool = dict(pool or {"Serial": 0, "Asked": -1, "Used": False, "Since": now, "Instances": {}})
    instances: dict[str, dict[str, Any]] = {k: dict(v) for k, v in pool["Instances"].items()}
    pool["Instances"] = instances
    on: dict[str, list[Copy]] = {name: [] for name in instances}
    waiting, leaving = _occupants(components, kind, on, now, plan)
    pool["Used"] = pool["Used"] or any(on.values())
    _resize(variant, pool, on)
    staying = {name: copies for name, copies in on.items() if not instances[name].get("Going")}
    most = max(0, about["Most"] - len(staying)) if about["Managed"] else 0
    addable = [f"i-{pool['Serial'] + n}" for n in range(min(most, len(waiting)))]
    packing = pack(capacity(kind), staying, [copy for copy, _ in waiting], addable)
    for added in packing.added:
        instances[added], on[added] = {"Type": kind}, []
        pool["Serial"] += 1
    for copy, phase in waiting:
        if name := packing.placed.get(copy.id):
            on[name].append(copy)
            pool["Used"] = True
            place = {"Instance": name, "Type": kind, "Need": [copy.need.accelerators, copy.need.cpus, copy.need.memory]}
            plan.placed.setdefault(copy.component, {})[copy.id] = place
        elif phase == PENDING and not leaving:  # what leaves may make room
            plan.short.setdefault(copy.component, []).append(copy.id)
    if packing.placed or pool["Asked"] != variant["Components"]["Instances"]:
        pool["Since"] = now
    pool["Asked"] = about["Instances"]
    _release(about, kind, pool, on, bool(waiting) or leaving, now, plan)
    _move(components, instances, plan)
    plan.pool[variant["Name"]] = pool


def _occupants(
    components: Mapping[str, Mapping[str, Any]], kind: str, on: dict[str, list[Copy]], now: float, plan: Plan,
) -> tuple[list[tuple[Copy, str]], bool]:
    """Fill ``on``; the copies without a place, with their phases, and whether some that have to go are still there."""
    waiting: list[tuple[Copy, str]] = []
    leaving = False
    for key, doc in components.items():
        for task, about in doc.get("_retiring", {}).items():
            if about.get("Instance") in on:
                leaving = True
                on[about["Instance"]].append(Copy(task, key, Size(*about["Need"])))
        for task, about in doc.get("_copies", {}).items():
            found = specification(doc["_specs"][about["Revision"]], kind)
            strategy = (found or {}).get("SchedulingConfig", {}).get("PlacementStrategy", SPREAD)
            if about.get("Instance") in on:
                on[about["Instance"]].append(Copy(task, key, Size(*about["Need"]), strategy))
            elif about["Phase"] not in (PENDING, SHORT):
                continue
            elif about.get("After", 0.0) > now:
                plan.again = min(plan.again or about["After"] - now, about["After"] - now)
            elif found is None:
                plan.short.setdefault(key, []).append(task)
            else:
                waiting.append((Copy(task, key, need(found), strategy), about["Phase"]))
    return waiting, leaving


def _resize(variant: Mapping[str, Any], pool: Pool, on: dict[str, list[Copy]]) -> None:
    """Add what is asked for; mark what is too much, or of another type than the variant now has, as going."""
    about, instances = variant["Components"], pool["Instances"]
    for one in instances.values():
        if one["Type"] != variant["InstanceType"]:
            one["Going"] = True
    staying = [name for name, one in instances.items() if not one.get("Going")]
    wanted = len(staying)
    if about["Managed"]:
        if pool["Asked"] != about["Instances"]:
            wanted = about["Instances"]
        wanted = min(max(wanted, about["Least"]), about["Most"])
    else:
        wanted = about["Instances"]
    for _ in range(wanted - len(staying)):
        name = f"i-{pool['Serial']}"
        instances[name], on[name] = {"Type": variant["InstanceType"]}, []
        pool["Serial"] += 1
    if len(staying) > wanted:
        emptiest = sorted(staying, key=lambda name: (len(on[name]), -int(name[2:])))
        for doomed in emptiest[: len(staying) - wanted]:
            instances[doomed]["Going"] = True


def _release(about: Mapping[str, Any], kind: str, pool: Pool, on: dict[str, list[Copy]], moving: bool, now: float, plan: Plan) -> None:
    """Let go of instances that are empty and not needed; with CONSOLIDATION, of those that can be emptied."""
    instances = pool["Instances"]
    staying = [name for name, one in instances.items() if not one.get("Going")]
    if about["Managed"] and pool["Used"]:
        spare = max(0, len(staying) - about["Least"])
        for name in [name for name in reversed(staying) if not on[name]][:spare]:
            instances[name]["Going"] = True
        if about["Strategy"] == "CONSOLIDATION" and not moving and not plan.short:
            _consolidate(about, kind, pool, on, now, plan)
    for name in [name for name, one in instances.items() if one.get("Going") and not on[name]]:
        del instances[name]


def _consolidate(about: Mapping[str, Any], kind: str, pool: Pool, on: dict[str, list[Copy]], now: float, plan: Plan) -> None:
    instances = pool["Instances"]
    if any(one.get("Going") and on[name] for name, one in instances.items()):
        return
    staying = {name: copies for name, copies in on.items() if name in instances and not instances[name].get("Going")}
    due = pool["Since"] + about["Cooldown"]
    going = emptied(capacity(kind), staying, min(about["Step"], len(staying) - about["Least"]))
    if not going:
        return
    if due > now:
        plan.again = min(plan.again or due - now, due - now)
        return
    for name in going:
        instances[name]["Going"] = True
    pool["Since"] = now


def emptied(size: Size, instances: Mapping[str, Sequence[Copy]], most: int) -> list[str]:
    """Instances whose copies all fit on the others, at most ``most``, those with the fewest copies first.

    A copy that is spread stays where it is unless it would have as few of its kind around it elsewhere.
    """
    going: list[str] = []
    left = {name: list(copies) for name, copies in instances.items()}
    for name in sorted(instances, key=lambda n: (len(instances[n]), n)):
        if len(going) >= most:
            break
        rest = {other: copies for other, copies in left.items() if other != name}
        packing = pack(size, rest, left[name])
        if packing.left or not rest:
            continue
        moved = {copy.id: copy for copy in left[name]}
        crowded = any(
            copy.strategy == SPREAD and any(other.component == copy.component for other in rest[packing.placed[copy.id]])
            for copy in moved.values()
        )
        if crowded:
            continue
        for copy_id, where in packing.placed.items():
            rest[where].append(moved[copy_id])
        left = rest
        going.append(name)
    return going


def _move(components: Mapping[str, Mapping[str, Any]], instances: Mapping[str, Mapping[str, Any]], plan: Plan) -> None:
    for key, doc in components.items():
        for task, about in doc.get("_copies", {}).items():
            if not about.get("Moving") and instances.get(about.get("Instance", ""), {}).get("Going"):
                plan.moves.setdefault(key, []).append(task)



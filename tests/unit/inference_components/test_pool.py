"""Instances and components, brought together."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sagewright.slices.inference_components.packer import BINPACK
from sagewright.slices.inference_components.pool import PENDING, READY, SHORT, Plan, balance

KIND = "ml.m5.xlarge"
"""4 cores, 16 GiB."""


def variant(count: int = 1, *, managed: bool = False, least: int = 0, most: int = 3, strategy: str = "IDLE_RELEASE", kind: str = KIND) -> dict[str, Any]:
    about = {"Instances": count, "Managed": managed, "Least": least, "Most": most, "Strategy": strategy, "Step": 1, "Cooldown": 300}
    return {"Name": "v", "InstanceType": kind, "Components": about}


def component(*waiting: str, cpus: float = 1, placed: dict[str, str] | None = None, retiring: dict[str, str] | None = None, strategy: str = "SPREAD") -> dict[str, Any]:
    need = [0, int(cpus * 1000), 1024]
    spec = {"ComputeResourceRequirements": {"NumberOfCpuCoresRequired": cpus, "MinMemoryRequiredInMb": 1024}, "SchedulingConfig": {"PlacementStrategy": strategy}}
    copies: dict[str, Any] = {task: {"Revision": "1", "Phase": PENDING, "Sockets": []} for task in waiting}
    for task, where in (placed or {}).items():
        copies[task] = {"Revision": "1", "Phase": READY, "Sockets": [], "Instance": where, "Type": KIND, "Need": need}
    gone = {task: {"Sockets": [], "Instance": where, "Need": need} for task, where in (retiring or {}).items()}
    return {"VariantName": "v", "_specs": {"1": [spec]}, "_copies": copies, "_retiring": gone}


def carried_out(plan: Plan, components: dict[str, Any]) -> None:
    for key, places in plan.placed.items():
        for task, place in places.items():
            components[key]["_copies"][task] |= {**place, "Phase": READY}
    for key, tasks in plan.short.items():
        for task in tasks:
            components[key]["_copies"][task]["Phase"] = SHORT
    for key, tasks in plan.moves.items():
        for task in tasks:
            components[key]["_copies"][task]["Moving"] = True


def names(plan: Plan) -> list[str]:
    return list(plan.pool["v"]["Instances"])


def test_a_new_endpoint_has_the_instances_that_it_was_made_with() -> None:
    plan = balance([variant(2)], {}, {}, 0.0)
    assert names(plan) == ["i-0", "i-1"]
    managed = balance([variant(2, managed=True)], {}, {}, 0.0)
    assert len(names(balance([variant(2, managed=True)], managed.pool, {}, 1.0))) == 2


def test_what_has_no_room_is_told_so_once_those_that_go_are_gone() -> None:
    first = balance([variant()], {}, {}, 0.0)
    full = {"a": component(placed=dict.fromkeys("wxyz", "i-0")), "b": component("new")}
    assert balance([variant()], first.pool, full, 1.0).short == {"b": ["new"]}
    leaving = {"a": component(retiring=dict.fromkeys("wxyz", "i-0")), "b": component("new")}
    assert balance([variant()], first.pool, leaving, 1.0).short == {}


def test_instances_come_when_nothing_fits_and_go_when_they_are_empty() -> None:
    scaled = variant(0, managed=True)
    parts = {"a": component(*"stuvwxyz")}
    plan = balance([scaled], {}, parts, 0.0)
    assert len(names(plan)) == 2
    assert set(plan.placed["a"]) == set("stuvwxyz")
    carried_out(plan, parts)
    parts["a"]["_copies"] = {}
    assert names(balance([scaled], plan.pool, parts, 1.0)) == []


def test_no_more_instances_than_the_most() -> None:
    plan = balance([variant(1, managed=True, most=2)], {}, {"a": component(*"abcdefghij")}, 0.0)
    assert len(names(plan)) == 2
    assert len(plan.placed["a"]) == 8
    assert len(plan.short["a"]) == 2


def test_fewer_instances_move_what_is_on_those_that_go() -> None:
    plan = balance([variant(2)], {}, {}, 0.0)
    parts = {"a": component(placed={"x": "i-0", "y": "i-1"}), "b": component(placed={"z": "i-1"})}
    less = balance([variant(1)], plan.pool, parts, 1.0)
    assert less.moves == {"a": ["x"]}
    assert less.pool["v"]["Instances"]["i-0"]["Going"]
    carried_out(less, parts)
    del parts["a"]["_copies"]["x"]
    assert names(balance([variant(1)], less.pool, parts, 2.0)) == ["i-1"]


def test_another_instance_type_moves_everything() -> None:
    plan = balance([variant(1)], {}, {}, 0.0)
    parts = {"a": component(placed={"x": "i-0"})}
    other = balance([variant(1, kind="ml.c5.xlarge")], plan.pool, parts, 1.0)
    assert other.moves == {"a": ["x"]}
    assert [one["Type"] for one in other.pool["v"]["Instances"].values()] == [KIND, "ml.c5.xlarge"]
    parts["a"]["_copies"]["new"] = {"Revision": "1", "Phase": PENDING, "Sockets": []}
    assert balance([variant(1, kind="ml.c5.xlarge")], other.pool, parts, 2.0).placed["a"]["new"]["Instance"] == "i-1"


def test_consolidation_waits_its_time_then_empties_an_instance() -> None:
    packed = variant(2, managed=True, least=1, strategy="CONSOLIDATION")
    plan = balance([packed], {}, {}, 0.0)
    parts = {"a": component(placed={"x": "i-0"}, strategy=BINPACK), "b": component(placed={"y": "i-1"}, strategy=BINPACK)}
    early = balance([packed], plan.pool, parts, 100.0)
    assert early.moves == {}
    assert early.again == 200.0
    due = balance([packed], early.pool, parts, 301.0)
    assert sum(len(tasks) for tasks in due.moves.values()) == 1


def test_a_copy_that_waits_its_time_is_left_alone() -> None:
    parts = {"a": component("x")}
    parts["a"]["_copies"]["x"]["After"] = 10.0
    plan = balance([variant()], {}, parts, 4.0)
    assert (plan.placed, plan.short, plan.again) == ({}, {}, 6.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.sampled_from((0.25, 1.0, 2.0, 5.0))), max_size=6), st.booleans(), st.integers(0, 2))
def test_it_comes_to_rest(wishes: list[tuple[str, int, float]], managed: bool, least: int) -> None:
    """Carrying out a plan leaves nothing to plan, whatever was wished before, and the bounds hold."""
    what = variant(max(1, least), managed=managed, least=least)
    pool: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    for n, (key, count, cpus) in enumerate(wishes):
        parts[key] = component(*(f"{key}{n}-{m}" for m in range(count)), cpus=cpus)
        for _ in range(4):
            plan = balance([what], pool, parts, float(n))
            pool = plan.pool
            carried_out(plan, parts)
        again = balance([what], pool, parts, float(n))
        assert not again.placed
        assert not again.short
        assert not again.moves
        assert again.pool == pool
        count = len(pool["v"]["Instances"])
        assert least <= count <= 3 if managed else count == max(1, least)

"""The packer, for whatever copies and instances there are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sagewright.slices.inference_components.packer import BINPACK, SPREAD, Copy, Size, free, pack

WHOLE = Size(2, 4000, 16_000)
SIZES = st.builds(Size, st.integers(0, 3), st.integers(0, 5000), st.integers(128, 20_000))
SMALL = st.builds(Size, st.integers(0, 1), st.integers(250, 2000), st.integers(128, 8_000))


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, list[Copy]], list[Copy], list[str]]:
    """Instances that hold what fits on them, copies that wait, and instances that may be added."""
    number = 0

    def copy(sizes: st.SearchStrategy[Size]) -> Copy:
        nonlocal number
        number += 1
        return Copy(f"c{number}", draw(st.sampled_from("abc")), draw(sizes), draw(st.sampled_from((SPREAD, BINPACK))))

    instances: dict[str, list[Copy]] = {}
    for n in range(draw(st.integers(0, 4))):
        there: list[Copy] = []
        for _ in range(draw(st.integers(0, 4))):
            made = copy(SMALL)
            if free(WHOLE, there).holds(made.need):
                there.append(made)
        instances[f"i{n}"] = there
    wanted = [copy(SIZES) for _ in range(draw(st.integers(0, 8)))]
    return instances, wanted, [f"n{n}" for n in range(draw(st.integers(0, 4)))]


@settings(max_examples=60, deadline=None)
@given(situations())
def test_nothing_is_overfull_and_nobody_is_forgotten(case: tuple[dict[str, list[Copy]], list[Copy], list[str]]) -> None:
    instances, wanted, addable = case
    found = pack(WHOLE, instances, wanted, addable)
    assert sorted([*found.placed, *found.left]) == sorted(copy.id for copy in wanted)
    on = {name: list(copies) for name, copies in instances.items()} | {name: [] for name in found.added}
    by_id = {copy.id: copy for copy in wanted}
    for copy_id, name in found.placed.items():
        on[name].append(by_id[copy_id])
    for copies in on.values():
        rest = free(WHOLE, copies)
        assert min(rest.accelerators, rest.cpus, rest.memory) >= 0


@settings(max_examples=60, deadline=None)
@given(situations())
def test_who_is_left_fits_nowhere(case: tuple[dict[str, list[Copy]], list[Copy], list[str]]) -> None:
    instances, wanted, addable = case
    found = pack(WHOLE, instances, wanted, addable)
    by_id = {copy.id: copy for copy in wanted}
    on = {name: list(copies) for name, copies in instances.items()} | {name: [] for name in found.added}
    for copy_id, name in found.placed.items():
        on[name].append(by_id[copy_id])
    for copy_id in found.left:
        need = by_id[copy_id].need
        assert not any(free(WHOLE, copies).holds(need) for copies in on.values())
        assert len(found.added) == len(addable) or not WHOLE.holds(need)


@settings(max_examples=60, deadline=None)
@given(situations())
def test_instances_are_added_in_order_and_none_for_nothing(case: tuple[dict[str, list[Copy]], list[Copy], list[str]]) -> None:
    instances, wanted, addable = case
    found = pack(WHOLE, instances, wanted, addable)
    assert found.added == addable[: len(found.added)]
    assert set(found.added) <= set(found.placed.values())


def copies(count: int, strategy: str, component: str = "a") -> list[Copy]:
    return [Copy(f"{component}{n}", component, Size(0, 1000, 1000), strategy) for n in range(count)]


def test_spread_goes_to_as_many_instances_as_there_are() -> None:
    found = pack(WHOLE, {"i0": [], "i1": []}, copies(4, SPREAD))
    assert sorted(found.placed.values()) == ["i0", "i0", "i1", "i1"]


def test_binpack_fills_one_first() -> None:
    found = pack(WHOLE, {"i0": [], "i1": []}, copies(4, BINPACK))
    assert len(set(found.placed.values())) == 1


def test_binpack_takes_the_fullest_that_has_room() -> None:
    found = pack(WHOLE, {"i0": [], "i1": copies(3, SPREAD, "b")}, copies(1, BINPACK))
    assert found.placed == {"a0": "i1"}


def test_an_instance_is_added_only_when_nothing_fits() -> None:
    found = pack(WHOLE, {"i0": []}, copies(5, SPREAD), ["i1", "i2"])
    assert found.added == ["i1"]
    assert not found.left


def test_large_copies_come_first() -> None:
    small, large = Copy("s", "a", Size(0, 1000, 1000)), Copy("l", "b", Size(0, 4000, 1000))
    found = pack(WHOLE, {"i0": []}, [small, large], ["i1"])
    assert found.placed == {"l": "i0", "s": "i1"}

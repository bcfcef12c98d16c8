"""The order of a queue's messages, without a clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.sqs.index import Entry, Index


def filled(*available: float) -> Index:
    index = Index()
    for n, at in enumerate(available):
        index.put(f"m{n}", Entry(at, 1e9))
    return index


def test_messages_come_in_order_and_hide() -> None:
    index = filled(1, 1, 1)
    assert index.take(2, 10, 2) == (["m0", "m1"], [])
    assert index.take(2, 10, 2) == (["m2"], [])
    assert index.take(9, 20, 9) == ([], [])
    assert index.next() == 10
    assert index.take(10, 20, 9) == (["m0", "m1", "m2"], [])


def test_what_was_said_before_no_longer_holds() -> None:
    index = filled(1)
    index.hide("m0", 5)
    index.hide("m0", 3)
    assert index.take(2, 9, 1) == ([], [])
    assert index.take(3, 9, 1) == (["m0"], [])
    assert index.next() == 9
    index.drop("m0")
    assert index.next() is None


def test_expired_messages_are_told_apart() -> None:
    index = Index()
    index.put("old", Entry(1, 5))
    index.put("new", Entry(2, 50))
    assert index.take(10, 20, 1) == (["new"], ["old"])
    assert list(index.entries) == ["new"]


def test_counts() -> None:
    index = filled(1, 9, 9)
    index.entries["m2"].receipt = "r"
    assert index.counts(5) == (1, 1, 1)


@given(st.lists(st.tuples(st.sampled_from(["put", "take", "drop"]), st.integers(0, 9)), max_size=60))
def test_nobody_gets_what_is_hidden_and_nothing_is_lost(steps: list[tuple[str, int]]) -> None:
    index, now = Index(), 0.0
    there: dict[str, float] = {}
    for number, (what, n) in enumerate(steps):
        now += 1
        if what == "put":
            there[f"k{number}"] = now
            index.put(f"k{number}", Entry(now, 1e9))
        elif what == "drop" and there:
            key = sorted(there)[n % len(there)]
            del there[key]
            assert index.drop(key)
        elif what == "take":
            due = {key for key, at in there.items() if at <= now}
            taken, _ = index.take(now, now + n, n + 1)
            assert len(taken) == min(n + 1, len(due))
            assert set(taken) <= due
            there |= dict.fromkeys(taken, now + n)
    assert set(index.entries) == set(there)


def test_what_nobody_receives_is_forgotten_in_time() -> None:
    index = Index()
    for n in range(5):
        index.put(f"m{n}", Entry(float(n), 100.0 + n))
    assert index.expire(99.0, 10) == []
    assert index.expire(102.0, 2) == ["m0", "m1"]
    assert index.expire(102.0, 2) == ["m2"]
    assert set(index.entries) == {"m3", "m4"}
    assert index.take(103.5, 200.0, 10) == (["m4"], ["m3"])

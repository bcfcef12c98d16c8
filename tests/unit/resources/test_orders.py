"""Orders of searches that are being paged through are a cache of bounded size."""

from __future__ import annotations

from sagewright.slices.search.orders import Orders, Place


def order(size: int) -> list[Place]:
    return [((0, n), str(n)) for n in range(size)]


def test_the_order_that_nobody_asked_for_the_longest_goes_first() -> None:
    orders = Orders(most=10)
    old, asked = orders.keep(order(4)), orders.keep(order(4))
    assert orders.get(old) == order(4)
    newest = orders.keep(order(4))
    assert orders.get(asked) is None
    assert orders.get(old) == orders.get(newest) == order(4)


def test_an_order_larger_than_all_there_is_room_for_is_not_kept() -> None:
    orders = Orders(most=10)
    kept = orders.keep(order(3))
    assert orders.get(orders.keep(order(11))) is None
    assert orders.get(kept) is None  # it made room, in vain
    assert orders.get("never") is None

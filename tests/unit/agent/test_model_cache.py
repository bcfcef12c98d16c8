"""What an instance with many models keeps, and which worker answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sagewright.agent.model_cache import SPREAD, Kept, Place, crowded, discard, nearest, next_worker, unload

MIB = st.integers(0, 400)
places = st.lists(
    st.builds(Place, st.text("abc", max_size=3), st.integers(0, 3), MIB, st.floats(0, 100), st.integers(0, 2), st.booleans()), max_size=12
)
kept = st.lists(st.builds(Kept, st.text("abc", max_size=3), MIB, st.floats(0, 100), st.booleans(), st.booleans()), max_size=12)
workers = st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=6)


@given(places, MIB, st.integers(0, 2000))
def test_what_was_used_least_recently_goes_and_no_more_than_has_to(given_: list[Place], wanted: int, limit: int) -> None:
    used = sum(place.size for place in given_)
    going = unload(given_, used, wanted, limit)
    assert not any(place.busy or place.leaving for place in going)
    idle = sorted((p for p in given_ if not p.busy and not p.leaving), key=lambda p: p.used)
    assert going == idle[: len(going)], "in the order of their last use"
    freed = sum(place.size for place in going)
    assert used + wanted - freed <= limit or going == idle, "it fits, or nothing is left to go"
    if going:
        assert used + wanted - freed + going[-1].size > limit, "the last one had to"


@given(kept, MIB, st.integers(0, 2000))
def test_files_of_loaded_models_go_last_and_those_in_use_never(given_: list[Kept], wanted: int, limit: int) -> None:
    used = sum(one.size for one in given_)
    going = discard(given_, used, wanted, limit)
    assert not any(one.busy for one in going)
    if any(one.loaded for one in going):
        assert all(one in going for one in given_ if not one.busy and not one.loaded)
    freed = sum(one.size for one in going)
    assert used + wanted - freed <= limit or len(going) == sum(not one.busy for one in given_)
    if going:
        assert used + wanted - freed + going[-1].size > limit


@given(st.dictionaries(st.integers(0, 5), st.integers(0, 9), max_size=6))
def test_a_request_goes_where_the_model_is(having: dict[int, int]) -> None:
    index = nearest(having)
    assert (index is None) == (not having)
    if index is not None:
        assert having[index] == min(having.values())
        assert crowded(having) == (having[index] >= SPREAD)


@given(st.sets(st.integers(0, 5)), workers, st.sets(st.integers(0, 5)))
def test_a_model_is_loaded_into_the_calmest_worker_once(having: set[int], load: dict[int, tuple[int, int]], loading: set[int]) -> None:
    index = next_worker(having, load, loading)
    if loading:
        assert index is None, "one load of a model at a time"
    elif index is not None:
        assert index not in having
        others = [load[other] for other in load if other not in having]
        assert load[index] == min(others)
        if having & set(load):
            assert load[index][0] < min(load[other][0] for other in having & set(load)), "a second copy only for less to do"
    elif not having:
        assert not load

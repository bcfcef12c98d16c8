"""What every Records adapter must do. Subclass ``RecordsSuite`` in a test module and give it a ``records`` fixture.

::

    class TestMyRecords(RecordsSuite):
        @pytest.fixture
        async def records(self): ...

        async def reopen(self, records): ...   # another connection to the same data
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..stores.records import (
    AddWork,
    Append,
    Conflict,
    Delete,
    DoneWork,
    Put,
    Query,
    Record,
    Records,
    Work,
)

KIND, SCOPE = "Thing", "123456789012/us-east-1"
NAMES = ("alpha", "Beta", "beta-2", "gamma%", "ga_mma", "Älpha", "日本", "z\U0001f600", "a\\b", "")
STATUSES = ("InProgress", "Completed", "Failed")
SCOPES = (SCOPE, "123456789012/eu-west-1", "")


def put(key: str, doc: dict[str, Any] | None = None, expected: int | None = None, **other: Any) -> Put:
    return Put(other.pop("kind", KIND), other.pop("scope", SCOPE), key, doc or {}, expected, **other)


def work(id_: str, due: float = 0.0, key: str = "a", **args: Any) -> Work:
    return Work(id_, KIND, SCOPE, key, "Do", args, due)


def matches(record: Record, query: Query) -> bool:
    """The filters, as the port words them."""

    def at(path: str) -> Any:
        value: Any = record.doc
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value

    contains = query.name_contains is None or query.name_contains.lower() in record.name.lower()
    return (
        contains
        and (query.parent is None or record.parent == query.parent)
        and (not query.statuses or record.status in query.statuses)
        and record.name.startswith(query.name_prefix or "")
        and (query.created_after is None or record.created >= query.created_after)
        and (query.created_before is None or record.created < query.created_before)
        and (query.modified_after is None or record.modified >= query.modified_after)
        and (query.modified_before is None or record.modified < query.modified_before)
        and all(at(path) == value and type(at(path)) is type(value) for path, value in query.where)
    )


def model(records: list[Record], query: Query) -> list[Record]:
    """Filter, then sort."""
    found = [r for r in records if matches(r, query)]
    return sorted(found, key=lambda r: (getattr(r, query.sort_by), r.key, r.scope), reverse=query.descending)


_maybe_time = st.one_of(st.none(), st.integers(0, 6).map(float))
_rows = st.lists(
    st.tuples(
        st.sampled_from(SCOPES), st.sampled_from(NAMES), st.sampled_from(STATUSES), st.sampled_from(("", "p", "q")),
        st.integers(0, 6).map(float), st.sampled_from(("x", "y", 1, True, None)),
    ),
    max_size=25,
)  # fmt: skip
_queries = st.builds(
    Query,
    parent=st.sampled_from((None, None, "", "p", "q")),
    statuses=st.lists(st.sampled_from((*STATUSES, "Gone")), max_size=3).map(tuple),
    name_contains=st.sampled_from((None, None, "A", "beta", "%", "_", "\\")),
    name_prefix=st.sampled_from((None, None, "a", "Beta", "日", "z\U0001f600")),
    created_after=_maybe_time,
    created_before=_maybe_time,
    where=st.sampled_from(((), (), (("Deep.Value", "x"),), (("Deep.Value", 1),), (("Deep.Value", True),), (("Deep.Value", None),))),
    sort_by=st.sampled_from(("created", "modified", "name", "status")),
    descending=st.booleans(),
    limit=st.integers(1, 7),
)


class RecordsSuite:
    """Inherited by the tests of each adapter."""

    fresh = itertools.count()

    async def reopen(self, records: Records) -> Records:
        """Another Records over the same data, as a second server or a restart would open it."""
        raise NotImplementedError

    async def one(self, records: Records, key: str = "a") -> Record:
        found = await records.get(KIND, SCOPE, key)
        assert found is not None
        return found

    # -- documents

    async def test_several_come_in_the_order_asked_for(self, records: Records) -> None:
        await records.commit(*(put(f"k{n}", {"n": n}) for n in range(500)), put("k1", scope="other"), put("k2", kind="Other"))
        keys = [f"k{n}" for n in range(499, -1, -7)]
        assert [r.key for r in await records.several(KIND, SCOPE, keys)] == keys
        assert [r.doc for r in await records.several(KIND, SCOPE, ["none", "k3", "k1"])] == [{"n": 3}, {"n": 1}]
        assert len(await records.several(KIND, SCOPE, [f"k{n}" for n in range(600)])) == 500
        assert await records.several(KIND, SCOPE, []) == []

    async def test_a_document_comes_back_as_it_was(self, records: Records) -> None:
        doc = {
            "Name": "ünï \u0000 \U0001f600", "Zeta": 1, "Alpha": [1, 2.5, None, True, {"a": {}}], "Time": 1763700000.123457,
            "Big": 2**53 + 1, "Empty": "", "Order": {"b": 1, "a": 2}, "B\"q": "'",
        }  # fmt: skip
        await records.commit(put("a", doc, status="S", name="N", parent="P", created=1763700000.123457))
        found = await self.one(records)
        assert found.doc == doc
        assert list(found.doc) == list(doc)
        assert list(found.doc["Order"]) == ["b", "a"]
        assert (found.kind, found.scope, found.key) == (KIND, SCOPE, "a")
        assert (found.status, found.name, found.parent, found.created) == ("S", "N", "P", 1763700000.123457)

    async def test_missing_is_none(self, records: Records) -> None:
        await records.commit(put("a"))
        assert await records.get(KIND, SCOPE, "b") is None
        assert await records.get(KIND, "other", "a") is None
        assert await records.get("Other", SCOPE, "a") is None

    async def test_keys_differ_by_case_and_trailing_space(self, records: Records) -> None:
        await records.commit(put("a", {"N": 1}), put("A", {"N": 2}), put("a ", {"N": 3}))
        assert [(await self.one(records, k)).doc["N"] for k in ("a", "A", "a ")] == [1, 2, 3]

    async def test_versions_and_times(self, records: Records) -> None:
        await records.commit(put("a", created=5.0))
        first = await self.one(records)
        await records.commit(put("a", {"x": 1}))
        second = await self.one(records)
        assert (first.version, second.version) == (1, 2)
        assert (first.created, second.created) == (5.0, 5.0)
        assert first.modified <= second.modified
        assert second.modified > 1e9
        await records.commit(put("a", created=7.0))
        assert (await self.one(records)).created == 7.0
        await records.commit(Delete(KIND, SCOPE, "a"), put("a", expected=0))
        assert (await self.one(records)).version == 1

    async def test_name_is_the_key_unless_given(self, records: Records) -> None:
        await records.commit(put("a"), put("b", name="B"))
        assert ((await self.one(records)).name, (await self.one(records, "b")).name) == ("a", "B")

    async def test_a_put_replaces_the_whole_record(self, records: Records) -> None:
        await records.commit(put("a", {"x": 1}, status="S", name="N", parent="P"))
        await records.commit(put("a", {"y": 2}))
        found = await self.one(records)
        assert (found.doc, found.status, found.name, found.parent) == ({"y": 2}, "", "a", "")
        assert await records.find(KIND, SCOPE, Query(parent="P")) == []
        assert await records.find(KIND, SCOPE, Query(statuses=("S",))) == []
        assert [r.key for r in await records.find(KIND, SCOPE, Query(name_prefix="a"))] == ["a"]

    # -- commits

    @pytest.mark.parametrize("expected", [1, 2, 99])
    async def test_expected_version_of_a_missing_record(self, records: Records, expected: int) -> None:
        with pytest.raises(Conflict):
            await records.commit(put("a", expected=expected))
        assert await records.get(KIND, SCOPE, "a") is None

    async def test_expected_versions(self, records: Records) -> None:
        await records.commit(put("a", expected=0))
        with pytest.raises(Conflict, match="a was changed"):
            await records.commit(put("a", expected=0))
        await records.commit(put("a", expected=1))
        with pytest.raises(Conflict):
            await records.commit(put("a", expected=1))
        with pytest.raises(Conflict):
            await records.commit(Delete(KIND, SCOPE, "a", expected=1))
        await records.commit(Delete(KIND, SCOPE, "a", expected=2))
        with pytest.raises(Conflict):
            await records.commit(Delete(KIND, SCOPE, "a", expected=2))
        await records.commit(Delete(KIND, SCOPE, "a"))

    async def test_a_conflict_leaves_nothing_behind(self, records: Records) -> None:
        await records.commit(put("a"), AddWork(work("w1")))
        with pytest.raises(Conflict):
            await records.commit(
                put("b"), put("a", {"x": 1}), DoneWork("w1"), AddWork(work("w2")), Delete(KIND, SCOPE, "a"), put("c", expected=3)
            )
        assert (await self.one(records)).version == 1
        assert await records.get(KIND, SCOPE, "b") is None
        assert [w.id for w in await records.due(1.0)] == ["w1"]

    async def test_an_unwritable_document_leaves_nothing_behind(self, records: Records) -> None:
        with pytest.raises(TypeError):
            await records.commit(put("a"), put("b", {"x": object()}))
        assert await records.get(KIND, SCOPE, "a") is None
        await records.commit(put("a"))

    async def test_changes_apply_in_order(self, records: Records) -> None:
        await records.commit(put("a", {"n": 1}, 0), put("a", {"n": 2}, 1), AddWork(work("w")), Delete(KIND, SCOPE, "a", 2))
        assert await records.get(KIND, SCOPE, "a") is None
        assert await records.due(1.0) == []

    async def test_nothing_to_commit(self, records: Records) -> None:
        await records.commit()

    async def test_of_many_writers_one_wins_each_version(self, records: Records) -> None:
        """Optimistic counters: no increment is lost, from two openings of the same data."""
        await records.commit(put("a", {"n": 0}))
        other = await self.reopen(records)
        conflicts = 0

        async def add(through: Records) -> None:
            nonlocal conflicts
            while True:
                found = await self.one(through)
                await asyncio.sleep(0)  # let the others read the same version
                try:
                    await through.commit(put("a", {"n": found.doc["n"] + 1}, found.version))
                except Conflict:
                    conflicts += 1
                else:
                    return

        try:
            await asyncio.gather(*(add(through) for through in (records, other) for _ in range(20)))
        finally:
            await other.close()
        found = await self.one(records)
        assert (found.doc["n"], found.version) == (40, 41)
        assert conflicts > 0

    async def test_a_new_name_is_given_once(self, records: Records) -> None:
        other = await self.reopen(records)
        try:
            attempts = (through.commit(put("a", expected=0)) for through in (records, other) for _ in range(10))
            results = await asyncio.gather(*attempts, return_exceptions=True)
        finally:
            await other.close()
        assert sorted(type(r).__name__ for r in results) == ["Conflict"] * 19 + ["NoneType"]

    async def test_opened_again(self, records: Records) -> None:
        await records.commit(put("a", {"x": 1}), AddWork(work("w", 1.0, n=1)))
        other = await self.reopen(records)
        try:
            assert (await self.one(other)).doc == {"x": 1}
            assert await other.due(1.0) == [work("w", 1.0, n=1)]
        finally:
            await other.close()

    # -- history

    async def test_a_history_is_read_newest_first_in_pages(self, records: Records) -> None:
        times = [3.0, 1.0, 2.0, 2.0, 5.0, 4.0]
        await records.commit(*(Append(KIND, SCOPE, f"k{i}", {"n": i, "even": i % 2 == 0}, at) for i, at in enumerate(times)))
        await records.commit(Append(KIND, "other", "x", {}, 9.0), Append("Other", SCOPE, "x", {}, 9.0))
        seen: list[Record] = []
        after: tuple[Any, str] | None = None
        while page := await records.history(KIND, SCOPE, Query(limit=2, after=after)):
            seen += page
            after = (page[-1].created, page[-1].key)
        assert [r.key for r in seen] == ["k4", "k5", "k0", "k3", "k2", "k1"]
        assert seen[0] == Record(KIND, SCOPE, "k4", {"n": 4, "even": True}, 1, 5.0, 5.0, "", "k4", "")
        some = await records.history(KIND, SCOPE, Query(created_after=2.0, created_before=4.0, where=(("even", True),)))
        assert [r.key for r in some] == ["k0", "k2"]
        assert await records.find(KIND, SCOPE) == []

    async def test_a_history_is_part_of_its_commit(self, records: Records) -> None:
        await records.commit(put("a"))
        with pytest.raises(Conflict):
            await records.commit(Append(KIND, SCOPE, "k", {}, 1.0), put("a", expected=0))
        assert await records.history(KIND, SCOPE) == []

    # -- work

    async def test_work_is_due_in_order_until_done(self, records: Records) -> None:
        assert await records.next_due() is None
        await records.commit(*(AddWork(work(i, due)) for i, due in (("c", 3.5), ("a", 1.0), ("b2", 2.0), ("b1", 2.0))))
        assert [w.id for w in await records.due(3.0)] == ["a", "b1", "b2"]
        assert [w.id for w in await records.due(3.5)] == ["a", "b1", "b2", "c"]
        assert [w.id for w in await records.due(9.0, limit=2)] == ["a", "b1"]
        assert await records.next_due() == 1.0
        await records.commit(DoneWork("a"), DoneWork("unknown"))
        assert await records.next_due() == 2.0

    async def test_work_of_the_same_id_is_replaced(self, records: Records) -> None:
        await records.commit(AddWork(work("w", 1.0, n=1)))
        again = Work("w", KIND, SCOPE, "b", "Other", {"deep": [1, {"x": None}]}, 5.0, 3)
        await records.commit(AddWork(again))
        assert await records.due(9.0) == [again]

    async def test_deleting_a_record_removes_its_work_only(self, records: Records) -> None:
        elsewhere = Work("x", KIND, "other", "a", "Do")
        await records.commit(put("a"), AddWork(work("w1")), AddWork(work("w2")), AddWork(work("v", key="b")), AddWork(elsewhere))
        await records.commit(Delete(KIND, SCOPE, "a"), AddWork(work("after")))
        assert {w.id for w in await records.due(1.0)} == {"v", "x", "after"}

    # -- finding

    async def test_defaults_are_newest_first(self, records: Records) -> None:
        await records.commit(*(put(f"k{i}", created=float(i % 3)) for i in range(6)))
        assert [r.key for r in await records.find(KIND, SCOPE)] == ["k5", "k2", "k4", "k1", "k3", "k0"]

    async def test_the_limit_and_the_count(self, records: Records) -> None:
        await records.commit(*(put(f"k{i:03}", status=STATUSES[i % 2]) for i in range(150)))
        assert len(await records.find(KIND, SCOPE)) == 100
        assert len(await records.find(KIND, SCOPE, Query(limit=1_000_000))) == 150
        assert await records.count(KIND, SCOPE) == 150
        assert await records.count(KIND, SCOPE, Query(statuses=("Completed",), limit=1)) == 75
        assert await records.count(KIND, None, Query(name_contains="K00")) == 10
        assert await records.count("Other", SCOPE) == 0

    async def test_pages_across_scopes_lose_nothing(self, records: Records) -> None:
        """The same key, created at the same time, in every scope."""
        await records.commit(*(put(f"k{i}", scope=scope, created=1.0) for scope in SCOPES for i in range(4)))
        for descending in (True, False):
            seen: list[tuple[str, str]] = []
            after: tuple[Any, str, str] | None = None
            while page := await records.find(KIND, None, Query(limit=5, after=after, descending=descending)):
                seen += [(r.key, r.scope) for r in page]
                after = (page[-1].created, page[-1].key, page[-1].scope)
            assert seen == sorted(((f"k{i}", s) for s in SCOPES for i in range(4)), reverse=descending)

    async def test_text_that_sql_would_misread(self, records: Records) -> None:
        await records.commit(put("a", {"a'b": {"x": "1"}}, name="100%_'\""), put("b", name="100x"))
        for query in (Query(name_contains="%_"), Query(name_contains="'\""), Query(name_prefix="100%"), Query(where=(("a'b.x", "1"),))):
            assert [r.key for r in await records.find(KIND, SCOPE, query)] == ["a"]
        assert await records.find(KIND, SCOPE, Query(where=(("a'b.x", 1),))) == []

    # differing executors: one suite, inherited by the tests of several adapters
    @settings(
        max_examples=60, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(rows=_rows, query=_queries, everywhere=st.booleans())
    async def test_pages_join_to_the_sorted_filtered_whole(
        self, records: Records, rows: list[tuple[Any, ...]], query: Query, everywhere: bool
    ) -> None:
        kind = f"Thing{next(self.fresh)}"
        await records.commit(*(
            put(f"k{i // 2}", {"Deep": {"Value": value}}, kind=kind, scope=scope, name=name, status=status, parent=parent, created=created)
            for i, (scope, name, status, parent, created, value) in enumerate(rows)
        ))
        scope = None if everywhere else SCOPE
        whole = [r for place in SCOPES for i in range(len(rows)) if (r := await records.get(kind, place, f"k{i}"))]
        expected = model([r for r in whole if scope in (None, r.scope)], query)
        assert await records.count(kind, scope, query) == len(expected)
        seen: list[Record] = []
        after: tuple[Any, str, str] | None = None
        while page := await records.find(kind, scope, Query(**{**fields(query), "after": after})):
            assert len(page) <= query.limit
            seen += page
            assert len(seen) <= len(expected)
            after = (getattr(page[-1], query.sort_by), page[-1].key, page[-1].scope)
        assert seen == expected


def fields(query: Query) -> dict[str, Any]:
    return {name: getattr(query, name) for name in Query.__dataclass_fields__}

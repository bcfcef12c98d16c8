"""What every Runs adapter must do. Subclass ``RunsSuite`` in a test module and give it a ``make`` fixture.

::

    class TestMyRuns(RunsSuite):
        @pytest.fixture
        def make(self): ...   # limit → an open store; each call opens the same data again, as after a kill
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ..stores.runs import MOST_SERIES, NO_STEP, Point, Runs, Track

Make = Callable[[int], Runs]
NAMES = ("loss", "validation:acc", "Ünïcode 日本", "a" * 255, "%_?'\"")


def line(name: str, count: int, first: int = 0, at: float = 1.7e9) -> list[Point]:
    return [Point(name, step, at + step, math.sin(step)) for step in range(first, first + count)]


def told(track: Track) -> list[tuple[int, float, float]]:
    return list(zip(track.steps, track.times, track.values, strict=True))


class RunsSuite:
    """The contract, test by test."""

    @pytest.fixture
    async def runs(self, make: Make) -> AsyncIterator[Runs]:
        store = make(50)  # so few that everything below goes through log, chunks and merges
        yield store
        await store.close()

    async def test_what_is_put_is_read(self, runs: Runs) -> None:
        await runs.put("one", [Point("loss", 0, 10.0, 0.5), Point("acc", 0, 10.0, 0.25), Point("loss", 1, 11.0, 0.125)])
        loss, acc, nothing = await runs.tracks([("one", "loss"), ("one", "acc"), ("one", "other")])
        assert told(loss) == [(0, 10.0, 0.5), (1, 11.0, 0.125)]
        assert told(acc) == [(0, 10.0, 0.25)]
        assert told(nothing) == []
        assert told((await runs.tracks([("two", "loss")]))[0]) == []

    @pytest.mark.parametrize("name", NAMES)
    async def test_any_name_will_do(self, runs: Runs, name: str) -> None:
        for _ in range(3):
            await runs.put(name, line(name, 40))
        assert [s.name for s in (await runs.summaries([name]))[name]] == [name]
        assert len((await runs.tracks([(name, name)]))[0]) == 120

    async def test_order_is_that_of_arrival_through_every_merge(self, runs: Runs) -> None:
        """Thousands of points in small puts, of series written at different speeds."""
        chance = random.Random(7)
        written: dict[str, list[tuple[int, float, float]]] = {}
        for step in range(1500):
            points = [Point(f"m{n}", chance.randrange(5000), chance.random(), chance.random()) for n in range(8) if step % (n + 1) == 0]
            for p in points:
                written.setdefault(p.name, []).append((p.step, p.time, p.value))
            await runs.put("run", points)
            if step % 50 == 0:
                await asyncio.sleep(0)
        tracks = await runs.tracks([("run", name) for name in written])
        assert [told(track) for track in tracks] == list(written.values())

    async def test_extremes_come_back_as_they_were(self, runs: Runs) -> None:
        values = [0.0, -0.0, 5e-324, 1.7976931348623157e308, -1e308, 0.1]
        steps = [0, 2**62, 7, 7, NO_STEP, 3]
        points = [Point("x", s, t, v) for s, t, v in zip(steps, (0.0, -1.5, 1.7e9, 1e12, 0.1, 2.0), values, strict=True)]
        await runs.put("a", points)
        await runs.put("a", line("other", 100))  # moves the first ones into a chunk
        found = told((await runs.tracks([("a", "x")]))[0])
        assert [repr(f) for f in found] == [repr((p.step, p.time, p.value)) for p in points]

    async def test_flags_say_whether_a_track_is_in_order(self, runs: Runs) -> None:
        await runs.put("a", [*line("up", 3), Point("up", 5, 1.8e9, 1.0)])
        await runs.put("a", [Point("twice", 1, 1.0, 1.0), Point("twice", 1, 2.0, 1.0), Point("back", 2, 5.0, 0.0), Point("back", 3, 4.0, 0.0)])
        await runs.put("a", [Point("without", NO_STEP, 1.0, 1.0)])
        wanted = [("a", "up"), ("a", "twice"), ("a", "back"), ("a", "without")]
        for _ in range(2):
            tracks = await runs.tracks(wanted)
            assert [(t.climbing, t.timely) for t in tracks] == [(True, True), (False, True), (True, False), (False, True)]
            await runs.put("b", line("filler", 120))
        await runs.put("a", [Point("up", 4, 1.9e9, 1.0)])
        assert not (await runs.tracks(wanted))[0].climbing

    async def test_summaries(self, runs: Runs) -> None:
        chance = random.Random(3)
        values = [chance.gauss(100, 3) for _ in range(500)]
        for at in range(0, 500, 10):
            await runs.put("a", [Point("m", at + n, 1e9 + at + n, v) for n, v in enumerate(values[at : at + 10])])
        await runs.put("b", [Point("one", NO_STEP, 5.0, 2.0)])
        found = await runs.summaries(["a", "b", "c"])
        assert set(found) == {"a", "b"}
        (m,) = found["a"]
        assert (m.count, m.minimum, m.maximum, m.last, m.time) == (500, min(values), max(values), values[-1], 1e9 + 499)
        assert m.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
        assert m.deviation == pytest.approx(statistics.pstdev(values), rel=1e-9)
        assert found["b"][0].deviation == 0.0
        await runs.put("a", [Point("m", 3, 5.0, 1e6)])  # late: the most recent value stays the most recent one
        (m,) = (await runs.summaries(["a"], ["m"]))["a"]
        assert (m.count, m.maximum, m.last) == (501, 1e6, values[-1])
        assert await runs.summaries(["a"], ["other"]) == {}
        assert await runs.summaries([]) == {}

    async def test_summaries_of_many_owners_come_by_name(self, runs: Runs) -> None:
        for n in range(60):
            await runs.put(f"run-{n}", [Point(name, 0, 1.0, float(n)) for name in ("z", "a", "m")])
        found = await runs.summaries([f"run-{n}" for n in range(60)], ["z", "a"])
        assert [s.name for s in found["run-59"]] == ["a", "z"]
        assert [found[f"run-{n}"][0].last for n in range(60)] == [float(n) for n in range(60)]

    async def test_a_killed_process_loses_nothing(self, make: Make) -> None:
        for limit in (7, 50, 100_000):
            store = make(limit)
            owner = f"killed-{limit}"
            for at in range(0, 400, 10):
                await store.put(owner, line("m", 10, at))
            # what a killed process had begun in other threads does not go on; here it would, under the feet of the next
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "runs-seal"))
            del store  # no close, no last seal: what a SIGKILL leaves
            again = make(limit)
            track = (await again.tracks([(owner, "m")]))[0]
            assert told(track) == [(p.step, p.time, p.value) for p in line("m", 400)]
            assert track.climbing
            assert (await again.summaries([owner]))[owner][0].count == 400
            await again.put(owner, line("m", 10, 400))
            await again.close()
            last = make(limit)
            assert len((await last.tracks([(owner, "m")]))[0]) == 410
            await last.close()

    async def test_puts_side_by_side(self, runs: Runs) -> None:
        await asyncio.gather(*(runs.put(f"r{n % 5}", line("m", 10, n // 5 * 10)) for n in range(200)))
        tracks = await runs.tracks([(f"r{n}", "m") for n in range(5)])
        assert [sorted(t.steps) for t in tracks] == [list(range(400))] * 5

    async def test_reads_during_writes_see_whole_puts(self, runs: Runs) -> None:
        """A reader between two puts sees a prefix of the series, each point once."""
        seen: list[int] = []

        async def read() -> None:
            while not seen or seen[-1] < 3000:
                track = (await runs.tracks([("a", "m")]))[0]
                assert list(track.steps) == list(range(len(track)))
                assert len(track) % 10 == 0
                seen.append(len(track))
                await asyncio.sleep(0)

        async def write() -> None:
            for at in range(0, 3000, 10):
                await runs.put("a", line("m", 10, at))
                await asyncio.sleep(0)

        await asyncio.gather(read(), write())
        assert seen == sorted(seen)

    async def test_an_owner_that_rests_goes_on(self, runs: Runs) -> None:
        await runs.put("a", line("m", 10))
        for at in range(0, 1000, 10):
            await runs.put("b", line("m", 10, at))
            await asyncio.sleep(0.001 if at % 100 == 0 else 0)  # what was sealed meanwhile is forgotten when it rests
        await asyncio.gather(runs.put("a", line("m", 10, 10)), runs.put("a", line("n", 10)))
        m, n = await runs.tracks([("a", "m"), ("a", "n")])
        assert (list(m.steps), m.climbing, list(n.steps)) == (list(range(20)), True, list(range(10)))
        assert [(s.name, s.count) for s in (await runs.summaries(["a"]))["a"]] == [("m", 20), ("n", 10)]

    async def test_delete_forgets(self, make: Make) -> None:
        store = make(50)
        await store.put("a", line("m", 100))
        await store.put("b", line("m", 5))
        await store.delete("a")
        await store.delete("never")
        assert await store.summaries(["a"]) == {}
        await store.put("a", line("m", 3))
        assert len((await store.tracks([("a", "m")]))[0]) == 3
        del store
        again = make(50)
        assert {o: s[0].count for o, s in (await again.summaries(["a", "b"])).items()} == {"a": 3, "b": 5}
        await again.close()

    async def test_replace_is_all_there_is(self, make: Make) -> None:
        store = make(50)
        await store.put("a", line("old", 100))
        for _ in range(2):  # again after a crash: the same
            await store.replace("a", [*line("new", 70), Point("x", 0, 1.0, 1.0)])
        assert [(s.name, s.count) for s in (await store.summaries(["a"]))["a"]] == [("new", 70), ("x", 1)]
        await store.put("a", line("new", 30, 70))
        del store
        again = make(50)
        track = (await again.tracks([("a", "new")]))[0]
        assert list(track.steps) == list(range(100))
        await again.close()

    async def test_names_have_an_end(self, runs: Runs) -> None:
        first = [Point(f"n{n}", 0, 1.0, 1.0) for n in range(MOST_SERIES)]
        assert await runs.put("a", first) == []
        assert await runs.put("a", [Point("n0", 1, 2.0, 2.0), Point("more", 0, 1.0, 1.0), Point("n1", 1, 2.0, 2.0)]) == [1]
        assert len((await runs.summaries(["a"]))["a"]) == MOST_SERIES

    async def test_a_long_series_is_quick_to_read(self, make: Make) -> None:
        """100,000 points written in small puts are read in a fraction of a second."""
        store: Any = make(5_000)
        for at in range(0, 100_000, 100):
            await store.put("long", line("m", 100, at))
        began = asyncio.get_running_loop().time()
        track = (await store.tracks([("long", "m")]))[0]
        assert asyncio.get_running_loop().time() - began < 0.5
        assert len(track) == 100_000
        assert track.climbing
        await store.close()

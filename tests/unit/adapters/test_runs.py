"""The Runs port on SQLite, durable and not, and on PostgreSQL; and what only the files show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagewright.adapters.runs import SqliteRuns
from sagewright.adapters.runs.pack import chunk, record, records, unchunk
from sagewright.adapters.runs.postgres import Connection, PostgresRuns
from sagewright.adapters.runs.sqlite import copy, segments
from sagewright.stores.runs import Point, Track
from sagewright.testing.postgres import Postgres, running
from sagewright.testing.runs import Make, RunsSuite, line, told


class TestSqlite(RunsSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda limit: SqliteRuns(tmp_path / "runs", limit=limit)


class TestDurableSqlite(RunsSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda limit: SqliteRuns(tmp_path / "runs", durable=True, limit=limit)


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with running() as started:
        yield started


class TestPostgres(RunsSuite):
    @pytest.fixture
    def make(self, database: Postgres) -> Iterator[Make]:
        yield lambda limit: PostgresRuns(database.url, limit=limit)
        db = Connection(database.url)
        for table in ("series", "chunks", "state", "log"):
            db.execute(f"DROP TABLE IF EXISTS sagewright_runs_{table}")
        db.close()


async def test_a_torn_record_is_the_end_of_its_segment(tmp_path: Path) -> None:
    store = SqliteRuns(tmp_path)
    await store.put("a", line("m", 10))
    await store.put("a", line("m", 10, 10))
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-5])
    again = SqliteRuns(tmp_path)
    assert list((await again.tracks([("a", "m")]))[0].steps) == list(range(10))
    await again.put("a", line("m", 5, 10))
    last = SqliteRuns(tmp_path)
    assert list((await last.tracks([("a", "m")]))[0].steps) == list(range(15))


async def test_the_log_starts_over(tmp_path: Path) -> None:
    store = SqliteRuns(tmp_path, limit=1000)
    for at in range(0, 20_000, 10):
        await store.put("a", line("m", 10, at))
    await store.close()
    assert sum(path.stat().st_size for path in segments(tmp_path)) == 0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 20_000 * 24  # 16 bytes a point and some room
    assert not [path for path in tmp_path.iterdir() if path.stat().st_mode & 0o077]


async def test_a_seal_that_fails_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteRuns(tmp_path, limit=100)
    real, failing = store._disk.seal, True

    def seal(batch: object) -> None:
        if failing:
            raise OSError("no space left on device")
        real(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(store._disk, "seal", seal)
    for at in range(0, 300, 10):
        await store.put("a", line("m", 10, at))
    assert list((await store.tracks([("a", "m")]))[0].steps) == list(range(300))
    failing = False
    for at in range(300, 600, 10):
        await store.put("a", line("m", 10, at))
    await store.close()
    again = SqliteRuns(tmp_path)
    assert list((await again.tracks([("a", "m")]))[0].steps) == list(range(600))


async def test_a_copy_taken_while_points_come_is_whole(tmp_path: Path) -> None:
    """Whatever moment it is of, it holds a prefix of the series, each point once."""
    store = SqliteRuns(tmp_path / "runs", limit=200)
    for n in range(12):
        for at in range(n * 100, n * 100 + 100, 10):
            await store.put("a", line("m", 10, at))
        copy(tmp_path / "runs", tmp_path / f"copy-{n}")
        again = SqliteRuns(tmp_path / f"copy-{n}")
        assert list((await again.tracks([("a", "m")]))[0].steps) == list(range(n * 100 + 100))
        await again.close()
    await store.close()


def test_records_and_chunks_round_trip() -> None:
    data = record(7, [(1, 2, 3.0, 4.0), (5, -1, 7.0, 8.0)]) + record(8, [(1, 3, 4.0, 5.0)])
    assert [(n, list(rows)) for n, rows, _ in records(data + b"torn")] == [
        (7, [(1, 2, 3.0, 4.0), (5, -1, 7.0, 8.0)]), (8, [(1, 3, 4.0, 5.0)]),
    ]
    flipped = bytearray(data)
    flipped[20] ^= 1
    assert list(records(bytes(flipped))) == []
    for steps in ([5], [0, 1, 2], [10, 8, 6], [1, 1, 1], [3, 1, 2], [0, 2**62]):
        track = Track()
        for n, step in enumerate(steps):
            track.steps.append(step)
            track.times.append(n / 3)
            track.values.append(n * 0.1)
        back = Track()
        unchunk(chunk(track), len(steps), back)
        assert told(back) == told(track)
    assert len(chunk(_even(10_000))) < 16 * 10_000 + 32


def _even(count: int) -> Track:
    track = Track()
    for p in (Point("", n * 5, float(n), 0.0) for n in range(count)):
        track.steps.append(p.step)
        track.times.append(p.time)
        track.values.append(p.value)
    return track

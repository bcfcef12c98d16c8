"""Records on SQLite: the shared suite, and what only files have: kills, copies, versions, query plans."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from sagewright.adapters.sqlite.engine import MIGRATIONS
from sagewright.adapters.sqlite.query import plan
from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.adapters.sqlite.schema import NewerSchema, open_database
from sagewright.stores.records import Conflict, Put, Query, Records
from sagewright.testing.records import KIND, SCOPE, RecordsSuite, put


class TestSqlite(RecordsSuite):
    durable = False

    @pytest.fixture
    async def records(self, tmp_path: Path) -> AsyncIterator[Records]:
        opened = SqliteRecords(tmp_path / "records.sqlite", durable=self.durable)
        yield opened
        await opened.close()

    async def reopen(self, records: Records) -> Records:
        return SqliteRecords(cast(SqliteRecords, records)._path, durable=self.durable)


class TestSqliteDurable(TestSqlite):
    durable = True

    async def test_a_conflict_leaves_the_rest_of_its_group_alone(self, records: Records) -> None:
        await records.commit(put("a"))
        commits = [records.commit(put(f"k{i}"), put("a", expected=999 if i % 2 else None)) for i in range(20)]
        results = await asyncio.gather(*commits, return_exceptions=True)
        assert [isinstance(r, Conflict) for r in results] == [bool(i % 2) for i in range(20)]
        assert [await records.get(KIND, SCOPE, f"k{i}") is None for i in range(20)] == [bool(i % 2) for i in range(20)]

    async def test_more_commits_than_one_group_holds(self, records: Records) -> None:
        await asyncio.gather(*(records.commit(put(f"k{i}")) for i in range(1500)))
        assert await records.count(KIND, SCOPE) == 1500


WRITER = """
import asyncio, sys
from pathlib import Path
from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.stores.records import AddWork, Put, Work

async def main():
    records = SqliteRecords(Path(sys.argv[1]), durable=sys.argv[2] == "True")
    n = 0
    while True:
        doc = {"n": n, "pad": "x" * 3000}
        await records.commit(Put("Thing", "s", f"k{n}", doc, 0), Put("Thing", "s", "last", doc), AddWork(Work(f"w{n}", "Thing", "s", f"k{n}", "Do")))
        print(n, flush=True)
        n += 1

asyncio.run(main())
"""


def write_until_killed(path: Path, durable: bool) -> int:
    """The last commit that returned before SIGKILL."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(durable)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    for line in writer.stdout:
        if int(line) == (300 if durable else 4000):  # enough for several checkpoints to have run
            break
    os.kill(writer.pid, signal.SIGKILL)
    answered = int((line + writer.stdout.read()).split()[-1])
    writer.wait()
    writer.stdout.close()
    return answered


@pytest.mark.parametrize("durable", [False, True])
async def test_what_a_commit_answered_survives_kill_9(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "r.sqlite"
    answered = await asyncio.to_thread(write_until_killed, path, durable)
    records = SqliteRecords(path)
    try:
        last = await records.get("Thing", "s", "last")
        assert last is not None
        n = last.doc["n"]
        assert n in (answered, answered + 1)
        assert await records.count("Thing", "s") == n + 2
        assert len(await records.due(1.0, limit=n + 10)) == n + 1
        assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        await records.close()


async def test_backup_is_one_moment_while_writes_go_on(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "r.sqlite")
    await records.commit(*(put(f"k{i}", {"pad": "x" * 2000}) for i in range(3000)))
    task = asyncio.create_task(records.backup(str(tmp_path / "copy.sqlite")))
    n = 0
    while not task.done():
        await records.commit(put("left", {"n": n}), put("right", {"n": n}))
        n += 1
        await asyncio.sleep(0)
    await task
    assert n > 1
    copy = SqliteRecords(tmp_path / "copy.sqlite")
    try:
        left, right = await copy.get(KIND, SCOPE, "left"), await copy.get(KIND, SCOPE, "right")
        assert (left and left.doc) == (right and right.doc)
        assert await copy.count(KIND, SCOPE, Query(name_prefix="k")) == 3000
        assert (tmp_path / "copy.sqlite").stat().st_mode & 0o077 == 0
    finally:
        await copy.close()
        await records.close()


async def test_the_log_is_carried_over_while_writing(tmp_path: Path) -> None:
    """The write-ahead log stays small although no commit ever checkpoints."""
    records = SqliteRecords(tmp_path / "r.sqlite")
    largest = 0
    for i in range(20_000):
        await records.commit(put(f"k{i % 50}", {"pad": "x" * 4000}))
        if i % 500 == 0:
            largest = max(largest, (tmp_path / "r.sqlite-wal").stat().st_size)
            await asyncio.sleep(0.005)  # as a server's loop has pauses
    await records.close()
    assert largest < 100 * 2**20  # all of it would be 250 MiB


async def test_a_later_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    await SqliteRecords(path).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO schema_version VALUES (99)")
    db.close()
    with pytest.raises(NewerSchema, match="schema version 99; this release knows up to 2"):
        SqliteRecords(path)


async def test_an_upgrade_keeps_a_copy_and_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    records = SqliteRecords(path)
    await records.commit(put("a", {"x": 1}))
    await records.close()

    def third(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE records ADD COLUMN extra TEXT")

    def broken(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE work")
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        open_database(path, (*MIGRATIONS, third, broken))
    records = SqliteRecords(path)  # still at the last version
    assert await records.due(1.0) == []
    await records.close()
    open_database(path, (*MIGRATIONS, third)).close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT key, extra FROM records").fetchall() == [("a", None)]
        assert db.execute("SELECT max(version) FROM schema_version").fetchone() == (len(MIGRATIONS) + 1,)
    db.close()
    copy = SqliteRecords(tmp_path / f"r.sqlite.v{len(MIGRATIONS)}")
    found = await copy.get(KIND, SCOPE, "a")
    assert found is not None
    assert found.doc == {"x": 1}
    await copy.close()


async def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "r.sqlite")
    await records.commit(put("a"))
    modes = {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()}
    await records.close()
    assert modes == {"r.sqlite": 0o600, "r.sqlite-wal": 0o600, "r.sqlite-shm": 0o600}


async def test_what_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "r.sqlite").write_text("hello " * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        SqliteRecords(tmp_path / "r.sqlite")


FLAT: list[dict[str, Any]] = [
    *({"sort_by": column, "descending": way} for column in ("created", "modified", "name", "status") for way in (True, False)),
    *({"sort_by": column, "after": (value, "k")} for column, value in (("created", 5.0), ("modified", 5.0), ("name", "n"), ("status", "s"))),
    {"statuses": ("A",)}, {"statuses": ("A", "B"), "after": (5.0, "k")}, {"statuses": ("A",), "sort_by": "status"},
    {"parent": "p"}, {"parent": "p", "sort_by": "name", "after": ("n", "k")},
    {"created_after": 1.0, "created_before": 2.0}, {"modified_after": 1.0, "sort_by": "modified"},
    {"name_prefix": "x", "sort_by": "name"}, {"statuses": ("A",), "created_after": 1.0},
]  # fmt: skip


@pytest.mark.parametrize("given", FLAT, ids=str)
@pytest.mark.parametrize("scope", [SCOPE, None])
async def test_a_page_is_read_from_an_index_in_order(tmp_path: Path, given: dict[str, Any], scope: str | None) -> None:
    """No sorting and no search of everything: what keeps a page's time flat, by SQLite's own plan."""
    records = SqliteRecords(tmp_path / "r.sqlite")
    await records.commit(put("a"), Put(KIND, "other", "a", {}))
    db = sqlite3.connect(tmp_path / "r.sqlite")
    try:
        made = plan(db, KIND, scope, Query(**given))
        assert made.quick
        for select in made.selects:
            steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {select.sql}", select.values)]
            assert len(steps) == 1
            assert "SEARCH" in steps[0]
            if "after" in given:
                assert f"({given.get('sort_by', 'created')},key)" in steps[0], steps  # the walk starts at the page
    finally:
        db.close()
        await records.close()


async def test_a_narrow_filter_is_used_although_the_sort_is_another(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "r.sqlite")
    await records.commit(*(put(f"k{i}", status="Rare" if i == 7 else "Common") for i in range(1500)))
    db = sqlite3.connect(tmp_path / "r.sqlite")
    try:
        assert "INDEXED BY records_status " in plan(db, KIND, SCOPE, Query(statuses=("Rare",), sort_by="name")).selects[0].sql
        assert "INDEXED BY records_name " in plan(db, KIND, SCOPE, Query(statuses=("Common",), sort_by="name")).selects[0].sql
    finally:
        db.close()
        await records.close()


async def test_version_2_makes_the_audit_trail_a_history(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with sqlite3.connect(path) as db:
        open_database(path, MIGRATIONS[:1]).close()
        for kind in ("AuditEvent", KIND):
            row = (kind, SCOPE, "e1", 1, 5.0, 5.0, "", "CreateModel", "", '{"x":1}')
            db.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.close()
    records = SqliteRecords(path)
    assert [(r.key, r.created, r.doc) for r in await records.history("AuditEvent", SCOPE)] == [("e1", 5.0, {"x": 1})]
    assert await records.get("AuditEvent", SCOPE, "e1") is None
    assert await records.get(KIND, SCOPE, "e1") is not None
    await records.close()

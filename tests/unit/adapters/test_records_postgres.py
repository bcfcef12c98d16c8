"""Records on a real PostgreSQL, started by these tests: the shared suite, and what only a server has."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from sagewright.adapters.postgres import NewerSchema, PostgresRecords
from sagewright.adapters.postgres.schema import MIGRATIONS, Connection, migrate
from sagewright.adapters.sqlite.records import SqliteRecords
from sagewright.stores.records import AddWork, Query, Records
from sagewright.testing.postgres import Postgres, running
from sagewright.testing.records import KIND, SCOPE, RecordsSuite, put, work


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as started:
        yield started


@pytest.fixture
async def records(postgres: Postgres) -> AsyncIterator[Records]:
    opened = await PostgresRecords.open(postgres.url)
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        await connection.execute("TRUNCATE sagewright_records, sagewright_work, sagewright_history")
    yield opened
    await opened.close()


class TestPostgres(RecordsSuite):
    @pytest.fixture(autouse=True)
    def _url(self, postgres: Postgres) -> None:
        self.url = postgres.url

    async def reopen(self, records: Records) -> Records:
        return await PostgresRecords.open(self.url, durable=True)


async def test_batches_that_cross_each_other_both_succeed(records: Records) -> None:
    """Two transactions lock the same rows in opposite order: PostgreSQL ends one, which is tried again."""
    await records.commit(*(put(f"k{i}") for i in range(40)))
    forward = [put(f"k{i}", {"by": "f"}) for i in range(40)]
    backward = [put(f"k{i}", {"by": "b"}) for i in reversed(range(40))]
    await asyncio.gather(*(records.commit(*batch) for _ in range(10) for batch in (forward, backward)))
    found = await records.find(KIND, SCOPE)
    assert {r.version for r in found} == {21}
    assert len({r.doc["by"] for r in found}) == 1


WRITER = """
import asyncio, sys
from sagewright.adapters.postgres import PostgresRecords
from sagewright.stores.records import AddWork, Put, Work

async def main():
    records = await PostgresRecords.open(sys.argv[1])
    n = 0
    while True:
        await records.commit(Put("Thing", "s", f"k{n}", {"n": n}, 0), Put("Thing", "s", "last", {"n": n}), AddWork(Work(f"w{n}", "Thing", "s", f"k{n}", "Do")))
        print(n, flush=True)
        n += 1

asyncio.run(main())
"""


def write_until_killed(url: str) -> int:
    """The last commit that returned before SIGKILL."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    for line in writer.stdout:
        if int(line) == 200:
            break
    os.kill(writer.pid, signal.SIGKILL)
    answered = int((line + writer.stdout.read()).split()[-1])
    writer.wait()
    writer.stdout.close()
    return answered


async def test_what_a_commit_answered_survives_kill_9(records: Records, postgres: Postgres) -> None:
    answered = await asyncio.to_thread(write_until_killed, postgres.url)
    # the database may still be working on the dead client's last batch: its locks are gone when it is through
    await records.commit(put("last", {}, kind="Thing", scope="s2"))
    last = await records.get("Thing", "s", "last")
    assert last is not None
    assert last.doc["n"] in (answered, answered + 1)
    n = await records.count("Thing", "s") - 2
    assert n in (answered, answered + 1)
    assert len(await records.due(1.0, limit=n + 10)) == n + 1


async def test_a_restarted_database_is_found_again(records: Records, postgres: Postgres) -> None:
    await records.commit(put("a", {"x": 1}))
    await asyncio.to_thread(postgres.stop)
    await asyncio.to_thread(postgres.start)
    found = await records.get(KIND, SCOPE, "a")
    assert found is not None
    assert found.doc == {"x": 1}
    await records.commit(put("b"))


async def test_a_backup_is_a_sqlite_file(records: Records, tmp_path: Path) -> None:
    await records.commit(*(put(f"k{i}", {"n": i}, status="S", parent="P") for i in range(1200)), AddWork(work("w", 5.0, n=1)))
    await records.commit(put("k7", {"n": 7}))
    await records.backup(str(tmp_path / "copy.sqlite"))
    copy = SqliteRecords(tmp_path / "copy.sqlite")
    try:
        everything = Query(limit=10_000)
        assert await copy.find(KIND, SCOPE, everything) == await records.find(KIND, SCOPE, everything)
        assert await copy.due(9.0) == await records.due(9.0)
        assert (tmp_path / "copy.sqlite").stat().st_mode & 0o077 == 0
    finally:
        await copy.close()


async def test_a_later_release_is_refused_and_a_broken_upgrade_undone(records: Records, postgres: Postgres) -> None:
    async def broken(connection: Connection) -> None:
        await connection.execute("DROP TABLE sagewright_work")
        raise RuntimeError("half-way")

    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        with pytest.raises(RuntimeError, match="half-way"):
            await migrate(connection, (*MIGRATIONS, broken))
        assert await records.due(1.0) == []
        await connection.execute("INSERT INTO sagewright_schema VALUES (99)")
        try:
            with pytest.raises(NewerSchema, match="schema version 99; this release knows up to 2"):
                await PostgresRecords.open(postgres.url)
        finally:
            await connection.execute("DELETE FROM sagewright_schema WHERE version = 99")


async def test_servers_that_start_together_make_the_tables_once(postgres: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        await connection.execute("CREATE DATABASE together")
    url = postgres.url.replace("/postgres?", "/together?")
    opened = await asyncio.gather(*(PostgresRecords.open(url) for _ in range(5)))
    await opened[0].commit(put("a"))
    assert all([await one.get(KIND, SCOPE, "a") for one in opened])
    await asyncio.gather(*(one.close() for one in opened))


async def test_another_encoding_is_refused(postgres: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        await connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(RuntimeError, match="encoding is LATIN1"):
        await PostgresRecords.open(postgres.url.replace("/postgres?", "/latin?"))

"""Volumes: what one task leaves there the next one finds, whoever it runs as; erased, nothing is left."""

from __future__ import annotations

from pathlib import Path

from sagewright.testing.compute import Bench, task

from .test_sandbox import ids

WRITE = """
import os, sqlite3
database = sqlite3.connect('/opt/ml/store/data.db')
database.execute('PRAGMA journal_mode=WAL')
database.execute('create table if not exists seen (who text)')
database.execute('insert into seen values (?)', (str(os.getuid()),))
database.commit()
print(database.execute('select count(*) from seen').fetchone()[0], os.stat('/opt/ml/store').st_uid == os.getuid())
"""


async def test_a_volume_outlives_its_task(bench: Bench, place: Path) -> None:
    logs = []
    for _ in range(3):
        work = task(f"volume-{next(ids)}", ["python3", "-c", WRITE], volumes={"/opt/ml/store": "keep"})
        reports = await bench.run(work)
        assert reports[-2].data["ExitCode"] == 0, reports
        logs += bench.log(work)
        await bench.compute.forget(work.id)
    assert logs == ["1 True", "2 True", "3 True"]
    await bench.compute.erase("keep")
    await bench.compute.erase("keep")
    work = task(f"volume-{next(ids)}", ["python3", "-c", WRITE], volumes={"/opt/ml/store": "keep"})
    await bench.run(work)
    assert bench.log(work) == ["1 True"]


async def test_a_volume_may_be_a_home_folder(bench: Bench, place: Path) -> None:
    script = "import os; open('/home/ada/note', 'a').write('x'); print(open(os.path.expanduser('~/note')).read(), os.listdir('/home/ada'))"
    logs = []
    for _ in range(2):
        work = task(f"home-{next(ids)}", ["python3", "-c", script], volumes={"/home/ada": "ada"}, env={"HOME": "/home/ada"})
        assert (await bench.run(work))[-2].data["ExitCode"] == 0
        logs += bench.log(work)
        await bench.compute.forget(work.id)
    assert logs == ["x ['note']", "xx ['note']"]

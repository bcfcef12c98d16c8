"""A server that is killed, and what must hold of everything it left behind."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sagewright.testing.jobs import Jobs
from sagewright.testing.processes import kill, seeing
from sagewright.testing.server import TestServer
from sagewright.testing.waiting import until


class Chaos:
    """One server of the test's own, its jobs, and their processes as they are seen from outside."""

    def __init__(self, server: TestServer) -> None:
        self.server, self.data = server, server.data
        self.jobs = Jobs(server)

    def restart(self) -> None:
        """SIGKILL to the server, and a new one on the same data and port."""
        self.server.kill()
        self.server.start()

    def agent(self, name: str) -> int:
        """The process id of a job's agent."""
        found: list[int] = []

        def known() -> bool:
            found.extend(int(json.loads(path.read_text())["pid"]) for path in self.folder(name).glob("pid"))
            return bool(found)

        until(known)
        return found[0]

    def folder(self, name: str) -> Path:
        """The folder of a job's only task."""
        found: list[Path] = []

        def there() -> bool:
            found.extend(self.data.glob(f"jobs/*-{name.lower()}-*"))
            return bool(found)

        until(there)
        return found[0]

    def let_go(self, name: str) -> None:
        """What a job of ``waiting`` waits for."""
        (self.folder(name) / "ml" / "model" / "go").touch()

    def inside(self) -> list[psutil.Process]:
        """Living processes inside of sandboxes of this server: they see a folder of its jobs."""
        mine = "/".join(self.data.parts[-3:]) + "/jobs/"
        return seeing(mine)

    def settled(self) -> None:
        """Nothing is left over: no task, no process, no temporary file; every object is whole."""
        until(lambda: not self.inside(), why=lambda: f"orphans: {self.inside()}")
        jobs = self.data / "jobs"
        until(lambda: not [p for p in jobs.iterdir() if not p.name.startswith(".")], why=lambda: f"left: {list(jobs.iterdir())}")
        self.whole()

    def whole(self) -> None:
        """The index of objects and the files say the same, and every object can be read to its end."""
        s3 = self.jobs.s3
        for bucket in s3.list_buckets()["Buckets"]:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
                for item in page.get("Contents", []):
                    body = s3.get_object(Bucket=bucket["Name"], Key=item["Key"])["Body"].read()
                    assert len(body) == item["Size"], item
        with sqlite3.connect(f"file:{self.data}/objects/index.sqlite?mode=ro", uri=True) as index:
            rows = index.execute("SELECT bucket, key, temp FROM objects").fetchall()
        index.close()
        files = sorted(str(p.relative_to(self.data)) for p in (self.data / "objects" / "buckets").rglob("*") if p.is_file())
        assert len(files) == len([row for row in rows if row[2] is None]), (files, rows)


def waiting(then: str = "", before: str = "") -> str:
    """A job that counts aloud until it is let go, then does ``then``."""
    return f"""
import os, signal, sys, time
{before}
open('/opt/ml/model/pid', 'w').write(str(os.getpid()))
number = 0
while not os.path.exists('/opt/ml/model/go'):
    print('line', number, flush=True)
    number += 1
    time.sleep(0.01)
print('last', number, flush=True)
{then}
"""


def counted(log: str) -> int:
    """How many lines a job of ``waiting`` wrote: each once, in order, to the last."""
    lines = log.splitlines()
    numbers = [int(line.split()[1]) for line in lines if line.startswith("line ")]
    assert numbers == list(range(len(numbers))), "a line is lost or doubled"
    assert [line for line in lines if line.startswith("last ")] == [f"last {len(numbers)}"]
    return len(numbers)


@pytest.fixture
def chaos(tmp_path: Path) -> Iterator[Chaos]:
    with TestServer(tmp_path / "data", {"stop_grace": "30"}) as running:
        made = Chaos(running)
        yield made
        kill(made.inside())

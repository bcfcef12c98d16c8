"""FastFile from a store that is elsewhere: a file system that the agent serves, read as the job reads."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import textwrap
import time
import venv
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from sagewright.stores.compute import Input, Task
from sagewright.testing.compute import Bench, DistantObjects, task

MIB = 2**20
ids = iter(range(10_000))
SERVED = os.environ.get("SAGEWRIGHT_TEST_FUSE") == "yes"
"""Said by the test in ``test_rootless`` that runs this file once more: then a missing /dev/fuse is a failure."""


@pytest.fixture
async def far(place: Path) -> AsyncIterator[Bench]:
    environment = Path(sys.prefix)
    if environment == Path(sys.base_prefix):
        environment = place / "environment"
        venv.create(environment, symlinks=True)
    running = await Bench(place / "data", place / "image", environment, distant=True).open()
    if not running.compute.can["namespaces"]:
        await running.close()
        pytest.skip(f"no namespaces here: {running.compute.can.get('reason')}")
    yield running
    await running.close()


def store(far: Bench) -> DistantObjects:
    return cast(DistantObjects, far.ports.objects)


def job(code: str, uri: str = "s3://b/set/", **more: Any) -> Task:
    files = {"/opt/ml/code/main.py": textwrap.dedent(code)}
    channel = Input("/opt/ml/input/data/train", uri, label="train", mode="FastFile", **more)
    return task(f"lazy-{next(ids)}-{os.getuid()}", ["python3", "/opt/ml/code/main.py"], files=files, inputs=[channel])


async def answer(far: Bench, one: Task) -> Any:
    reports = await far.run(one)
    ended = next((r.data for r in reports if r.name == "Exited"), None)
    assert ended is not None, reports
    assert ended["ExitCode"] == 0, far.log(one)
    return json.loads(far.log(one)[-1])


def served(far: Bench) -> bool:
    """Whether this machine lets the agent serve; if not, the log of a job has to say so."""
    assert not SERVED or far.compute.can["fuse"], far.compute.can
    return bool(far.compute.can["fuse"])


async def logged(far: Bench, one: Task, line: str) -> None:
    """Wait for a line of the job's log."""
    async with asyncio.timeout(30):
        while line not in far.log(one):  # noqa: ASYNC110  (another process writes it, and nobody tells)
            await asyncio.sleep(0.01)


async def test_a_job_sees_a_folder_like_any_other(far: Bench) -> None:
    for key in ("set/a.csv", "set/deep/er/b.csv", "set/empty", "setting/c.csv"):
        store(far).put("b", key, b"" if key.endswith("empty") else key.encode())
    one = job("""
        import json, os
        here = '/opt/ml/input/data/train'
        found = {'walk': sorted([place[len(here):], sorted(folders), sorted(files)] for place, folders, files in os.walk(here))}
        found['text'] = open(here + '/deep/er/b.csv').read()
        found['empty'] = open(here + '/empty').read()
        stat = os.stat(here + '/a.csv')
        found['stat'] = [stat.st_size, oct(stat.st_mode), stat.st_uid == os.getuid(), round(stat.st_mtime)]
        for name, action in (('missing', lambda: open(here + '/none')), ('write', lambda: open(here + '/a.csv', 'w')),
                             ('make', lambda: os.mkdir(here + '/new')), ('remove', lambda: os.unlink(here + '/a.csv'))):
            try:
                action()
                found[name] = 'done'
            except OSError as error:
                found[name] = type(error).__name__ + ' ' + error.strerror
        print(json.dumps(found))
    """)
    found = await answer(far, one)
    assert found["walk"] == [["", ["deep"], ["a.csv", "empty"]], ["/deep", ["er"], []], ["/deep/er", [], ["b.csv"]]]
    assert (found["text"], found["empty"]) == ("set/deep/er/b.csv", "")
    assert found["stat"][:3] == [9, "0o100444" if served(far) else found["stat"][1], True]
    assert abs(found["stat"][3] - time.time()) < 600
    assert found["missing"] == "FileNotFoundError No such file or directory"
    assert {found["write"], found["make"], found["remove"]} == {"OSError Read-only file system"}
    copied = any("copied before the start" in line for line in far.log(one))
    assert copied != served(far), "a copy is told, with its reason"


async def test_nothing_is_read_before_the_job_does_and_little_more_than_it_does(far: Bench) -> None:
    if not served(far):
        return
    store(far).put("b", "set/large", os.urandom(64) * (64 * MIB // 64))
    store(far).put("b", "set/unread", bytes(8 * MIB))
    content = store(far).get("b", "set/large")
    found = await answer(far, job("""
        import hashlib, json
        file = open('/opt/ml/input/data/train/large', 'rb', buffering=0)
        parts = []
        for offset in (0, 33_000_000, 5_000_123, 60_000_000):
            file.seek(offset)
            parts.append(hashlib.sha256(file.read(100_000)).hexdigest())
        print(json.dumps(parts))
    """))
    assert found == [hashlib.sha256(content[at:at + 100_000]).hexdigest() for at in (0, 33_000_000, 5_000_123, 60_000_000)]
    reads = store(far).reads()
    assert {key for key, _, _ in reads} == {"set/large"}
    assert sum(size for _, _, size in reads) <= 4 * MIB, "four looks of 100 kB into 64 MiB"


async def test_reading_all_of_it_reads_each_byte_once(far: Bench) -> None:
    if not served(far):
        return
    content = os.urandom(16) * (24 * MIB // 16)
    store(far).put("b", "set/large", content)
    for number in range(50):
        store(far).put("b", f"set/small/{number}", bytes([number]) * 5000)
    found = await answer(far, job("""
        import concurrent.futures, hashlib, json
        here = '/opt/ml/input/data/train'
        whole = hashlib.sha256(open(here + '/large', 'rb').read()).hexdigest()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            small = list(pool.map(lambda n: list(set(open(f'{here}/small/{n}', 'rb').read())), range(50)))
        again = hashlib.sha256(open(here + '/large', 'rb').read()).hexdigest()
        print(json.dumps([whole, again, small]))
    """))
    assert found == [hashlib.sha256(content).hexdigest()] * 2 + [[[number] for number in range(50)]]
    reads = [(start, size) for key, start, size in store(far).reads() if key == "set/large"]
    assert sum(size for _, size in reads) == len(content)
    assert len(reads) < 40, "requests grow as the reading goes on"
    assert len(store(far).reads()) - len(reads) == 50, "a small object is one request"


async def test_an_object_that_changes_under_the_job_is_an_error_and_told(far: Bench) -> None:
    if not served(far):
        return
    path = store(far).put("b", "set/large", bytes(8 * MIB))
    one = job("""
        import json, os, time
        file = open('/opt/ml/input/data/train/large', 'rb', buffering=0)
        file.read(10)
        print('ready', flush=True)
        while not os.path.exists('/opt/ml/code/go'):
            time.sleep(0.01)
        try:
            file.seek(7_000_000)
            file.read(10)
            print(json.dumps('read'))
        except OSError as error:
            print(json.dumps(error.strerror))
    """)
    await far.compute.submit(one)
    await logged(far, one, "ready")
    path.write_bytes(bytes(8 * MIB))
    (far.config.data / "jobs" / one.id / "ml/code/go").touch()
    await far.until(one.id)
    assert '"Input/output error"' in far.log(one)
    assert any("s3://b/set/large cannot be read: it was changed or deleted" in line for line in far.log(one))


async def test_a_job_that_waits_for_data_can_be_stopped(far: Bench) -> None:
    """A process that waits for a direct read cannot die before it is answered: stopping must not depend on the store."""
    if not served(far):
        return
    store(far).put("b", "set/large", bytes(8 * MIB))
    os.mkfifo(far.config.data / "hold")  # every read waits for ever
    one = job("""
        import mmap, os
        file, buffer = os.open('/opt/ml/input/data/train/large', os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, 65536)
        print('start', flush=True)
        os.readv(file, [buffer])
        print('never')
    """)
    one.limits.grace = 0.2
    await far.compute.submit(one)
    await logged(far, one, "start")
    await far.compute.stop(one.id)
    reports = await far.until(one.id, seconds=20)
    assert reports[-1].name == "Finished"
    assert next(r.data for r in reports if r.name == "Exited")["Stopped"]
    assert "never" not in far.log(one)


@pytest.mark.parametrize(("uri", "says"), [
    ("s3://b/se", "is part of a name and not a folder"),
    ("s3://b/none", "No objects found under s3://b/none"),
    ("s3://b/none/", "No objects found under s3://b/none/"),
    ("s3://nobucket/x", "The bucket of s3://nobucket/x does not exist"),
])
async def test_prefixes_that_are_no_folders(far: Bench, uri: str, says: str) -> None:
    store(far).put("b", "set/a", b"1")
    reports = await far.run(job("print(1)", uri))
    assert reports[-1].name == "Failed"
    assert reports[-1].data["Reason"].startswith("ClientError: Data download failed:")
    assert says in reports[-1].data["Reason"]


async def test_one_object_and_a_share_of_many(far: Bench) -> None:
    for number in range(5):
        store(far).put("b", f"set/{number}", b"x")
    look = "import json, os; print(json.dumps(sorted(os.listdir('/opt/ml/input/data/train'))))"
    assert await answer(far, job(look, "s3://b/set/3")) == ["3"]
    assert await answer(far, job(look, shard=1, shards=2)) == ["1", "3"]

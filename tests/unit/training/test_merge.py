"""One archive of several hosts' archives, with the server killed in between."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagewright.adapters.directory import DirectoryObjects
from sagewright.slices.training.executor import TrainingExecutor
from sagewright.stores.objects import NoSuchKey

HOSTS = ("algo-1", "algo-2")


class Killed(Exception):
    """The server was."""


def archive(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(name)
        tar.addfile(member, io.BytesIO(name.encode()))
    return out.getvalue()


class Store(DirectoryObjects):
    """Dies after the first of several deletions while ``dying``."""

    dying = False

    def delete(self, bucket: str, keys: Any) -> list[str]:
        first, *rest = keys
        gone = super().delete(bucket, [first])
        if self.dying and rest:
            raise Killed
        return gone + super().delete(bucket, rest)


def bomb(size: int) -> bytes:
    """An archive with an extended header of that many bytes."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, size
    return gzip.compress(header.tobuf() + b"0" * size, 1)


def sparse(blocks: int) -> bytes:
    """An archive with a sparse file whose map has that many blocks, of half a KiB each."""
    head = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    head[156:157], head[482:483], head[148:156] = b"S", b"\1", b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    more = (b"00000000001\0" * 42 + b"\1").ljust(512, b"\0")
    return gzip.compress(bytes(head) + more * blocks, 1)


def put(objects: DirectoryObjects, key: str, body: bytes) -> None:
    writer = objects.writer("b", key)
    writer.write(body)
    writer.commit()


def names(objects: DirectoryObjects, key: str) -> list[str]:
    with objects.open("b", key)[1] as file, tarfile.open(fileobj=file, mode="r:gz") as tar:
        return tar.getnames()


class Merging:
    """A cluster job whose hosts have stored their archives."""

    def __init__(self, folder: Path) -> None:
        self.objects = Store(folder)
        self.objects.create_bucket("b", "o", "r")
        for host in HOSTS:
            put(self.objects, f"out/j/output/.{host}/model.tar.gz", archive(host))
        put(self.objects, "out/j/output/.algo-2/output.tar.gz", archive("data"))
        platform: Any = SimpleNamespace(objects=self.objects, tasks=self, identity=None)
        self.executor = TrainingExecutor(platform)
        self.doc: dict[str, Any] = {
            "TrainingJobName": "j", "OutputDataConfig": {"S3OutputPath": "s3://b/out", "CompressionType": "GZIP"},
            "_tasks": {host: {"Host": host} for host in HOSTS},
        }
        self.sent: list[str] = []
        self.reason = ""

    async def send(self, name: str, **data: Any) -> None:
        self.sent.append(name)
        self.reason = data.get("Reason", "")
        if name == "Joined":
            self.doc["_joined"] = True

    async def merge(self) -> None:
        job: Any = SimpleNamespace(doc=self.doc, send=self.send)
        await self.executor.merge(job)

    async def forget(self, task: object) -> None: ...

    def keys(self) -> list[str]:
        return [info.key for info in self.objects.list("b").objects]


async def test_the_hosts_archives_become_one(tmp_path: Path) -> None:
    merging = Merging(tmp_path)
    await merging.merge()
    assert names(merging.objects, "out/j/output/model.tar.gz") == list(HOSTS)
    assert merging.keys() == ["out/j/output/model.tar.gz", "out/j/output/output.tar.gz"]
    assert merging.sent == ["Joined", "Merged"]


async def test_a_merge_that_begins_anew_loses_nothing(tmp_path: Path) -> None:
    merging = Merging(tmp_path)
    merging.objects.dying = True
    with pytest.raises(Killed):
        await merging.merge()
    with pytest.raises(NoSuchKey):
        merging.objects.head("b", "out/j/output/.algo-1/model.tar.gz")
    merging.objects.dying = False
    await merging.merge()
    assert names(merging.objects, "out/j/output/model.tar.gz") == list(HOSTS)
    assert merging.keys() == ["out/j/output/model.tar.gz", "out/j/output/output.tar.gz"]
    assert merging.sent == ["Joined", "Merged"]


async def test_an_attempt_that_is_over_leaves_no_part_to_the_next(tmp_path: Path) -> None:
    """algo-2 had stored its archives when algo-1 was lost; what the next attempt makes is not to be mixed with them."""
    merging = Merging(tmp_path)
    job: Any = SimpleNamespace(doc=merging.doc, send=merging.send, args={"Tasks": list(HOSTS), "AccessKeys": [], "Attempt": 0})
    await merging.executor.forget(job)
    assert (merging.keys(), merging.sent) == ([], ["Cleared"])
    put(merging.objects, "out/j/output/.algo-1/model.tar.gz", archive("of the next attempt"))
    merging.doc |= {"_attempt": 1}
    await merging.executor.forget(job)
    assert len(merging.keys()) == 1, "the server was killed before it had noted that this was done"


THERE = {
    "nothing": lambda: b"no archive", "no tar": lambda: gzip.compress(b"no tar" * 100), "torn": lambda: archive("x")[:40],
    "header": lambda: bomb(64 * 2**20), "sparse": lambda: sparse(50_000),
}


@pytest.mark.parametrize("there", THERE)
async def test_what_somebody_has_put_in_the_place_of_a_part_fails_the_job_and_not_the_server(tmp_path: Path, there: str) -> None:
    """A host that still runs may do so with the keys of the job: a header of gigabytes would have the server's memory."""
    merging = Merging(tmp_path)
    put(merging.objects, "out/j/output/.algo-1/model.tar.gz", THERE[there]())
    tracemalloc.start()
    try:
        await merging.merge()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert merging.sent == ["Fault"]
    assert merging.reason.startswith("ClientError: The hosts' archives could not be joined: s3://b/out/j/output/.algo-1/model.tar.gz")
    assert most < 32 * 2**20
    assert "out/j/output/model.tar.gz" not in list(merging.keys())

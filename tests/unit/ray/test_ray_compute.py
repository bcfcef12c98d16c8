"""The server's end of the Ray backend, over a bridge that tells what a cluster of one node would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sagewright.adapters.files import FileLogs
from sagewright.adapters.ray import compute as module
from sagewright.adapters.ray.compute import Cluster, RayCompute
from sagewright.adapters.sqlite.metrics import SqliteMetrics
from sagewright.stores.compute import Task

NODE = {"id": "n1", "address": "127.0.0.1", "alive": True, "resources": {"CPU": 8.0, "memory": 2.0**34}, "reason": ""}


def task(name: str) -> Task:
    return Task(name, "run", "i", ["true"], log_group="/g", log_stream=name)


class Bridge:
    """In place of the link to Ray: placements that are there, and a node whose tasks say what a test has them say."""

    trouble, up = "", True

    def __init__(self, *_: object) -> None:
        self.placed: set[str] = set()
        self.news: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.asked: list[tuple[str, str]] = []
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.troubled: Callable[[], None] = lambda: None

    async def call(self, method: str, /, **params: Any) -> Any:
        await self.reachable.wait()
        if method == "nodes":
            return [NODE]
        if method == "place":
            self.placed.add(params["name"])
            return ["n1"]
        if method == "unplace":
            self.placed.discard(params["name"])
            return None
        if method == "node":
            self.asked.append((params["method"], str(params["args"][0])))
            if params["method"] == "poll":
                return await self.news.get()
        return {"machine": "m"}

    async def close(self) -> None: ...


class Backend:
    """The compute of one data directory, which can be killed and opened again."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.bridge = folder, Bridge()
        monkeypatch.setattr(module, "Link", lambda *_: self.bridge)
        self.logs, self.metrics = FileLogs(folder / "logs"), SqliteMetrics(folder / "metrics.sqlite")
        self.revoked: list[str] = []
        self.keys = 0
        self.fails = 0
        """How often keys cannot be made."""
        self.making: asyncio.Event | None = None
        """Keys are made once it is set."""
        self.heard = asyncio.Event()
        self.compute: RayCompute

    async def open(self) -> None:
        self.compute = RayCompute(Cluster(
            data=self.folder, address="a", token="", settings={"region": "r", "account": "1"}, shrink=True, declared=lambda _: None,
            url=lambda: "http://127.0.0.1:1", relay=False, keys=self._keys, revoke=self._revoke,
        ), self.logs, self.metrics)

        async def heard(task_id: str) -> None:
            self.heard.set()

        self.compute.subscribe(heard)
        await self.compute.open()

    async def _keys(self, task: Task) -> dict[str, str]:
        self.keys += 1
        if self.making is not None:
            await self.making.wait()
        if self.fails:
            self.fails -= 1
            raise ConnectionError("the database is away")
        return {"access_key": f"ASIA{self.keys}", "secret_key": "s", "session_token": "t"}

    async def _revoke(self, access_key: str) -> None:
        self.revoked.append(access_key)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110  # what is waited for tells nobody
                await asyncio.sleep(0.005)

    async def names(self, task_id: str) -> list[str]:
        return [report.name for report in await self.compute.reports(task_id)]


@pytest.fixture
async def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Backend]:
    monkeypatch.setattr(module, "PAUSE", 0.01, raising=False)
    made = Backend(tmp_path, monkeypatch)
    await made.open()
    yield made
    await made.compute.close()


def handed(backend: Backend) -> list[str]:
    return [what for method, what in backend.bridge.asked if method == "submit"]


async def test_a_place_is_given_back_by_the_next_server_if_the_last_was_killed_before_it_could(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.compute.submit(task("t"))
    await backend.until(lambda: handed(backend))
    backend.bridge.reachable.clear()  # the cluster cannot be reached
    backend.bridge.up = False
    monkeypatch.setattr(module, "FORGET", 0.01)
    await backend.compute.forget("t")
    await backend.compute.close()
    backend.bridge.reachable.set()
    assert backend.bridge.placed == {"t"}
    await backend.open()
    await backend.until(lambda: not backend.bridge.placed)
    await backend.until(lambda: not list(backend.folder.glob("ray/tasks/*")))
    assert backend.revoked == ["ASIA1"]


async def test_what_cannot_be_taken_in_of_one_task_does_not_keep_the_node_from_being_heard(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database of the metrics is away for a moment, or a task is removed just then."""
    for name in ("one", "two"):
        await backend.compute.submit(task(name))
    await backend.until(lambda: len(handed(backend)) == 2)
    real, failures = backend.logs.create_stream, 2

    def create_stream(group: str, stream: str) -> bool:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError("no space left on device")
        return real(group, stream)

    monkeypatch.setattr(backend.logs, "create_stream", create_stream)
    said = {"spool": '{"stream": "one"}\n', "offset": 18, "reports": [[1, 1.0, "Finished", {}]]}
    for _ in range(3):
        backend.bridge.news.put_nowait({"one": said})
    await backend.until(lambda: not failures)
    backend.bridge.news.put_nowait({"two": {"reports": [[1, 1.0, "Finished", {}]]}})
    await backend.until(lambda: backend.compute._ledgers["two"].ended)
    await backend.until(lambda: backend.compute._ledgers["one"].ended)
    assert backend.logs.stream_names("/g") == ["one"]


async def test_a_task_whose_keys_cannot_be_made_for_a_moment_starts_all_the_same(backend: Backend) -> None:
    backend.fails = 2
    await backend.compute.submit(task("t"))
    await backend.until(lambda: handed(backend))


async def test_a_task_that_is_forgotten_while_its_keys_are_made_leaves_neither_keys_nor_a_place(backend: Backend) -> None:
    backend.making = asyncio.Event()
    await backend.compute.submit(task("t"))
    await backend.until(lambda: backend.keys)
    await backend.compute.forget("t")
    backend.making.set()
    await backend.until(lambda: backend.revoked == ["ASIA1"])
    await backend.until(lambda: not backend.bridge.placed)
    assert handed(backend) == []
    with contextlib.suppress(FileNotFoundError):
        assert list(backend.folder.glob("ray/tasks/*")) == []


async def test_a_server_that_was_killed_while_it_removed_a_task_starts_again(backend: Backend) -> None:
    folder = backend.folder / "ray/tasks/.gone-t"
    folder.mkdir()
    (folder / "events.jsonl").touch()
    await backend.compute.close()
    await backend.open()
    assert not folder.exists()

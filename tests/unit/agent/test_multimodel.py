"""The manager of an instance's models, with a container that keeps to the contract: one that somebody else wrote."""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest

from sagewright.agent.model_files import ModelFiles
from sagewright.agent.model_meter import ModelMeter
from sagewright.agent.model_parts import OUTCOME, About
from sagewright.agent.multimodel import ModelManager
from sagewright.gateway.answer import Answer
from sagewright.stores.objects import Objects
from sagewright.testing.compute import FileMetrics, FolderObjects


class Container:
    """A model server with room for ``room`` models; one whose archive says ``bad`` is not loaded, ``slow`` waits for ``go``."""

    def __init__(self, path: Path, files: Path, room: int) -> None:
        self.path, self.files, self.room = path, files, room
        self.loaded: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        self.go = asyncio.Event()
        self.statuses: list[int] = []

    async def start(self) -> None:
        self.server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            method, path, _ = line.decode().split()
            length = 0
            while header := (await reader.readline()).strip().lower():
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            status, body = await self._answer(method, path, await reader.readexactly(length))
            self.statuses.append(status)
            writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        writer.close()

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        parts = path.strip("/").split("/")
        if method == "POST" and parts == ["models"]:
            said = json.loads(body)
            name = said["model_name"]
            self.calls["load"] += 1
            word = (self.files / name / "model" / "word").read_text()
            assert said["url"] == f"/opt/ml/models/{name}/model"
            if name in self.loaded:
                return 409, b""
            if len(self.loaded) >= self.room:
                return 507, b"no room"
            if word == "bad":
                return 500, b"weights of another version"
            if word == "slow":
                await self.go.wait()
            self.loaded[name] = word
            return 200, b""
        if parts[1] not in self.loaded:
            return 404, b"not loaded"
        if method == "DELETE":
            self.calls["unload"] += 1
            del self.loaded[parts[1]]
            return 200, b""
        if method == "GET":
            return 200, b"{}"
        return 200, self.loaded[parts[1]].encode() + b" " + body


class Bench:
    def __init__(self, tmp: Path, room: int, **about: Any) -> None:
        self.objects = FolderObjects(tmp / "objects")
        self.files = ModelFiles(cast(Objects, self.objects), tmp / "files", plain=False)
        self.container = Container(tmp / "c.sock", tmp / "files", room)
        self.lines: list[str] = []
        self.meter = ModelMeter(FileMetrics(tmp / "metrics"), {})  # type: ignore[arg-type]
        self.about = About("b", "m/", **{"memory": 1 << 30, "wait": 5.0, **about})
        self.manager = ModelManager(self.about, self.files, self.meter, self.resident, self.lines.append, lambda index: None)

    def resident(self, index: int) -> int:
        """Every model takes 100,000 bytes of the worker's memory."""
        return 100_000 * len(self.container.loaded)

    def put(self, name: str, word: str, extra: int = 0) -> None:
        out = BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for path, content in (("word", word.encode()), ("extra", bytes(extra))):
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, BytesIO(content))
        self.objects.put("b", f"m/{name}", out.getvalue())

    async def ask(self, name: str) -> Answer:
        return await self.manager.invoke(name, {}, b"?")

    async def say(self, name: str) -> str:
        answer = await self.ask(name)
        assert answer.status == 200, answer
        return answer.body.decode()


Begin = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    benches: list[Bench] = []

    async def made(room: int = 100, **about: Any) -> Bench:
        bench = Bench(tmp_path, room, **about)
        for name in ("a", "b", "c", "d"):
            bench.put(name, name)
        await bench.container.start()
        bench.manager.put(0, str(bench.container.path))
        benches.append(bench)
        return bench

    yield made
    for bench in benches:
        bench.container.server.close()
        bench.manager.lost(0)


async def test_concurrent_requests_share_one_load_and_the_id_is_opaque(begin: Begin) -> None:
    bench = await begin()
    said = await asyncio.gather(*(bench.say("a") for _ in range(20)))
    assert set(said) == {"a ?"}
    assert bench.container.calls["load"] == 1
    (name,) = bench.container.loaded
    assert len(name) == 64
    assert int(name, 16)


async def test_after_507_the_least_recently_used_model_goes(begin: Begin) -> None:
    bench = await begin(room=2)
    for name in ("a", "b", "a", "c"):
        assert await bench.say(name) == f"{name} ?"
    assert sorted(bench.container.loaded.values()) == ["a", "c"]
    assert bench.container.calls == {"load": 4, "unload": 1}


async def test_memory_is_measured(begin: Begin) -> None:
    bench = await begin(memory=1 << 20)
    await bench.say("a")
    bench.about.memory = 250_000
    for name in ("b", "a", "c"):
        await bench.say(name)
    assert sorted(bench.container.loaded.values()) == ["a", "c"]
    assert bench.manager.models["a"].size == 100_000


async def test_where_memory_does_not_come_back_not_everything_goes(begin: Begin) -> None:
    bench = await begin(memory=1 << 20)
    for name in ("a", "b", "c"):
        await bench.say(name)
    bench.about.memory = 500_000
    bench.manager._resident = lambda index: 500_000  # whatever is unloaded
    await bench.say("d")
    assert sorted(bench.container.loaded.values()) == ["b", "c", "d"], "one had to go, and it did not help"


async def test_a_thousand_models_in_room_for_ten(begin: Begin) -> None:
    bench = await begin(room=10)
    for number in range(300):
        bench.put(f"n{number}", f"n{number}")
    found = await asyncio.gather(*(bench.say(f"n{number}") for number in range(300)))
    assert found == [f"n{number} ?" for number in range(300)]
    assert len(bench.container.loaded) == 10


async def test_a_model_that_is_too_much_alone_is_refused_with_its_answer(begin: Begin) -> None:
    bench = await begin(room=0)
    answer = await bench.ask("a")
    assert (answer.status, answer.headers[OUTCOME], answer.body) == (507, "load-failed", b"no room")


async def test_409_means_that_it_is_there(begin: Begin) -> None:
    bench = await begin()
    assert await bench.say("a") == "a ?"
    (name,) = bench.container.loaded
    bench.manager.models["a"].places.clear()  # as if the manager did not know
    assert await bench.say("a") == "a ?"
    assert 409 in bench.container.statuses
    assert list(bench.container.loaded) == [name]


async def test_what_left_the_worker_by_itself_is_loaded_again(begin: Begin) -> None:
    bench = await begin()
    await bench.say("a")
    bench.container.loaded.clear()
    assert await bench.say("a") == "a ?"
    assert bench.container.calls["load"] == 2


async def test_a_failed_load_says_why_and_the_next_request_tries_again(begin: Begin) -> None:
    bench = await begin()
    bench.put("x", "bad")
    answer = await bench.ask("x")
    assert (answer.status, answer.headers[OUTCOME], answer.body) == (500, "load-failed", b"weights of another version")
    assert "x" in bench.lines[0]
    bench.put("x", "good")
    assert await bench.say("x") == "good ?"


async def test_a_store_that_fails_is_told_and_asked_again(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await begin()

    def refuse(bucket: str, key: str) -> Any:
        raise ConnectionRefusedError("nobody listens at the store")

    with monkeypatch.context() as patch:
        patch.setattr(bench.objects, "open", refuse)
        answer = await bench.ask("a")
    assert (answer.status, answer.headers[OUTCOME]) == (530, "no-store")
    assert b"nobody listens" not in answer.body, "callers are not told of what is behind the server"
    assert "nobody listens at the store" in bench.lines[0]
    assert await bench.say("a") == "a ?"


async def test_names_that_mean_nothing_are_not_remembered(begin: Begin) -> None:
    bench = await begin()
    for number in range(50):
        assert (await bench.ask(f"none-{number}")).headers[OUTCOME] == "no-model"
    assert not bench.manager.models


async def test_a_slow_load_goes_on_when_its_request_has_waited_long_enough(begin: Begin) -> None:
    bench = await begin(wait=0.05)
    bench.put("s", "slow")
    assert (await bench.ask("s")).headers[OUTCOME] == "not-ready"
    bench.container.go.set()
    await asyncio.wait(bench.manager.models["s"].loading.values())
    assert await bench.say("s") == "slow ?"
    assert bench.container.calls["load"] == 1


async def test_disk_keeps_what_fits_and_fetches_the_rest_again(begin: Begin) -> None:
    bench = await begin(disk=3 << 20)
    for name in ("a", "b", "c"):
        bench.put(name, name, extra=1 << 20)
    for name in ("a", "b", "c", "a", "b"):
        assert await bench.say(name) == f"{name} ?"
    here = [path for path in bench.files.folder.iterdir() if not path.name.startswith(".")]
    assert len(here) <= 2


async def test_without_a_cache_nothing_stays(begin: Begin) -> None:
    bench = await begin(cache=False)
    assert await bench.say("a") == "a ?"
    while bench.manager._background:
        await asyncio.wait(list(bench.manager._background))
    assert not bench.container.loaded
    assert not list(bench.files.folder.iterdir())


async def test_a_worker_that_is_gone_takes_its_models_with_it(begin: Begin) -> None:
    bench = await begin()
    await bench.say("a")
    bench.manager.lost(0)
    bench.container.loaded.clear()
    asked = asyncio.ensure_future(bench.say("a"))
    await asyncio.sleep(0)
    bench.manager.put(0, str(bench.container.path))
    assert await asked == "a ?"

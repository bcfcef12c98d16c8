"""Shadows behind the gateway: who gets which request, and that nobody waits for them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sagewright.gateway import taps as module
from sagewright.gateway.answer import Answer
from sagewright.gateway.capture import Capture, Note, Recorder
from sagewright.gateway.meter import Meter
from sagewright.gateway.routes import Routes, Variant, VariantSpec
from sagewright.gateway.taps import Taps, new_event
from sagewright.stores.metrics import Sample

KEY = ("1/r", "e")


class Kept(Recorder):
    """Notes, in memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 60.0, 1 << 20, 1.0, lambda: None)
        self.notes: list[Note] = []
        self.came = asyncio.Event()

    def add(self, note: Note) -> None:
        self.notes.append(note)
        self.came.set()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.routes, self.recorder = folder, Routes(), Kept(folder)
        self.samples: list[Sample] = []
        self.meter = Meter(self.samples.extend, "N", lambda: 0.0)
        self.taps = Taps(self.recorder, self.meter)
        self.gate = asyncio.Event()
        self.gate.set()
        self.got: list[bytes] = []
        self.server: asyncio.Server | None = None
        self.serving: set[asyncio.Task[None]] = set()

    async def shadow(self, status: bytes = b"200 OK") -> str:
        """A model server that answers when the gate is open."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            self.serving.add(task)
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    self.got.append(await reader.readexactly(length))
                    await self.gate.wait()
                    writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nshadow")
            except asyncio.IncompleteReadError:
                pass
            finally:
                writer.close()

        path = str(self.folder / "s")
        self.server = await asyncio.start_unix_server(serve, path)
        return path

    def variant(self, path: str, share: float = 1.0, percent: float = 100.0) -> Variant:
        made = [Capture(f"s3://b/{name}", percent, True, True, "r") for name in ("main", "shadow")]
        mirror = VariantSpec("shadow", 0.0, [path], share=share, capture=made[1])
        self.routes.put(KEY, "E", [VariantSpec("main", 1.0, ["/none"], capture=made[0], shadows=[mirror])])
        route = self.routes.get(KEY)
        assert route
        assert route.pick("shadow") is None
        found = route.pick()
        assert found
        return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.gate.set()
    await made.taps.close()
    made.routes.close()
    if made.server is not None:
        made.server.close()
    await asyncio.gather(*made.serving)


def answer(status: int = 200) -> Answer:
    return Answer(status, {"content-type": "text/plain"}, b"main")


async def test_a_pair_has_one_event(bench: Bench) -> None:
    variant = bench.variant(await bench.shadow())
    bench.taps.request(variant, {"content-type": "text/csv", "host": "x"}, b"1", answer())
    while len(bench.recorder.notes) < 2:
        bench.recorder.came.clear()
        await bench.recorder.came.wait()
    ours, its = bench.recorder.notes
    assert (ours.event, ours.at, ours.body) == (its.event, its.at, its.body)
    assert (ours.answer.body, its.answer.body) == (b"main", b"shadow")
    assert (ours.capture.prefix, its.capture.prefix) == ("s3://b/main", "s3://b/shadow")
    await bench.meter.flush()
    assert {dict(s.dimensions)["VariantName"] for s in bench.samples} == {"shadow"}  # the gateway counts the other


async def test_failures_are_not_captured(bench: Bench) -> None:
    variant = bench.variant(await bench.shadow(b"500 Oh"))
    bench.taps.request(variant, {}, b"1", answer(500))
    while bench.taps._tasks:
        await asyncio.wait(bench.taps._tasks)
    assert bench.got == [b"1"]
    assert bench.recorder.notes == []
    await bench.meter.flush()
    assert sum(s.value for s in bench.samples if s.name == "Invocation5XXErrors") == 1


async def test_a_slow_shadow_is_left_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "BUSY", 5)
    bench.gate.clear()
    variant = bench.variant(await bench.shadow(), percent=0.0)
    for _ in range(100):
        bench.taps.request(variant, {}, b"1", answer())
    assert len(bench.taps._tasks) == 5
    bench.taps._report()
    assert "95 requests were not repeated to the shadow variant (E, shadow)" in caplog.text


async def test_a_shadow_that_is_not_there(bench: Bench) -> None:
    variant = bench.variant(str(bench.folder / "nobody"))
    bench.taps.request(variant, {}, b"1", answer())
    while bench.taps._tasks:
        await asyncio.wait(bench.taps._tasks)
    assert [note.capture.prefix for note in bench.recorder.notes] == ["s3://b/main"]


async def test_a_share_of_the_requests(bench: Bench) -> None:
    variant = bench.variant(await bench.shadow(), share=0.0, percent=0.0)
    for _ in range(50):
        bench.taps.request(variant, {}, b"1", answer())
    assert not bench.taps._tasks


def test_events_are_random_uuids() -> None:
    found = {new_event() for _ in range(1000)}
    assert len(found) == 1000
    for event in found:
        assert (str(uuid.UUID(event)), uuid.UUID(event).version, uuid.UUID(event).variant) == (event, 4, uuid.RFC_4122)


def test_routes_travel_as_plain_data() -> None:
    from dataclasses import asdict

    spec = VariantSpec("v", 1.0, ["/a"], capture=Capture("s3://b", 1.0, True, False, "r"), shadows=[VariantSpec("s", 0.0, ["/b"], share=0.5)])
    assert VariantSpec(**asdict(spec)) == spec

"""The HTTP client against a real Unix socket server that misbehaves on demand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sagewright.gateway.answer import Broken
from sagewright.gateway.client import Worker
from sagewright.gateway.routes import Routes, VariantSpec

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Model:
    """A server whose connections are each handled by ``talk``."""

    def __init__(self, path: Path) -> None:
        self.path, self.connections = str(path), 0
        self._server: asyncio.Server | None = None

    async def start(self, talk: Talk) -> Worker:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            try:
                await talk(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        self._server = await asyncio.start_unix_server(handle, self.path)
        return Worker(self.path)

    async def stop(self) -> None:
        assert self._server
        self._server.close()


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[Model]:
    model = Model(tmp_path / "s")
    yield model
    await model.stop()


async def take(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    if "chunked" in head:
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return head, body
    length = int(next(line for line in head.split("\r\n") if line.lower().startswith("content-length")).split(":")[1])
    return head, await reader.readexactly(length)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head, body = await take(reader)
        kind = next((line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Content-Type")), "text/plain")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


def replies(data: bytes, then_close: bool = True) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(reader)
        writer.write(data)
        await writer.drain()
        if not then_close:
            await reader.read()

    return talk


async def test_connections_are_kept(model: Model) -> None:
    worker = await model.start(echo)
    for n in range(5):
        answer = await worker.request("POST", "/invocations", {"Content-Type": "text/csv"}, b"%d" % n, seconds=5)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/csv", b"%d" % n)
    assert model.connections == 1
    assert worker.outstanding == 0


async def test_many_at_once_and_large(model: Model) -> None:
    worker = await model.start(echo)
    bodies = [bytes([n]) * 3_000_000 for n in range(8)]
    answers = await asyncio.gather(*(worker.request("POST", "/", {}, body, seconds=20) for body in bodies))
    assert [a.body for a in answers] == bodies


async def test_chunked_both_ways(model: Model) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await take(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in (body[:3], body[3:]):
            writer.write(b"%x\r\n%b\r\n" % (len(byte), byte))
        writer.write(b"0\r\n\r\n")

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    worker = await model.start(talk)
    assert (await worker.request("POST", "/", {}, body(), seconds=5)).body == b"abcdef"


async def test_an_answer_that_ends_with_the_connection(model: Model) -> None:
    worker = await model.start(replies(b"HTTP/1.0 200 OK\r\n\r\nall of it"))
    assert (await worker.request("POST", "/", {}, b"x", seconds=5)).body == b"all of it"


@pytest.mark.parametrize("data", [
    b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", b"what?\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
])
async def test_half_an_answer_is_no_answer(model: Model, data: bytes) -> None:
    worker = await model.start(replies(data))
    with pytest.raises(Broken) as caught:
        await worker.request("POST", "/", {}, b"x", seconds=5)
    assert not caught.value.untouched
    assert worker.outstanding == 0


async def test_a_worker_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Broken) as caught:
        await Worker(str(tmp_path / "none")).request("POST", "/", {}, b"", seconds=5)
    assert caught.value.untouched


async def test_time_runs_out(model: Model) -> None:
    worker = await model.start(replies(b"", then_close=False))
    with pytest.raises(TimeoutError):
        await worker.request("POST", "/", {}, b"x", seconds=0.05)
    assert worker.outstanding == 0


async def test_a_connection_closed_while_idle_is_made_again(model: Model) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await take(reader)  # reads the next request, and goes away without a word

    worker = await model.start(once)
    for _ in range(3):
        assert (await worker.request("POST", "/", {}, b"x", seconds=5)).body == b"ok"
    assert model.connections == 3


async def test_headers_cannot_break_out(model: Model) -> None:
    worker = await model.start(echo)
    with pytest.raises(ValueError, match="line break"):
        await worker.request("POST", "/", {"Accept": "x\r\nEvil: 1"}, b"", seconds=5)


async def test_streams_come_as_they_are_sent(model: Model) -> None:
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await writer.drain()
        await go.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    worker = await model.start(talk)
    answer, chunks = await worker.stream("POST", "/", {}, b"x", seconds=5, total=5)
    assert answer.status == 200
    assert await chunks.__anext__() == b"one"
    assert worker.outstanding == 1
    go.set()
    assert [c async for c in chunks] == [b"two"]
    assert worker.outstanding == 0


async def test_a_slow_reader_holds_the_worker_back(model: Model) -> None:
    total = 64 * 2**20
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await take(reader)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n".encode())
        for _ in range(64):
            writer.write(b"x" * 2**20)
            await writer.drain()
            sent += 2**20

    worker = await model.start(talk)
    _, chunks = await worker.stream("POST", "/", {}, b"x", seconds=5, total=20)
    first = await chunks.__anext__()
    for _ in range(50):
        await asyncio.sleep(0)
    assert sent < total // 2
    assert len(first) + sum([len(c) async for c in chunks]) == total


async def test_least_outstanding_and_weights(tmp_path: Path) -> None:
    routes = Routes()
    routes.put(("s", "e"), "e", [VariantSpec("a", 3.0, ["/a1", "/a2"]), VariantSpec("b", 1.0, ["/b"]), VariantSpec("z", 0.0, ["/z"])])
    route = routes.get(("s", "e"))
    assert route
    picks = [variant.name for _ in range(8) if (variant := route.pick())]
    assert picks.count("a") == 6
    assert picks.count("b") == 2
    target = route.pick("z")
    assert target
    assert target.name == "z"
    assert route.pick("none") is None
    busy, free = route.variants["a"].workers
    busy.outstanding = 1
    assert {w.path for _ in range(4) if (w := route.variants["a"].worker())} == {free.path}
    routes.put(("s", "e"), "e", [VariantSpec("a", 1.0, ["/a2"])])
    again = routes.get(("s", "e"))
    assert again
    assert again.variants["a"].workers == [free]

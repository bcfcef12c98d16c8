"""The gateway process's way to servers that speak HTTP only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sagewright.gateway import multimodel
from sagewright.gateway.answer import Answer, Broken
from sagewright.gateway.calls import Calls
from sagewright.wire.errors import ServiceError

HEAD = b"POST /invocations\ncontent-type:text/csv\nx-amzn-sagemaker-target-model:a.tar.gz"


class Server:
    """Answers with the heads that it got, on as many connections as it is asked on; ``hold`` keeps it from that."""

    def __init__(self, path: Path) -> None:
        self.path, self.heads = path, list[str]()
        self.more = ""
        """Further lines of its answers' heads."""
        self.hold = asyncio.Event()
        self.hold.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head.decode())
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
                body = await reader.readexactly(length)
                await self.hold.wait()
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\n{self.more}content-length: {length}\r\n\r\n".encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture(params=["model.sock", multimodel.NAME])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    made = Server(tmp_path / request.param)
    listening = await asyncio.start_unix_server(made.serve, str(made.path))
    yield made
    listening.close()


async def ask(calls: Calls, body: bytes) -> Answer | Exception:
    future: asyncio.Future[Answer | Exception] = asyncio.get_running_loop().create_future()
    calls.submit(HEAD, body, future.set_result)
    return await asyncio.wait_for(future, 10)


async def test_a_request_as_the_server_would_send_it(server: Server) -> None:
    calls = Calls(str(server.path), 10)
    answer = await ask(calls, b"1,2")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"1,2", "text/csv")
    [head] = server.heads
    assert head.startswith("POST /invocations HTTP/1.1\r\n")
    assert "\r\nContent-Type: text/csv\r\n" in head
    assert "\r\nX-Amzn-SageMaker-Target-Model: a.tar.gz\r\n" in head
    calls.close()


async def test_many_at_a_time(server: Server) -> None:
    calls = Calls(str(server.path), 10)
    server.hold.clear()
    asking = [asyncio.create_task(ask(calls, b"%d" % n)) for n in range(20)]
    await asyncio.sleep(0)
    assert calls.room(0.0)
    server.hold.set()
    assert [a.body for a in await asyncio.gather(*asking) if isinstance(a, Answer)] == [b"%d" % n for n in range(20)]
    calls.close()


async def test_no_answer_in_time(tmp_path: Path) -> None:
    """An instance of many models says that itself."""
    server = Server(tmp_path / "model.sock")
    listening = await asyncio.start_unix_server(server.serve, str(server.path))
    calls = Calls(str(server.path), 0.05)
    server.hold.clear()
    assert isinstance(await ask(calls, b"x"), TimeoutError)
    server.hold.set()
    listening.close()


async def test_nobody_there(tmp_path: Path) -> None:
    outcome = await ask(Calls(str(tmp_path / "none.sock"), 1), b"x")
    assert isinstance(outcome, Broken)
    assert outcome.untouched


async def test_what_an_instance_of_many_models_says(tmp_path: Path) -> None:
    server = Server(tmp_path / multimodel.NAME)
    server.more = f"{multimodel.OUTCOME}: no-model\r\n"
    listening = await asyncio.start_unix_server(server.serve, str(server.path))
    outcome = await ask(Calls(str(server.path), 10), b"there is no such model")
    assert isinstance(outcome, ServiceError)
    assert (outcome.code, outcome.message) == ("ValidationError", "there is no such model")
    listening.close()

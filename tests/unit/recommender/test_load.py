"""The load test's own program against a stand-in of the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sagewright.slices.recommender.engine.load import Failed, Test


class Gateway:
    """Answers requests as it is told; counts them by what they carry."""

    def __init__(self) -> None:
        self.answer: Callable[[bytes, int], tuple[int, bytes]] = lambda body, number: (200, body)
        self.bodies: Counter[bytes] = Counter()
        self.heads: list[str] = []
        self.most = self.connected = self.port = 0
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.busy = asyncio.Event()
        """Set once there were twenty requests."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        self.connected += 1
        self.most = max(self.most, self.connected)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head)
                assert length
                body = await reader.readexactly(int(length[1]))
                self.heads.append(head)
                self.bodies[body] += 1
                if sum(self.bodies.values()) >= 20:
                    self.busy.set()
                status, said = self.answer(body, sum(self.bodies.values()))
                # in two pieces: an answer need not come at once
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(said)}\r\n".encode())
                await asyncio.sleep(0)
                writer.write(b"\r\n" + said)
        self.connected -= 1
        self._connections.discard(writer)
        writer.transport.abort()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    await made.start()
    yield made
    await made.stop()


def load(gateway: Gateway, folder: Path, *users: int, seconds: float = 0.3, **limits: Any) -> Test:
    (folder / "a.csv").write_bytes(b"1,2")
    (folder / "b.csv").write_bytes(b"3,4,5")
    config = {
        "Name": "e", "Endpoint": "e", "Region": "us-east-1", "Payloads": str(folder), "ContentTypes": ["text/csv"], "Accept": "text/csv",
        "Segments": [{"Seconds": seconds, "Users": n, "PerMinute": 0} for n in users], "Limits": limits, "Until": 4e9,
    }
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    return Test(config, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{gateway.port}", **keys})


async def test_users_ask_in_closed_loops_with_every_payload(gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = await load(gateway, tmp_path, 1, 3).run()
    assert set(gateway.bodies) == {b"1,2", b"3,4,5"}
    assert max(gateway.bodies.values()) <= 1.3 * min(gateway.bodies.values()), "they take turns"
    assert gateway.most == 3
    asked = sum(gateway.bodies.values())
    assert asked - 5 <= found["Answered"] <= asked - 2, "the two that were tried do not count, nor those cut off at the end"
    assert (found["Failed"], found["Why"].split(".")[0]) == (0, "The traffic pattern is over")
    assert 0 < found["Latency"] < 1000
    assert 0.55 < found["End"] - found["Begin"] < 5
    assert all("content-type: text/csv" in head and "accept: text/csv" in head and "x-amz-security-token: c" in head for head in gateway.heads)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4, "two windows a level"
    assert all(re.search(r"NumberOfUsers=[13] ClientInvocations=\d+ ClientInvocationErrors=0 ClientLatency=[\d.]+ ms", line) for line in lines)


async def test_a_limit_ends_it(gateway: Gateway, tmp_path: Path) -> None:
    found = await load(gateway, tmp_path, 1, 1, 1, seconds=1, MaxInvocations=60).run()
    assert "reach MaxInvocations, 60" in found["Why"]
    assert found["End"] - found["Begin"] < 3, "the pattern goes on for three seconds"


async def test_a_refused_payload_is_told_before_any_load(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answer = lambda body, number: (424, b'{"Message": "no such column"}') if body == b"3,4,5" else (200, b"")
    with pytest.raises(Failed, match=r"ClientError: The payload b\.csv was answered with 424: no such column"):
        await load(gateway, tmp_path, 1).run()
    assert sum(gateway.bodies.values()) == 2


async def test_failures_count_and_too_many_are_no_result(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answer = lambda body, number: (500, b"{}") if number > 2 and number % 3 == 0 else (200, b"")
    with pytest.raises(Failed, match=r"\d+ of \d+ invocations of the load test failed"):
        await load(gateway, tmp_path, 1).run()


async def test_rights_that_are_taken_away_end_it(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answer = lambda body, number: (403, b'{"Message": "not authorized"}') if number > 20 else (200, b"")
    with pytest.raises(Failed, match="The endpoint refuses: 403: not authorized"):
        await load(gateway, tmp_path, 1, seconds=30.0).run()


async def test_a_server_that_is_away_for_a_while_is_borne(gateway: Gateway, tmp_path: Path) -> None:
    """What was counted meanwhile does not count, and the users come back."""
    test = load(gateway, tmp_path, 2, seconds=1.2)
    running = asyncio.create_task(test.run())
    await gateway.busy.wait()
    await gateway.stop()
    before = sum(gateway.bodies.values())
    await asyncio.sleep(0.1)
    await gateway.start()
    found = await running
    assert sum(gateway.bodies.values()) > before + 20
    assert found["Rate"] > 0
    assert found["Failed"] == 0


async def test_the_job_s_time_ends_it(gateway: Gateway, tmp_path: Path) -> None:
    test = load(gateway, tmp_path, 1, seconds=60.0)
    test.config["Until"] = time.time() + 0.3
    found = await test.run()
    assert found["Why"].startswith("JobDurationInSeconds is over.")

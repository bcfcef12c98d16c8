"""A client's connection to the gateway: what is a request, what goes back to the server, and what a client may hold up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest

from sagewright.gateway.front import AHEAD, Front, Fronts, Plain

LARGEST = 1 << 20
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Line:
    """A transport that notes what happens to it."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.out = b""
        self.closed = self.aborted = self.paused = False
        self.unsent = 0

    def get_extra_info(self, name: str) -> Any:
        return self.ours if name == "socket" else ("127.0.0.1", 1)

    def write(self, data: bytes) -> None:
        self.out += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Client:
    """A front with its line; ``asked`` are the requests that came, answered by nobody unless ``answering``."""

    def __init__(self, fronts: Fronts) -> None:
        self.line = Line()
        self.asked: list[Plain] = []
        self.given: list[tuple[bytes, bool]] = []
        self.answering = False
        self.came = asyncio.Event()
        self.front = Front(self.handle, self.give_back, fronts, LARGEST)
        self.front.connection_made(cast(asyncio.BaseTransport, self.line))

    def handle(self, plain: Plain) -> None:
        self.asked.append(plain)
        self.came.set()
        if self.answering:
            self.front.answer(OK)

    async def asks(self, count: int) -> None:
        """Wait until so many requests have come."""
        while len(self.asked) < count:
            await self.came.wait()
            self.came.clear()

    def give_back(self, connection: socket.socket, read: bytes, later: bool) -> None:
        connection.close()
        self.given.append((read, later))


@pytest.fixture
def fronts() -> Fronts:
    return Fronts()


@pytest.fixture
def client(fronts: Fronts) -> Iterator[Client]:
    made = Client(fronts)
    yield made
    made.line.ours.close()
    made.line.theirs.close()


def head(length: int, *more: str, path: str = "/endpoints/e/invocations") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Length: {length}", "Authorization: AWS4-HMAC-SHA256 x", *more, "", ""]
    return "\r\n".join(lines).encode()


async def test_a_request_in_any_pieces(client: Client) -> None:
    whole = head(5) + b"12345"
    for at in range(len(whole)):
        client.front.data_received(whole[at : at + 1])
    assert [plain.body for plain in client.asked] == [b"12345"]
    client.front.answer(OK)
    client.front.data_received(whole)
    assert [plain.body for plain in client.asked] == [b"12345", b"12345"]
    assert client.asked[1].name == "e"


async def test_what_is_not_plain_goes_back_whole(client: Client) -> None:
    request = head(3, "Expect: 100-continue") + b"abc" + b"POST"
    client.front.data_received(request)
    assert client.given == [(request, False)]
    assert client.line.aborted


async def test_what_nobody_here_can_answer_goes_back_with_all_that_was_read(client: Client) -> None:
    first, second = head(3) + b"abc", head(2) + b"de"
    client.front.data_received(first + second[:10])
    client.front.data_received(second[10:])
    client.asked[0].front.give_back(later=True)
    assert client.given == [(first + second, True)]


async def test_a_body_that_is_too_large_is_not_read(client: Client) -> None:
    """The server refuses it; nobody has it in memory here, however slowly or fast it comes."""
    client.front.data_received(head(LARGEST + 1) + b"x")
    assert client.given == [(head(LARGEST + 1) + b"x", False)]
    assert not client.asked


async def test_a_length_without_end(client: Client) -> None:
    client.front.data_received(head(int("9" * 40)))
    assert len(client.given) == 1


async def test_any_number_of_requests_sent_ahead(client: Client) -> None:
    client.answering = True
    client.front.data_received((head(1) + b"x") * 5_000)
    await client.asks(5_000)
    assert client.line.out == OK * 5_000


async def test_who_takes_no_answers_gets_no_more(client: Client) -> None:
    client.answering = True
    client.front.data_received(head(1) + b"x")
    client.front.pause_writing()
    for _ in range(3):
        client.front.data_received(head(1) + b"y")
    await asyncio.sleep(0)
    assert len(client.asked) == 1
    client.front.data_received(head(AHEAD) + b"z" * AHEAD)
    assert client.line.paused
    client.front.resume_writing()
    await client.asks(5)
    assert not client.line.paused


async def test_answers_that_are_owed_are_not_lost_with_what_goes_back(client: Client) -> None:
    client.front.data_received(head(1) + b"x")
    client.front.answer(OK)
    client.line.unsent = 10
    client.front.data_received(head(1, "Expect: 100-continue") + b"x")
    assert not client.given
    assert client.line.closed
    assert not client.line.aborted


async def test_a_client_that_has_gone_is_given_to_nobody(client: Client) -> None:
    client.front.data_received(head(1) + b"x")
    client.front.connection_lost(None)
    client.asked[0].front.give_back()
    client.front.answer(OK)
    assert not client.given
    assert not client.line.out


async def test_the_end_waits_for_answers(fronts: Fronts, client: Client) -> None:
    idle = Client(fronts)
    client.front.data_received(head(1) + b"x")
    ending = asyncio.create_task(fronts.end(10.0))
    await asyncio.sleep(0)
    assert idle.line.closed
    idle.front.connection_lost(None)
    await asyncio.sleep(0)
    assert not ending.done()
    client.front.answer(OK)
    assert client.line.closed
    client.front.connection_lost(None)
    await asyncio.wait_for(ending, 1.0)


async def test_the_end_does_not_wait_for_ever(fronts: Fronts, client: Client) -> None:
    client.front.data_received(head(1) + b"x")
    await asyncio.wait_for(fronts.end(0.01), 1.0)
    assert not client.line.closed

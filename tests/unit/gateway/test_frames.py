"""Both sides of an upgraded connection to a model server."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sagewright.gateway import admission, frames
from sagewright.gateway.answer import Answer, Broken
from sagewright.testing.waiting import until
from sagewright_container.http import Request, Response
from sagewright_container.serve import Handler, Server


class Echo(Handler):
    """Answers with what it got; ``batches`` holds how many came together."""

    together = True

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.hold = threading.Event()
        self.hold.set()

    def invoke(self, request: Request) -> Response:
        if request.body == b"fail":
            raise ValueError("no")
        if request.body == b"parts":
            return Response(iter([b"a", "b", b"", b"c"]), "text/plain")
        if request.body == b"broken":
            return Response(broken(), "text/plain")
        return Response(request.body, request.content_type, headers={"X-Custom": request.headers.get("accept", "")})

    def invoke_many(self, requests: Sequence[Request]) -> list[Response]:
        self.hold.wait(10)
        self.batches.append(len(requests))
        return super().invoke_many(requests)


def broken() -> Iterator[bytes]:
    yield b"a"
    raise RuntimeError("in the middle")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Echo, str]]:
    path = str(tmp_path / "model.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    handler = Echo()
    threading.Thread(target=Server(handler, 1 << 20).run, args=(listener,), daemon=True).start()
    yield handler, path
    handler.hold.set()
    listener.close()


HEAD = b"POST /invocations\ncontent-type:text/csv\naccept:x"


async def ask(connection: frames.Frames, body: bytes, head: bytes = HEAD) -> Answer | Exception:
    future: asyncio.Future[Answer | Exception] = asyncio.get_running_loop().create_future()
    connection.submit(head, body, future.set_result)
    return await asyncio.wait_for(future, 10)


async def connect(path: str) -> frames.Frames:
    found = await frames.connect(path)
    assert found is not None
    return found


async def test_answers(served: tuple[Echo, str]) -> None:
    connection = await connect(served[1])
    answer = await ask(connection, b"1,2")
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (200, b"1,2")
    assert answer.headers == {"content-type": "text/csv", "x-custom": "x"}
    large = await ask(connection, b"y" * (1 << 20))
    assert isinstance(large, Answer)
    assert large.body == b"y" * (1 << 20)
    failed = await ask(connection, b"fail")
    assert isinstance(failed, Answer)
    assert (failed.status, failed.body) == (500, b"ValueError: no")
    parts = await ask(connection, b"parts")
    assert isinstance(parts, Answer)
    assert parts.body == b"abc"
    ping = await ask(connection, b"", b"GET /ping")
    assert isinstance(ping, Answer)
    assert ping.status == 200
    assert isinstance(await ask(connection, b"broken"), Broken)
    assert isinstance(await ask(connection, b"still there"), Answer)
    connection.close()


async def test_a_model_that_has_nothing_to_do_begins_with_the_first(served: tuple[Echo, str]) -> None:
    handler, path = served
    connection = await connect(path)
    loop = asyncio.get_running_loop()
    asked: list[asyncio.Future[Answer | Exception]] = [loop.create_future() for _ in range(3)]
    connection.submit(HEAD, b"0", asked[0].set_result)
    until(lambda: handler.batches, 10)  # without a turn of the event loop
    for future in asked[1:]:
        connection.submit(HEAD, b"x", future.set_result)
    answers = await asyncio.wait_for(asyncio.gather(*asked), 10)
    assert [answer.body for answer in answers if isinstance(answer, Answer)] == [b"0", b"x", b"x"]
    assert handler.batches == [1, 2]
    connection.close()


async def test_what_comes_while_the_model_is_busy_is_predicted_together(served: tuple[Echo, str]) -> None:
    handler, path = served
    connection = await connect(path)
    await ask(connection, b"0")
    handler.hold.clear()
    first = [asyncio.create_task(ask(connection, b"%d" % n)) for n in range(2)]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(ask(connection, b"%d" % n)) for n in range(2, 40)]
    await asyncio.sleep(0)
    threading.Timer(0.3, handler.hold.set).start()
    answers = await asyncio.gather(*first, *waiting)
    assert [a.body for a in answers if isinstance(a, Answer)] == [b"%d" % n for n in range(40)]
    assert sum(handler.batches) == 41
    assert len(handler.batches) <= 4
    connection.close()


async def test_too_large_a_body_is_refused(served: tuple[Echo, str]) -> None:
    answer = await ask(await connect(served[1]), b"y" * ((1 << 20) + 1))
    assert isinstance(answer, Answer)
    assert answer.status == 413


async def test_one_that_is_too_large_costs_the_others_nothing(served: tuple[Echo, str]) -> None:
    handler, path = served
    connection = await connect(path)
    await ask(connection, b"0")
    handler.hold.clear()
    bodies = [b"1", b"y" * ((1 << 20) + 1), b"2", b"z" * (3 << 20), b"3"]
    asking = [asyncio.create_task(ask(connection, body)) for body in bodies]
    await asyncio.sleep(0.05)
    handler.hold.set()
    answers = [answer for answer in await asyncio.gather(*asking) if isinstance(answer, Answer)]
    assert [answer.status for answer in answers] == [200, 413, 200, 413, 200]
    assert [answer.body for answer in answers if answer.good] == [b"1", b"2", b"3"]
    after = await ask(connection, b"after")
    assert isinstance(after, Answer)
    assert after.body == b"after"
    connection.close()


async def test_answers_in_any_pieces() -> None:
    """A large answer is not looked through again with each piece of it."""
    connection = frames.Frames()
    connection.connection_made(asyncio.Transport())
    connection._upgraded.set_result(True)
    connection._write = lambda data: None  # type: ignore[method-assign]
    found: list[Answer | Exception] = []
    for _ in range(3):
        connection.submit(HEAD, b"", found.append)
    bodies = [b"a", b"b" * 5_000, b""]
    head = b"200\ncontent-type:text/csv"
    sent = b"".join(frames.FRAME.pack(len(head) + len(body), number, len(head), 0) + head + body for number, body in enumerate(bodies, 1))
    for at in range(0, len(sent), 7):
        connection.data_received(sent[at : at + 7])
    assert [answer.body for answer in found if isinstance(answer, Answer)] == bodies
    assert not connection._buffer


async def test_an_end_is_told_to_whoever_waits(served: tuple[Echo, str]) -> None:
    handler, path = served
    connection = await connect(path)
    handler.hold.clear()
    asking = [asyncio.create_task(ask(connection, b"%d" % n)) for n in range(3)]
    await asyncio.sleep(0.05)
    connection.expire(0.0)
    assert all(isinstance(a, TimeoutError) for a in await asyncio.gather(*asking))
    sent = asyncio.create_task(ask(connection, b"sent"))
    await asyncio.sleep(0.05)
    unsent = asyncio.create_task(ask(connection, b"not sent"))
    asyncio.get_running_loop().call_soon(connection.close)
    outcome, other = await asyncio.gather(sent, unsent)
    assert isinstance(outcome, Broken)
    assert isinstance(other, Broken)
    assert not outcome.untouched
    assert not connection.usable


async def test_an_end_that_one_cannot_take_is_told_to_the_others(served: tuple[Echo, str]) -> None:
    handler, path = served
    connection = await connect(path)
    handler.hold.clear()
    wrong: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: wrong.append(context["exception"]))

    def fail(outcome: Answer | Exception) -> None:
        raise RuntimeError("its client has gone")

    connection.submit(HEAD, b"1", fail)
    asking = asyncio.create_task(ask(connection, b"2"))
    await asyncio.sleep(0)
    connection.close()
    assert isinstance(await asking, Broken)
    assert [type(error) for error in wrong] == [RuntimeError]


async def test_a_server_that_speaks_http_only(tmp_path: Path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = await asyncio.start_unix_server(plain, str(tmp_path / "s"))
    assert await frames.connect(str(tmp_path / "s")) is None
    server.close()


async def test_room_is_for_as_many_as_are_answered_in_time(served: tuple[Echo, str]) -> None:
    """A few may always wait; more only behind a model that is fast enough; nobody without end."""
    handler, path = served
    connection = await connect(path)
    await ask(connection, b"0")
    handler.hold.clear()
    waiting = [asyncio.create_task(ask(connection, b"%d" % n)) for n in range(admission.FEWEST - 1)]
    await asyncio.sleep(0)
    connection.admission.pace = 1.0
    assert connection.room(0.5)
    waiting.append(asyncio.create_task(ask(connection, b"last")))
    await asyncio.sleep(0)
    assert connection.room(admission.FEWEST)
    assert not connection.room(admission.FEWEST - 0.5)
    assert connection.strained
    handler.hold.set()
    assert all(isinstance(answer, Answer) for answer in await asyncio.gather(*waiting))
    assert connection.room(0.5)
    assert 0 < connection.admission.pace < 1.0, "what is answered together shares its time"
    connection.close()


async def test_what_the_model_has_not_got_can_still_be_refused(served: tuple[Echo, str]) -> None:
    handler, path = served
    connection = await connect(path)
    await ask(connection, b"0")
    handler.hold.clear()
    connection.admission.pace, connection._span = 0.01, admission.FEWEST
    asking = [asyncio.create_task(ask(connection, b"%d" % n)) for n in range(200)]
    await asyncio.sleep(0)
    assert not connection.room(1.0)
    handler.hold.set()
    outcomes = await asyncio.gather(*asking)
    answers = [outcome.body for outcome in outcomes if isinstance(outcome, Answer)]
    assert answers == [b"%d" % n for n in range(len(answers))], "who came first is answered"
    assert len(answers) >= admission.FEWEST
    refused = outcomes[len(answers) :]
    assert refused
    assert all(isinstance(outcome, frames.Refused) for outcome in refused)
    connection.close()


async def test_what_waits_here_goes_on_when_the_model_has_answered(served: tuple[Echo, str]) -> None:
    handler, path = served
    connection = await connect(path)
    await ask(connection, b"0")
    handler.hold.clear()
    connection._span = 3
    asking = [asyncio.create_task(ask(connection, b"%d" % n)) for n in range(50)]
    await asyncio.sleep(0)
    handler.hold.set()
    assert [a.body for a in await asyncio.gather(*asking) if isinstance(a, Answer)] == [b"%d" % n for n in range(50)]
    connection.close()


async def test_what_waits_here_is_given_up_in_time_and_is_nobodys_when_the_model_ends(served: tuple[Echo, str]) -> None:
    handler, path = served
    connection = await connect(path)
    await ask(connection, b"0")
    handler.hold.clear()
    connection._span = 1
    late = [asyncio.create_task(ask(connection, b"%d" % n)) for n in range(3)]
    await asyncio.sleep(0.01)  # they have been waiting for a while
    connection.expire(0.0)
    assert all(isinstance(outcome, TimeoutError) for outcome in await asyncio.gather(*late))
    asking = [asyncio.create_task(ask(connection, b"%d" % n)) for n in range(3)]
    await asyncio.sleep(0.01)
    connection.close()
    outcomes = await asyncio.gather(*asking)
    assert [isinstance(outcome, Broken) and outcome.untouched for outcome in outcomes] == [False, True, True]

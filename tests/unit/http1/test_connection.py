"""The HTTP server under a small app, over raw sockets: framing, limits, flow control, clients that misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sagewright.http1 import Shared, connection
from sagewright.http1.direct import LARGE
from sagewright.http1.exchange import PEER
from sagewright.listener import Listener

END = b"\r\n\r\n"


class Site:
    """An app whose paths are the cases; what happened stands in ``seen``."""

    def __init__(self, folder: Path) -> None:
        self.seen: list[Any] = []
        self.arrived, self.left = asyncio.Event(), asyncio.Event()
        self.file = folder / "file"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = scope["path"].strip("/")
        self.seen.append((scope["method"], scope["path"], scope["query_string"]))
        self.arrived.set()
        await getattr(self, name.partition("/")[0] or "echo")(scope, receive, send)

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.seen.append("disconnect")
                return
            body, more = body + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def past(self, scope: Any, receive: Any, send: Any) -> None:
        """Reads the body past the parser, in blocks of an odd size, and answers what it was."""
        direct = scope["extensions"][PEER].direct()
        if direct is None:
            await self.echo(scope, receive, send)
            return
        memory, body, waits = memoryview(bytearray(300_001)), hashlib.md5(), 0
        try:
            while direct.left:
                count = direct.read_into(memory)
                body.update(memory[:count])
                if not count:
                    waits += 1
                    await direct.wait()
        except EOFError:
            self.left.set()
        finally:
            direct.close()
        self.seen.append(waits)
        text = body.hexdigest().encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
        await send({"type": "http.response.body", "body": text})

    async def refuse(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"2"), (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"no"})

    async def chunks(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one", b"", b"two" * 50_000):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def split(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: b")]})

    async def short(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"half!", "more_body": True})
        raise RuntimeError("the disk is gone")

    async def nothing(self, scope: Any, receive: Any, send: Any) -> None:
        return

    async def sized(self, scope: Any, receive: Any, send: Any) -> None:
        count = self.file.stat().st_size
        with self.file.open("rb") as file:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % (count + 5))]})
            await send({"type": "http.response.zerocopysend", "file": file.fileno(), "offset": 0, "count": count, "more_body": True})
        self.seen.append("sent")
        await send({"type": "http.response.body", "body": b"+tail"})

    async def flood(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(1000):
            self.seen = [number]
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})


Served = tuple[Site, int, Listener]


def served(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test against a served ``Site``, once on each event loop that a server may have."""

    def run(loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, **given: Any) -> None:
        async def main() -> None:
            site = Site(tmp_path)
            listener = Listener(site, "127.0.0.1", 0)
            await listener.start()
            try:
                await test((site, listener.port, listener), **given)
            finally:
                await listener.stop(0.2)

        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(main())

    more = [p for p in inspect.signature(test).parameters.values() if p.name != "site"]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    run.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in ("loop", "tmp_path")] + more)  # type: ignore[attr-defined]
    run.__doc__ = test.__doc__
    run.pytestmark = getattr(test, "pytestmark", [])  # type: ignore[attr-defined]
    return pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])(run)


async def exchange(port: int, sent: bytes) -> bytes:
    """Everything that comes back until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(10):
        answer = await reader.read(-1)
    writer.close()
    return answer


CLOSE = b"connection: close\r\n"


@served
async def test_pipelined_requests_are_answered_in_order(site: Served) -> None:
    posts = [b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n%03d" % n for n in range(50)]
    answer = await exchange(site[1], b"".join(posts) + b"GET /chunks HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n")
    found = answer.split(b"HTTP/1.1 200 OK")
    assert [one.rpartition(END)[2] for one in found[1:51]] == [b"%03d" % n for n in range(50)]
    assert len(found) == 52


@served
async def test_a_body_without_length_comes_in_chunks(site: Served) -> None:
    answer = await exchange(site[1], b"GET /chunks HTTP/1.1\r\n" + CLOSE + b"\r\n")
    head, _, body = answer.partition(END)
    assert b"transfer-encoding: chunked" in head
    assert b"connection: close" in head
    assert body == b"3\r\none\r\n%x\r\n%s\r\n0\r\n\r\n" % (150_000, b"two" * 50_000)


@served
async def test_http_1_0_gets_no_chunks_and_a_closed_connection(site: Served) -> None:
    head, _, body = (await exchange(site[1], b"GET /chunks HTTP/1.0\r\n\r\n")).partition(END)
    assert b"chunked" not in head
    assert body == b"one" + b"two" * 50_000


@served
async def test_head_has_the_length_and_no_body(site: Served) -> None:
    answer = await exchange(site[1], b"HEAD /refuse HTTP/1.1\r\n\r\n")
    assert answer.endswith(END)
    assert b"content-length: 2" in answer


@served
async def test_a_chunked_request_and_its_trailers(site: Served) -> None:
    sent = b"POST /?a=%20b HTTP/1.1\r\ntransfer-encoding: chunked\r\n" + CLOSE + b"\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nhost: evil\r\n\r\n"
    assert (await exchange(site[1], sent)).endswith(b"\r\n\r\nabcde")
    assert site[0].seen == [("POST", "/", b"a=%20b")]


@served
async def test_continue_is_said_only_when_the_body_is_wanted(site: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site[1])
    writer.write(b"PUT / HTTP/1.1\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(END) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"ok" + b"PUT /refuse HTTP/1.1\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
    rest = await reader.read(-1)
    assert b"100 Continue" not in rest
    assert rest.endswith(b"no")
    writer.close()


@served
async def test_a_refused_sender_can_read_the_answer(site: Served) -> None:
    """Closing while bytes are unread would reset the connection and take the answer with it."""
    for _ in range(5):
        answer = await exchange(site[1], b"PUT /refuse HTTP/1.1\r\ncontent-length: 900000\r\n\r\n" + bytes(300_000))
        assert answer.endswith(b"no")


@served
async def test_a_large_body_is_read_past_the_parser_and_the_next_request_is_not(site: Served) -> None:
    data = os.urandom(3 * LARGE + 7)
    head = b"PUT /past HTTP/1.1\r\ncontent-length: %d\r\n" % len(data)
    small = b"PUT /past HTTP/1.1\r\ncontent-length: 2\r\n\r\nok"
    reader, writer = await asyncio.open_connection("127.0.0.1", site[1])
    for expects in (b"", b"expect: 100-continue\r\n"):
        writer.write(head + expects + b"\r\n")
        if expects:
            assert await reader.readuntil(END) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(data + small)
        assert (await reader.readuntil(END)).startswith(b"HTTP/1.1 200 OK")
        assert await reader.readexactly(32) == hashlib.md5(data).hexdigest().encode()
        await reader.readuntil(END)
        assert await reader.readexactly(2) == b"ok"
    writer.close()


@served
async def test_a_reader_of_a_large_body_waits_and_is_woken(site: Served) -> None:
    data = os.urandom(2 * LARGE)
    reader, writer = await asyncio.open_connection("127.0.0.1", site[1])
    writer.write(b"PUT /past HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(data) + data[:100])
    async with asyncio.timeout(10):
        await site[0].arrived.wait()
        writer.write(data[100:-1])
        await writer.drain()
        writer.write(data[-1:])
        await reader.readuntil(END)
        assert await reader.readexactly(32) == hashlib.md5(data).hexdigest().encode()
    assert site[0].seen[-1] > 0
    writer.close()


@served
async def test_who_leaves_in_the_middle_of_a_large_body(site: Served) -> None:
    for abort in (False, True):
        _, writer = await asyncio.open_connection("127.0.0.1", site[1])
        writer.write(b"PUT /past HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (5 * LARGE) + bytes(LARGE))
        await writer.drain()
        if abort:
            writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        async with asyncio.timeout(10):
            await site[0].left.wait()
        site[0].left.clear()


@served
async def test_a_large_body_that_nobody_reads_past_the_parser_is_received(site: Served) -> None:
    data = os.urandom(3 * LARGE)
    answer = await exchange(site[1], b"PUT / HTTP/1.1\r\ncontent-length: %d\r\n%s\r\n" % (len(data), CLOSE) + data)
    assert answer.endswith(data)
    refused = await exchange(site[1], b"PUT /refuse HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
    assert refused.endswith(b"no")


@pytest.mark.parametrize("sent", [
    b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
])
@served
async def test_what_cannot_be_read_is_refused(site: Served, sent: bytes) -> None:
    answer = await exchange(site[1], sent)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1") == 1


@served
async def test_garbage_after_a_request_does_not_cost_its_answer(site: Served) -> None:
    answer = await exchange(site[1], b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nokgarbage\r\n\r\n")
    assert b"\r\n\r\nok" in answer
    assert answer.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("endless", [b"GET / HTTP/1.1\r\nx: ", b"GET /", b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: "])
@served
async def test_a_head_has_an_end(site: Served, endless: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site[1])
    writer.write(endless)
    answer = asyncio.create_task(reader.read(-1))
    try:
        for _ in range(200):
            writer.write(b"a" * 4096)
            await writer.drain()
            await asyncio.sleep(0)
            if answer.done():
                break
        async with asyncio.timeout(5):
            assert (await answer).startswith(b"HTTP/1.1 431") or endless.startswith(b"POST")
    except ConnectionError:
        pass  # cut off while still sending
    writer.close()


@served
async def test_an_upgrade_is_ignored(site: Served) -> None:
    sent = b"POST / HTTP/1.1\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n"
    answer = await exchange(site[1], sent)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


@pytest.mark.parametrize("path", [b"split", b"nothing"])
@served
async def test_a_broken_application_is_a_500(site: Served, path: bytes) -> None:
    answer = await exchange(site[1], b"GET /%s HTTP/1.1\r\n\r\n" % path)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"cookie" not in answer


@served
async def test_half_an_answer_ends_with_a_broken_connection(site: Served) -> None:
    try:
        answer = await exchange(site[1], b"GET /short HTTP/1.1\r\n\r\n")
    except ConnectionError:
        return
    assert not answer.endswith(b"0\r\n\r\n")
    assert len(answer.partition(END)[2]) < 10


@served
async def test_files_go_out_whole_to_a_slow_reader(site: Served) -> None:
    data = os.urandom(30 << 20)
    site[0].file.write_bytes(data)
    reader, writer = await asyncio.open_connection("127.0.0.1", site[1], limit=1 << 16)
    writer.write(b"GET /sized HTTP/1.1\r\n\r\n" * 2)
    for _ in range(2):
        await reader.readuntil(END)
        digest = hashlib.sha256()
        left = len(data)
        while left:
            piece = await reader.read(min(left, 1 << 18))
            digest.update(piece)
            left -= len(piece)
        assert digest.digest() == hashlib.sha256(data).digest()
        assert await reader.readexactly(5) == b"+tail"
    writer.close()


@served
async def test_a_reader_that_leaves_ends_the_sending_of_a_file(site: Served) -> None:
    site[0].file.write_bytes(bytes(64 << 20))
    client = socket.create_connection(("127.0.0.1", site[1]))
    client.sendall(b"GET /sized HTTP/1.1\r\n\r\n")
    await asyncio.to_thread(client.recv, 1000)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    async with asyncio.timeout(5):
        while site[2]._shared.tasks:
            await asyncio.wait([*site[2]._shared.tasks])
    assert not site[2]._shared.connections


@served
async def test_a_slow_reader_holds_the_application_back(site: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site[1], limit=1 << 16)
    writer.write(b"GET /flood HTTP/1.1\r\n\r\n")
    await reader.readuntil(END)
    before = -1
    while before != site[0].seen[0]:
        before = site[0].seen[0]
        await asyncio.sleep(0.1)  # until it moves no more
    assert before < 30
    writer.transport.abort()


@pytest.mark.parametrize("path", [b"flood", b"sized"])
@served
async def test_a_reader_that_reads_no_more_is_let_go(site: Served, path: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALLED", 0.2)
    with site[0].file.open("wb") as file:
        file.truncate(64 << 20)
    client = socket.create_connection(("127.0.0.1", site[1]))
    client.sendall(b"GET /%b HTTP/1.1\r\n\r\n" % path)
    await site[0].arrived.wait()
    async with asyncio.timeout(10):
        while site[2]._shared.tasks:
            await asyncio.wait([*site[2]._shared.tasks])
    assert not site[2]._shared.connections
    client.close()


@served
async def test_a_slow_application_holds_the_sender_back(site: Served) -> None:
    """While nobody reads a body, only so much of it comes in."""
    gate = asyncio.Event()
    echo = site[0].echo

    async def later(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        await echo(scope, receive, send)

    site[0].echo = later  # type: ignore[method-assign]
    client = socket.create_connection(("127.0.0.1", site[1]))
    client.setblocking(False)
    size = 64 << 20
    client.send(b"POST / HTTP/1.1\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % size)
    await site[0].arrived.wait()
    sent, stuck = 0, 0
    while stuck < 20:
        try:
            sent, stuck = sent + client.send(bytes(1 << 16)), 0
        except BlockingIOError:
            stuck += 1
            await asyncio.sleep(0.01)
    held = [c._receiving.unread for c in site[2]._shared.connections if c._receiving]
    assert max(held) <= connection.READ_AHEAD + (1 << 18)
    gate.set()
    client.close()


async def test_who_says_nothing_is_let_go() -> None:
    closed: list[int] = []

    class Pipe(asyncio.Transport):
        def set_write_buffer_limits(self, *_: Any) -> None: ...

        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return default

        def close(self) -> None:
            closed.append(1)

    shared = Shared(None, keep_alive=0.0)  # type: ignore[arg-type]
    made = connection.Connection(shared)
    made.connection_made(Pipe())
    made.idle_since = 1.0
    shared.sweep()
    assert closed == [1]
    made.idle_since = None
    shared.sweep()
    assert closed == [1]

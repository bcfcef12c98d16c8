"""Other protocols after an Upgrade: bytes both ways, each side held back by the other, an end that both sides see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from sagewright.http1.exchange import PEER
from sagewright.http1.tunnel import HELD
from sagewright.listener import Listener

END = b"\r\n\r\n"
ASK = b"GET /%b HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"


class Site:
    """Its paths are the cases; ``read`` is what a tunnel has read."""

    def __init__(self) -> None:
        self.read = b""
        self.open, self.over, self.on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.written = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        peer = scope["extensions"][PEER]
        if scope["path"] == "/refused":
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"no"})
            return
        tunnel = peer.switch([("upgrade", "websocket"), ("connection", "Upgrade")])
        if tunnel is None:
            await send({"type": "http.response.start", "status": 426, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        self.open.set()
        try:
            await getattr(self, scope["path"].strip("/"))(tunnel)
        finally:
            tunnel.close()
            self.over.set()

    async def echo(self, tunnel: Any) -> None:
        while data := await tunnel.read():
            await tunnel.write(data)
            if data.endswith(b"bye"):
                return

    async def late(self, tunnel: Any) -> None:
        await self.on.wait()
        while data := await tunnel.read():
            self.read += data

    async def flood(self, tunnel: Any) -> None:
        while True:
            await tunnel.write(bytes(1 << 20))
            self.written += 1


Served = tuple[Site, Listener]


def served(test: Callable[[Served], Awaitable[None]]) -> Callable[..., None]:
    def run(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        async def main() -> None:
            site = Site()
            listener = Listener(site, "127.0.0.1", 0)
            await listener.start()
            try:
                async with asyncio.timeout(30):
                    await test((site, listener))
            finally:
                await listener.stop(0.2)

        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(main())

    run.__doc__ = test.__doc__
    return pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])(run)


async def opened(listener: Listener, path: bytes, more: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(ASK % path + more)
    return reader, writer, await reader.readuntil(END)


async def turns(come: Callable[[], bool], most: int = 10_000_000) -> None:
    """Turns of the event loop until something has come to pass, which tells nobody."""
    for _ in range(most):
        if come():
            return
        await asyncio.sleep(0)


@served
async def test_bytes_go_both_ways_from_the_first_on(given: Served) -> None:
    reader, writer, head = await opened(given[1], b"echo", b"with the head,")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"upgrade: websocket\r\n" in head
    assert b"content-length" not in head
    assert await reader.readexactly(14) == b"with the head,"
    writer.write(b"\x00\xffGET / HTTP/1.1\r\n\r\nbye")
    assert await reader.read(-1) == b"\x00\xffGET / HTTP/1.1\r\n\r\nbye"
    await given[0].over.wait()
    writer.close()


@served
async def test_a_peer_that_sends_more_than_is_read_has_to_wait(given: Served) -> None:
    _, writer, _ = await opened(given[1], b"late")
    sent = bytes(range(256)) * (64 << 10)  # 16 MiB
    writer.write(sent)
    writing = asyncio.create_task(writer.drain())
    tunnel = next(iter(given[1]._shared.connections))._tunnel
    assert tunnel is not None
    await turns(lambda: tunnel._held > HELD)
    await turns(lambda: False, 100)
    assert tunnel._held < HELD + (1 << 20)  # one read of the event loop beyond the limit
    assert not writing.done()
    given[0].on.set()
    await writing
    writer.write_eof()
    await given[0].over.wait()
    assert given[0].read == sent


@served
async def test_an_application_that_writes_more_than_is_taken_has_to_wait(given: Served) -> None:
    reader, writer, _ = await opened(given[1], b"flood")
    before = -1
    while given[0].written > before:  # the system and the reader take some in, and then no more; without end if nobody waits
        before = given[0].written
        await turns(lambda: False, 1_000)
    assert next(iter(given[1]._shared.connections)).write_paused
    await reader.readexactly(8 << 20)
    writer.transport.abort()
    await given[0].over.wait()


@served
async def test_a_refusal_is_an_ordinary_answer_and_the_end(given: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", given[1].port)
    writer.write(ASK % b"refused" + b"what nobody reads")
    answer = await reader.read(-1)
    assert answer.startswith(b"HTTP/1.1 403")
    assert answer.endswith(b"no")
    writer.close()


@served
async def test_nothing_switches_that_was_not_asked_to(given: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", given[1].port)
    writer.write(b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await reader.readuntil(END)).startswith(b"HTTP/1.1 426")
    writer.close()


@served
async def test_a_server_that_stops_ends_its_tunnels_at_once(given: Served) -> None:
    reader, writer, _ = await opened(given[1], b"late")
    given[0].on.set()
    await given[1].stop(20)
    assert await reader.read(-1) == b""
    assert given[0].over.is_set()
    writer.close()

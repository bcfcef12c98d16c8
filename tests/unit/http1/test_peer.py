"""The short way of a request: its whole body taken and its whole answer sent in one step, and when that is refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from sagewright.http1.exchange import JOINED, PEER
from sagewright.listener import Listener

App = Callable[[Any, Any, Any], Awaitable[None]]


def asked(app: App, *requests: bytes) -> bytes:
    """Everything that comes back for some requests on one connection, the last of which ends it."""

    async def main() -> bytes:
        listener = Listener(app, "127.0.0.1", 0)
        await listener.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"".join(requests))
            async with asyncio.timeout(10):
                answer = await reader.read(-1)
            writer.close()
            return answer
        finally:
            await listener.stop(0.2)

    return asyncio.run(main())


def put(body: bytes, *, end: bool = True, method: bytes = b"PUT") -> bytes:
    return b"%b / HTTP/1.1\r\nHost: h\r\n%bContent-Length: %d\r\n\r\n%b" % (method, b"Connection: close\r\n" if end else b"", len(body), body)


def test_bodies_are_taken_once_and_answers_follow_in_order() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        peer = scope["extensions"][PEER]
        body = peer.whole()
        seen.append((body, peer.whole()))
        assert peer.answer(200, [("x-said", "yes")], b"<" + body + b">")
        assert not peer.answer(200, [], b"twice")

    found = asked(app, put(b"one", end=False), put(b"", end=False), put(b"three"))
    assert seen == [(b"one", None), (b"", None), (b"three", None)]
    heads = found.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [head.rpartition(b"\r\n\r\n")[2] for head in heads] == [b"<one>", b"<>", b"<three>"]
    assert all(b"\r\nx-said: yes\r\n" in head and head.count(b"content-length: ") == 1 for head in heads)
    assert [b"connection: close" in head for head in heads] == [False, False, True]


def test_a_body_that_is_still_coming_is_not_whole() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        peer, body = scope["extensions"][PEER], b""
        seen.append(peer.whole())
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
            seen.append(peer.whole())
        seen.append(peer.whole())
        assert peer.answer(200, [], b"%d" % len(body))

    size = 300_000  # more than one read of a socket brings
    assert asked(app, put(b"x" * size)).endswith(b"\r\n\r\n300000")
    assert set(seen) == {None}


@pytest.mark.parametrize(("status", "headers", "body", "method"), [
    (200, [("x", "a\r\nset-cookie: b")], b"", b"PUT"), (200, [("x", "a\nb")], b"", b"PUT"), (200, [("x", "a\0b")], b"", b"PUT"),
    (200, [("x", "漢")], b"", b"PUT"), (204, [], b"", b"PUT"), (304, [], b"", b"PUT"), (200, [], b"", b"HEAD"),
    (200, [], b"x" * (JOINED + 1), b"PUT"),
])  # fmt: skip
def test_what_needs_a_closer_look_goes_the_long_way(status: int, headers: list[tuple[str, str]], body: bytes, method: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert not scope["extensions"][PEER].answer(status, headers, body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    found = asked(app, put(b"", method=method))
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert found.count(b"HTTP/1.1") == 1
    assert b"set-cookie" not in found


def test_what_comes_while_a_connection_changes_hands_stays_behind_what_was_read() -> None:
    """The rest of a body is in the socket before the listener hears of the connection."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def main() -> bytes:
        listener = Listener(app, "127.0.0.1", 0)
        await listener.start()
        try:
            client, its = socket.socketpair()
            its.setblocking(False)
            request = put(b"a body")
            client.sendall(request[-4:])
            listener.adopt(its, request[:-4])
            reader, writer = await asyncio.open_connection(sock=client)
            async with asyncio.timeout(10):
                answer = await reader.read(-1)
            writer.close()
            return answer
        finally:
            await listener.stop(0.2)

    for run in (asyncio.run, uvloop.run):
        answer = run(main())
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
        assert answer.endswith(b"\r\n\r\na body")

"""Answers on their way out: bytes, slices of files and streams, over ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from .http import Answer
from .types import FileSlice

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

ZEROCOPY = "http.response.zerocopysend"
PEER = "sagewright.peer"
"""ASGI extension of our own listener: a ``Peer``."""
_PIECE = 1 << 20
_INLINE = 1 << 17
_BARE = {204, 304}


class Direct(Protocol):
    """A large request body on its way past parser and event loop; ``http1.direct`` says more."""

    left: int

    def read_into(self, memory: memoryview) -> int: ...

    async def wait(self) -> None: ...

    def close(self) -> None: ...


class Peer(Protocol):
    """What our listener does without messages and without waiting, for the many short requests."""

    def ready(self) -> bool:
        """Whether ``receive`` would answer at once."""
        ...

    def whole(self) -> bytes | None:
        """The whole body of the request, once, if it is here."""
        ...

    def direct(self) -> Direct | None:
        """The rest of a large body, for a reader that brings its own memory; None where it has to be received."""
        ...

    def answer(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bool:
        """Send a whole answer; False if it has to go by ``send``."""
        ...


class Disconnected(Exception):
    """The client went away while its answer was being sent."""


async def respond(answer: Answer, method: str, receive: Receive, send: Send, *, zerocopy: bool = False) -> None:
    """Send an answer. A stream that fails before its first piece raises before anything is sent.

    Args:
        answer: its headers are completed with content-length where the length is known.
        method: of the request; HEAD gets the head alone.
        receive: watched for a disconnect while a stream is being sent, when the request body has been read.
        send: of ASGI.
        zerocopy: whether the server can send files itself (ASGI's extension ``http.response.zerocopysend``).
    """
    body = answer.body
    if method == "HEAD" or answer.status in _BARE:
        await _release(body)
        await _head_only(answer, method, send)
    elif isinstance(body, bytes):
        answer.headers["content-length"] = str(len(body))
        await send(_start(answer))
        await send({"type": "http.response.body", "body": body})
    elif isinstance(body, FileSlice):
        answer.headers["content-length"] = str(body.length)
        if zerocopy and body.length > _INLINE:
            await _hand_over(answer, body, send)
        else:
            await _stream(answer, _file(body), receive, send)
    else:
        await _stream(answer, body, receive, send)


async def _hand_over(answer: Answer, piece: FileSlice, send: Send) -> None:
    """Let the server send a file; it notices by itself when the client goes away."""
    file = piece.file if piece.file is not None else await asyncio.to_thread(piece.path.open, "rb")
    try:
        await send(_start(answer))
        await send({"type": ZEROCOPY, "file": file.fileno(), "offset": piece.offset, "count": piece.length})
    finally:
        file.close()


async def _head_only(answer: Answer, method: str, send: Send) -> None:
    if answer.status in _BARE:
        answer.headers.pop("content-length", None)
    elif method == "HEAD" and "content-length" not in answer.headers:
        length = len(answer.body) if isinstance(answer.body, bytes) and answer.status < 300 else 0
        answer.headers["content-length"] = str(length)
    if answer.status in _BARE and answer.status == 204:
        answer.headers.pop("content-type", None)
    await send(_start(answer))
    await send({"type": "http.response.body", "body": b""})


def _start(answer: Answer) -> dict[str, Any]:
    headers = [(k.encode("latin-1"), _header(v)) for k, v in answer.headers.items()]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


def _header(value: str) -> bytes:
    """A header value that cannot end its line; characters beyond Latin-1 travel as UTF-8."""
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "replace")
    return raw.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in raw or b"\r" in raw else raw


async def _stream(answer: Answer, body: AsyncIterable[bytes], receive: Receive, send: Send) -> None:
    pieces = aiter(body)
    try:
        first = await anext(pieces, b"")
        await send(_start(answer))
        gone = asyncio.create_task(_gone(receive))
        sending = asyncio.create_task(_send_all(first, pieces, send))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise Disconnected
            await sending
        finally:
            for task in (gone, sending):
                if not task.done():
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
    finally:
        await _release(pieces)
        if pieces is not body:
            await _release(body)


async def _send_all(first: bytes, pieces: AsyncIterator[bytes], send: Send) -> None:
    await send({"type": "http.response.body", "body": first, "more_body": True})
    async for piece in pieces:
        if piece:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _release(body: Any) -> None:
    """Close what an answer holds open."""
    if isinstance(body, FileSlice):
        if body.file is not None:
            body.file.close()
        return
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()


async def _file(piece: FileSlice) -> AsyncIterator[bytes]:
    """A slice in large pieces; the next is read while the last is being sent."""
    file = piece.file if piece.file is not None else await asyncio.to_thread(piece.path.open, "rb")
    try:
        descriptor = file.fileno()
        at, end = piece.offset, piece.offset + piece.length
        if piece.length <= _INLINE:
            data = os.pread(descriptor, piece.length, at)
            if len(data) != piece.length:
                raise EOFError(f"{piece.path} is shorter than it was")
            if data:
                yield data
            return
        loop = asyncio.get_running_loop()
        ahead = loop.run_in_executor(None, os.pread, descriptor, min(_PIECE, end - at), at)
        while at < end:
            data = await asyncio.shield(ahead)  # to cancel it would not stop the thread, only make it look done
            if not data:
                raise EOFError(f"{piece.path} is shorter than it was")
            at += len(data)
            if at < end:
                ahead = loop.run_in_executor(None, os.pread, descriptor, min(_PIECE, end - at), at)
            yield data
    finally:
        if "ahead" in locals() and not ahead.done():
            await asyncio.wait([ahead])  # the thread still reads from the descriptor
        file.close()

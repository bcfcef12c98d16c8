"""Many requests on one connection: how the platform's gateway talks to a model server that offers it.

A connection begins as HTTP and is upgraded (``Upgrade: sagewright-frames``). From then on each side sends frames: a fixed
part (``FRAME``: bytes that follow, number of the request, bytes of the head, flags), the head, the body. A request's head is
``POST /invocations`` and a line for each header, ``name:value``; an answer's begins with its status. Everything that has come
in by the time the model is free is answered together, so that a model that predicts in batches gets batches, and nobody
waits for one to fill.
"""

import functools
import socket
import struct
import threading
from typing import Any, Callable, Dict, Iterable, List, Tuple

from . import threads
from .errors import HttpError
from .http import Request, Response

NAME = "sagewright-frames"
SWITCH = ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" % NAME).encode()
FRAME = struct.Struct("!IIHB")
MORE = 1
"""Flag: the body goes on in another frame of the same number, which has no head."""
BROKEN = 2
"""Flag: the answer broke off; nothing more of it will come."""
PIECE = 1 << 18
"""Bytes that are read at once."""

Numbered = List[Tuple[int, Request]]


class Session:
    """One upgraded connection.

    Args:
        answer: one request's response, never an exception.
        together: the responses of several requests at once; None if nothing is gained by that.
        refuse: the response for an error.
        limit: bytes that a request's body may hold.
    """

    def __init__(
        self, connection: socket.socket, answer: Callable[[Request], Response], together: Any,
        refuse: Callable[[Exception], Response], limit: int,
    ) -> None:
        self._connection, self._answer, self._together = connection, answer, together
        self._refuse, self._limit = refuse, limit
        self._sending = threading.Lock()
        self._unwanted = 0
        """Bytes still to come of a request that was refused."""

    def run(self) -> None:
        """Answer until the peer closes."""
        begun = bytearray()
        room = memoryview(bytearray(PIECE))  # one for all reads: to get and give back so much memory costs more than a read
        while True:
            count = self._connection.recv_into(room)
            if not count:
                return
            skipped = min(count, self._unwanted)
            self._unwanted -= skipped
            if begun:
                begun += room[skipped:count]
                with memoryview(begun) as data:
                    requests, at = self._take(data)
                del begun[:at]
            else:
                requests, at = self._take(room[skipped:count])
                begun += room[skipped + at : count]
            if requests:
                self._serve(requests)

    def _take(self, data: memoryview) -> Tuple[Numbered, int]:
        """The requests that have come whole, and how many bytes they are. What is refused is answered, and none of them."""
        found: Numbered = []
        at = 0
        while len(data) - at >= FRAME.size:
            length, number, head, _ = FRAME.unpack_from(data, at)
            first = at + FRAME.size
            end = first + length
            if length - head > self._limit:  # the others on this connection are not to suffer for it
                self._send(number, self._refuse(HttpError(413, "the request's body is larger than this server takes")))
                at = min(end, len(data))
                self._unwanted = end - at
                continue
            if end > len(data):
                break
            method, path, headers = parse_head(bytes(data[first : first + head]))
            found.append((number, Request(method, path, headers, bytes(data[first + head : end]))))
            at = end
        return found, at

    def _serve(self, requests: Numbered) -> None:
        if self._together is None or len(requests) == 1:
            for number, request in requests:
                self._send(number, self._answer(request))
            return
        out: List[bytes] = []
        for (number, _), response in zip(requests, self._together([r for _, r in requests])):  # noqa: B905  (Python 3.8)
            if isinstance(response.body, bytes):
                out.append(whole(number, response))
            else:
                self._send(number, response)
        with self._sending:
            self._connection.sendall(b"".join(out))

    def _send(self, number: int, response: Response) -> None:
        if isinstance(response.body, (bytes, bytearray)):
            with self._sending:
                self._connection.sendall(whole(number, response))
        else:
            # its parts may take their time, and need not hold up the others
            threading.Thread(target=self._stream, args=(number, response), daemon=True).start()

    def _stream(self, number: int, response: Response) -> None:
        head = encode_head(response)
        threads.settle()
        try:
            for part in _parts(response.body):
                self._frame(number, head, part, MORE)
                head = b""
            self._frame(number, head, b"", 0)
        except Exception:
            import traceback

            traceback.print_exc()
            self._frame(number, b"", b"", BROKEN)

    def _frame(self, number: int, head: bytes, body: bytes, flags: int) -> None:
        with self._sending:
            self._connection.sendall(FRAME.pack(len(head) + len(body), number, len(head), flags) + head + body)


def whole(number: int, response: Response) -> bytes:
    """A response in one frame."""
    head = encode_head(response)
    return FRAME.pack(len(head) + len(response.body), number, len(head), 0) + head + response.body  # type: ignore[arg-type,operator]


def encode_head(response: Response) -> bytes:
    if not response.headers:
        return _plain_head(response.status, response.content_type)
    lines = ["%s:%s" % (name.lower(), value) for name, value in response.headers.items()]
    return b"\n".join([_plain_head(response.status, response.content_type), *[_line(text) for text in lines]])


@functools.lru_cache(maxsize=256)
def _plain_head(status: int, content_type: str) -> bytes:
    return b"%d\ncontent-type:%b" % (status, _line(content_type)) if content_type else b"%d" % status


def _line(text: str) -> bytes:
    return text.replace("\n", " ").replace("\r", " ").encode("latin-1", "replace")


@functools.lru_cache(maxsize=1024)  # a client's requests look alike
def parse_head(head: bytes) -> Tuple[str, str, Dict[str, str]]:
    """(method, path, headers); the headers are shared: nobody changes them."""
    first, *lines = head.decode("latin-1").split("\n")
    method, _, path = first.partition(" ")
    return method, path, {name: value for name, _, value in (line.partition(":") for line in lines)}


def _parts(body: Iterable[Any]) -> Iterable[bytes]:
    for part in body:
        data = part.encode() if isinstance(part, str) else bytes(part)
        if data:
            yield data

"""HTTP/1.1 as a model server needs it: requests and responses over a connected socket, standard library only."""

import socket
from typing import Any, BinaryIO, Dict, Iterable, List, NamedTuple, Optional, Union
from urllib.parse import urlsplit

from .errors import HttpError

HEAD_LIMIT = 64 * 1024
REASONS = {
    200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 411: "Length Required", 413: "Payload Too Large", 415: "Unsupported Media Type",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable", 507: "Insufficient Storage",
}  # fmt: skip


class Request(NamedTuple):
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Dict[str, str]
    body: bytes = b""
    keep_alive: bool = True
    query: str = ""

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


class Response(NamedTuple):
    """One answer. A body that is no bytes is sent in chunks as it is made."""

    body: Union[bytes, Iterable[bytes]] = b""
    content_type: str = ""
    status: int = 200
    headers: Dict[str, str] = {}  # noqa: RUF012  (a default that nobody changes)


def read_request(stream: BinaryIO, connection: socket.socket, limit: int) -> Optional[Request]:
    """The next request; None when the peer has closed.

    Raises:
        HttpError: what came is no request, or its body is larger than ``limit`` bytes. The connection must be closed.
    """
    line = stream.readline(HEAD_LIMIT)
    if not line:
        return None
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise HttpError(400, "not an HTTP/1.1 request line")
    headers = _headers(stream)
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _body(stream, headers, limit)
    connected = headers.get("connection", "").lower()
    keep = connected != "close" if words[2] == "HTTP/1.1" else connected == "keep-alive"
    where = urlsplit(words[1])
    return Request(words[0].upper(), where.path, headers, body, keep, where.query)


def _headers(stream: BinaryIO) -> Dict[str, str]:
    headers: Dict[str, str] = {}
    size = 0
    while True:
        line = stream.readline(HEAD_LIMIT)
        size += len(line)
        if size > HEAD_LIMIT:
            raise HttpError(431, "the request's headers are too large")
        if not line.endswith(b"\n"):
            raise HttpError(400, "the request's headers are cut short")
        text = line.decode("latin-1").strip()
        if not text:
            return headers
        name, colon, value = text.partition(":")
        if not colon or name != name.strip():
            raise HttpError(400, "a header line is malformed")
        headers[name.lower()] = value.strip()


def _body(stream: BinaryIO, headers: Dict[str, str], limit: int) -> bytes:
    coding = headers.get("transfer-encoding", "").lower()
    if coding and "content-length" in headers:
        raise HttpError(400, "both Content-Length and Transfer-Encoding")
    if coding == "chunked":
        return _chunks(stream, limit)
    if coding:
        raise HttpError(501, "transfer encoding %s is not known" % coding)
    text = headers.get("content-length", "0")
    if not text.isdigit():
        raise HttpError(400, "Content-Length is not a number")
    return _exactly(stream, int(text), limit)


def _chunks(stream: BinaryIO, limit: int) -> bytes:
    parts: List[bytes] = []
    total = 0
    while True:
        line = stream.readline(1024).split(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError:
            raise HttpError(400, "a chunk has no size") from None
        if size < 0:
            raise HttpError(400, "a chunk has no size")
        if size == 0:
            _headers(stream)
            return b"".join(parts)
        total += size
        parts.append(_exactly(stream, size, limit - total + size))
        if stream.read(2) != b"\r\n":
            raise HttpError(400, "a chunk does not end where it says")


def _exactly(stream: BinaryIO, size: int, limit: int) -> bytes:
    if size > limit:
        raise HttpError(413, "the request's body is larger than this server takes")
    data = stream.read(size) if size else b""
    if len(data) < size:
        raise HttpError(400, "the request's body is cut short")
    return data


def send(connection: socket.socket, response: Response, keep_alive: bool, head_only: bool = False) -> None:
    """Write one response. An iterable body that fails midway leaves the stream unfinished, so that the peer notices."""
    whole = isinstance(response.body, (bytes, bytearray))
    lines = ["HTTP/1.1 %d %s" % (response.status, REASONS.get(response.status, "Status"))]
    if response.content_type:
        lines.append("Content-Type: " + _clean(response.content_type))
    lines += ["%s: %s" % (_clean(name), _clean(value)) for name, value in response.headers.items()]
    if response.status != 204:
        lines.append("Content-Length: %d" % len(_bytes(response.body)) if whole else "Transfer-Encoding: chunked")
    if not keep_alive:
        lines.append("Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    if whole or head_only or response.status == 204:
        connection.sendall(head if head_only or response.status == 204 else head + _bytes(response.body))
        return
    connection.sendall(head)
    for part in response.body:
        part = _bytes(part)
        if part:
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
    connection.sendall(b"0\r\n\r\n")


def _clean(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


def _bytes(part: Any) -> bytes:
    return part.encode() if isinstance(part, str) else bytes(part)

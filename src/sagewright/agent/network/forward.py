"""The ways out of a host's own network: to the API at its usual address, and to the world through an HTTP proxy.

The listening sockets belong to the host's namespace, the connections made here to the machine's, so that nothing but
what is carried here passes between the two.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from .plan import Plan

CHUNK = 2**18
LONGEST_HEAD = 65_536
HEAD_SECONDS, CONNECT_SECONDS = 60.0, 60.0
CONNECTIONS = 1024
"""At a time, for one host; more wait."""
HOP = (b"proxy-connection", b"proxy-authorization", b"connection", b"keep-alive")

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Forwarders(threading.Thread):
    """Carries until it is closed. ``sockets``: the listening ones, in the order of ``Plan.listen``."""

    def __init__(self, plan: Plan, sockets: list[socket.socket]) -> None:
        super().__init__(name="network", daemon=True)
        self._plan, self._sockets = plan, sockets
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self.start()

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._done.set)
        self.join(timeout=5)

    async def _serve(self) -> None:
        room = asyncio.Semaphore(CONNECTIONS)
        ways: list[Serve] = []
        if self._plan.api_inside and self._plan.api:
            ways.append(_to(*self._plan.api))
        if self._plan.proxy:
            ways.append(Proxy(self._plan.upstream))
        async with contextlib.AsyncExitStack() as stack:
            for sock, way in zip(self._sockets, ways, strict=True):
                await stack.enter_async_context(
                    await asyncio.start_server(_guarded(way, room), sock=sock, limit=LONGEST_HEAD)
                )
            await self._done.wait()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()


def _guarded(way: Serve, room: asyncio.Semaphore) -> Serve:
    """One connection: within the limit, and always closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with room:
            try:
                await way(reader, writer)
                writer.close()
            except (OSError, TimeoutError, asyncio.CancelledError):
                writer.transport.abort()  # the other side hears that this was not the end

    return serve


def _to(host: str, port: int) -> Serve:
    """Everything goes to one address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            there = await asyncio.open_connection(host, port)
        await carry((reader, writer), there)

    return serve


class Proxy:
    """An HTTP proxy (RFC 9110, 9.3.6 CONNECT; RFC 9112, 3.2.2 absolute form) for one request a connection.

    ``upstream``: as ``Plan.upstream``; the proxies that it names are asked in turn.
    """

    def __init__(self, upstream: dict[str, str]) -> None:
        self._upstream = upstream

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            host, port, onward = target(head)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            await _refuse(writer, 400, "this is a proxy for HTTP and CONNECT")
            return
        further = beyond(self._upstream, host, "http" if onward else "https")
        if further is not None:
            host, port, grant = further
            onward = head[:-2] + grant + b"\r\n"
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                there = await (outside(host, port) if further is None else asyncio.open_connection(host, port))
        except PermissionError as error:
            await _refuse(writer, 403, str(error))
            return
        except (OSError, TimeoutError) as error:
            await _refuse(writer, 502, f"{host}:{port} cannot be reached: {error or 'no answer'}")
            return
        if onward:
            there[1].write(onward)
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await carry((reader, writer), there)


async def outside(host: str, port: int) -> Stream:
    """Connect to one of the host's addresses, looked up once, so that what was judged is what is reached.

    Raises:
        PermissionError: every address is this machine's own loopback or link: its services, or its cloud's metadata.
        OSError: it cannot be reached.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    open_ones = [one for one in addresses if not near(one)]
    if not open_ones:
        raise PermissionError(f"{host} is of this machine alone; a job's network does not reach that")
    for one in open_ones[:-1]:
        with contextlib.suppress(OSError):
            return await asyncio.open_connection(one, port)
    return await asyncio.open_connection(open_ones[-1], port)


def near(text: str) -> bool:
    """Whether an IP address means this machine or its link alone."""
    address = ipaddress.ip_address(text)
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast


def beyond(upstream: dict[str, str], host: str, scheme: str) -> tuple[str, int, bytes] | None:
    """(host, port, header line that identifies us to it) of the proxy behind this one; None where there is none."""
    url = upstream.get(scheme, "")
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if not url or not parts.hostname or proxy_bypass_environment(host, {"no": upstream.get("no", "")}):
        return None
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    grant = b"Proxy-Authorization: Basic " + base64.b64encode(secret) + b"\r\n" if parts.username else b""
    return parts.hostname, parts.port or 80, grant


def target(head: bytes) -> tuple[str, int, bytes]:
    """(host, port, what to send there) of a request's head; nothing is sent for CONNECT. Raises ValueError."""
    line, *fields = head[:-4].split(b"\r\n")
    method, where, version = line.decode("ascii").split(" ")
    if method == "CONNECT":
        parts = urlsplit(f"//{where}")
        if not parts.hostname or not parts.port:
            raise ValueError(where)
        return parts.hostname, parts.port, b""
    parts = urlsplit(where)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(where)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [field for field in fields if field.partition(b":")[0].strip().lower() not in HOP]
    lines = [f"{method} {path} {version}".encode(), *kept, b"Connection: close", b"", b""]
    return parts.hostname, parts.port or 80, b"\r\n".join(lines)


async def _refuse(writer: asyncio.StreamWriter, status: int, says: str) -> None:
    body = f"sagewright: {says}\n".encode()
    reason = {400: "Bad Request", 403: "Forbidden", 502: "Bad Gateway"}[status]
    writer.write(
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode() + body
    )
    await writer.drain()


async def carry(one: Stream, other: Stream) -> None:
    """Both ways until both have ended; the end of one way is passed on while the other goes on."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(one[0], other[1]))
            group.create_task(_copy(other[0], one[1]))
    except* (OSError, RuntimeError):
        pass  # a reset ends both ways
    finally:
        other[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()

"""The way in to a server that listens on TCP inside a network of its own: each connection to a Unix socket of ours becomes
one to that port, so that any number of containers may listen on 8080 at a time."""

from __future__ import annotations

import array
import asyncio
import contextlib
import socket
import struct
import threading
from pathlib import Path

import uvloop

from .network.forward import CHUNK, carry

ANSWER_SECONDS = 5.0


class Door(threading.Thread):
    """Carries until it is closed, or the sandbox is gone.

    Args:
        path: of the Unix socket, which is made; connections are accepted at once.
        inside: the socket on which the sandbox's init opens connections (``sagewright_container.init``).
        port: where the container listens.
    """

    def __init__(self, path: Path, inside: socket.socket, port: int) -> None:
        super().__init__(name="door", daemon=True)
        self._inside, self._port = inside, port
        self._inside.settimeout(ANSWER_SECONDS)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(128)
        self._loop = uvloop.new_event_loop()
        self._done = asyncio.Event()
        self._asking = asyncio.Lock()
        self.start()

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            self._inside.close()

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._done.set)
        self.join(timeout=5)

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._guest, sock=self._listener, limit=CHUNK)
        try:
            await self._done.wait()
        finally:
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    async def _guest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._asking:
                sock = await asyncio.to_thread(self._open)
            await carry((reader, writer), await asyncio.open_connection(sock=sock, limit=CHUNK))
            writer.close()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()  # whoever came hears that this was not the end

    def _open(self) -> socket.socket:
        """A socket connected to the port. Raises OSError: nobody listens there, or the sandbox is gone."""
        self._inside.sendall(struct.pack("!H", self._port))
        said, ancillary, _, _ = self._inside.recvmsg(1, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[:4])
        if said != b"+" or not fds:
            raise ConnectionRefusedError(f"nobody listens on port {self._port} of the container")
        sock = socket.socket(fileno=fds[0])
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

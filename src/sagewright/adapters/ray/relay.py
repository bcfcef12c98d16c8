"""Lets the server reach the workers of a node on another machine: ``python -m sagewright.adapters.ray.relay FOLDER ADDRESS``.

Once per node's work folder; holds no Ray. Listens on the node's address, asks for the proof that ``gateway.dial`` describes,
and joins the caller to a Unix socket of this folder: a worker's, or the one where a task on demand is told whom to wake; to no
other. Ends with the node, as ``watch`` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hmac
import json
import os
import secrets
import sys
from pathlib import Path

import uvloop

from ...agent.launcher import start_time
from ...agent.layout import socket_folder, write_atomic
from ...gateway.dial import NONCE, OK, PATIENCE, PROOF, proof
from .node import OWNER, RELAY, RELAY_KEY, owned

LOCK, POOL = "relay.lock", ".pool"
PIECE = 256 << 10
"""Bytes that are passed on at once."""


class Relay:
    """Of one node's work folder."""

    def __init__(self, folder: Path) -> None:
        self._sockets = socket_folder(folder).resolve()
        self._key = bytes.fromhex((folder / RELAY_KEY).read_text())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One caller's connection."""
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                path = await self._asked(reader, writer)
                if path is not None:
                    inner, worker = await asyncio.open_unix_connection(str(path), limit=PIECE)
                    writer.write(OK)
            if path is not None:
                await asyncio.gather(_pass(reader, worker), _pass(inner, writer))
                worker.close()
        writer.close()

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Path | None:
        """The socket that a caller wants who has the key; None for anybody and anything else."""
        nonce = secrets.token_bytes(NONCE)
        writer.write(nonce)
        given = await reader.readexactly(PROOF)
        named = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        if not hmac.compare_digest(given, proof(self._key, nonce, named)):
            return None
        path = Path(os.fsdecode(named)).resolve()
        above = path.parent
        if path.suffix == POOL:
            return path if above == self._sockets else None
        return path if path.suffix == ".sock" and self._sockets in above.parents else None


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything that comes, until an end closes; then the other one is closed too."""
    with contextlib.suppress(OSError):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def run(folder: Path, address: str) -> None:
    """Serve until the node is gone; on the same port as the last time, so that addresses given out stay true."""
    last = json.loads((folder / RELAY).read_text()) if (folder / RELAY).exists() else {}
    relay = Relay(folder)
    try:
        server = await asyncio.start_server(relay.serve, address, last.get("port", 0), limit=PIECE)
    except OSError:
        server = await asyncio.start_server(relay.serve, address, 0, limit=PIECE)
    about = {"pid": os.getpid(), "started": start_time(os.getpid()), "port": server.sockets[0].getsockname()[1]}
    write_atomic(folder / RELAY, json.dumps(about))
    ended = asyncio.Event()
    raylet = os.pidfd_open(json.loads((folder / OWNER).read_text())["pid"])
    asyncio.get_running_loop().add_reader(raylet, ended.set)
    if owned(folder):
        await ended.wait()


def main() -> None:
    folder, address = Path(sys.argv[1]), sys.argv[2]
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # it runs already
    uvloop.run(run(folder, address))
    os._exit(0)


if __name__ == "__main__":
    main()

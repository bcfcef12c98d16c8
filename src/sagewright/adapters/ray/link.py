"""The server's end of the bridge: starts it, asks it, and starts it again when it dies."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import frames

log = logging.getLogger(__name__)

PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the bridge is started again, after each failure in a row."""


class NodeUnreachable(Exception):
    """The node did not answer: it is gone, or its actor is being started again."""


class Refused(Exception):
    """What was asked failed on the other side; the message says why. Asking again would not help."""


class Link:
    """Calls to the bridge. A call waits for a bridge that can reach the cluster, as long as it takes."""

    def __init__(self, run: Path, config: dict[str, Any]) -> None:
        self._run, self._config = run, config
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._starting = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._failures = 0
        self._closed = self._checked = False
        self.trouble = ""
        """Why the cluster cannot be reached right now; empty if it can."""
        self.troubled: Callable[[], None] = lambda: None
        """Called when ``trouble`` changes."""

    async def call(self, method: str, /, **params: Any) -> Any:
        """The bridge's answer; asked again if the bridge dies meanwhile, so only what may be done twice.

        Raises:
            NodeUnreachable, Refused: see there.
        """
        while True:
            await self.connected()
            assert self._writer is not None
            number = next(self._numbers)
            answer = self._waiting[number] = asyncio.get_running_loop().create_future()
            try:
                frames.write(self._writer, {"id": number, "method": method, "params": params})
                said = await answer
            except ConnectionError:
                continue
            finally:
                self._waiting.pop(number, None)
            if "error" not in said:
                return said["result"]
            raise {"unreachable": NodeUnreachable}.get(said["error"], Refused)(said["message"])

    async def connected(self) -> None:
        """Return once there is a bridge that has reached the cluster. The first try is made at once."""
        async with self._starting:
            while self._writer is None or self._writer.is_closing():
                if self._closed:
                    raise asyncio.CancelledError
                await asyncio.sleep(PAUSES[min(self._failures, len(PAUSES) - 1)])
                self._failures += 1
                await self._start()

    async def _start(self) -> None:
        """One try."""
        ours, theirs = socket.socketpair()
        path = self._run / "bridge.log"
        environment = {**os.environ, "PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
        with theirs, path.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"{__package__}.bridge", str(theirs.fileno()), pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True,
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        frames.write(writer, {**self._config, "check": not self._checked})
        try:
            said = await frames.read(reader)
        except asyncio.CancelledError:  # Ray may try for long to reach a cluster that nobody waits for any more
            writer.close()
            self._process.kill()
            raise
        if said is None or "error" in said:
            writer.close()
            await self._process.wait()
            self._say(said["error"] if said else f"the bridge to Ray ended; see {path}")
            return
        self._say("")
        self._failures, self._checked = 0, True
        self._writer = writer
        self._reader = asyncio.ensure_future(self._listen(reader, writer))

    def _say(self, trouble: str) -> None:
        if trouble == self.trouble:
            return
        if trouble:
            log.warning("the Ray cluster cannot be reached, its jobs wait: %s", trouble)
        self.trouble = trouble
        self.troubled()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (message := await frames.read(reader)) is not None:
            answer = self._waiting.get(message["id"])
            if answer is not None and not answer.done():
                answer.set_result(message)
        writer.close()
        if self._process is not None:
            await self._process.wait()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError())

    @property
    def up(self) -> bool:
        """Whether a call would be heard at once."""
        return self._writer is not None and not self._writer.is_closing()

    @property
    def pid(self) -> int | None:
        """Of the bridge."""
        return self._process.pid if self._process else None

    async def close(self) -> None:
        """Let the bridge go. What waits for an answer must have been cancelled before."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()
        if self._process is not None and self._process.returncode is None:
            try:
                await asyncio.wait_for(self._process.wait(), 10.0)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._reader is not None:
            await self._reader



"""The gateway process: started by the server with the descriptors of the two lines between them (see ``control``)."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import time
from typing import Any

from ..stores.metrics import Sample
from .capture import Recorder
from .control import Connections, Messages
from .front import Front, Fronts
from .gate import Gate, Grant
from .meter import NAMESPACE, Meter
from .routes import VariantSpec
from .taps import Taps

GRACE = 4.0
"""Seconds that requests under way have at the end."""
SAMPLE = ("namespace", "name", "dimensions", "timestamp", "value", "unit", "count", "minimum", "maximum")


class Process:
    """One gateway process."""

    def __init__(self, messages: socket.socket, connections: socket.socket) -> None:
        self._line = messages
        self._connections = Connections(connections, self._take)
        self._fronts = Fronts()
        self._gate: Gate | None = None
        self._taps: Taps | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Serve until the server is gone or says stop."""
        self._loop = asyncio.get_running_loop()
        self._meter = Meter(self._put, NAMESPACE, time.time)
        self._control = Messages(self._hear, self._ended.set)
        await self._loop.create_unix_connection(lambda: self._control, sock=self._line)
        await self._ended.wait()
        await self._finish()

    # -- the server's words

    def _hear(self, message: dict[str, Any]) -> None:
        match message.pop("do"):
            case "begin":
                recorder = Recorder(**message.pop("capture"), told=lambda: self._control.tell({"do": "captured"}))
                self._taps = Taps(recorder, self._meter)
                self._gate = Gate(self._ask, self._meter, self._taps, **message)
                self._connections.listen()
                self._fronts.sweep()
                gc.freeze()
                self._control.tell({"do": "ready"})
            case "put":
                assert self._gate is not None
                specs = [VariantSpec(**spec) for spec in message["variants"]]
                key = (message["key"][0], message["key"][1])
                self._gate.routes.put(key, message["name"], specs)
                route = self._gate.routes.get(key)
                for variant in route.every if route else ():
                    for worker in variant.workers:
                        self._gate.put(worker)
            case "drop":
                assert self._gate is not None
                self._gate.routes.drop((message["key"][0], message["key"][1]))
            case "retire":
                task = self._loop.create_task(self._retire(**message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case "told":
                assert self._gate is not None
                self._gate.told(message.pop("number"), message)
            case "forget":
                assert self._gate is not None
                self._gate.forget()
            case "stop":
                self._ended.set()

    def _ask(self, number: int, grant: Grant) -> None:
        self._control.tell({"do": "ask", "number": number, "grant": grant})

    async def _retire(self, number: int, sockets: list[str], seconds: float) -> None:
        assert self._gate is not None
        await self._gate.routes.retire(sockets, seconds)
        self._control.tell({"do": "retired", "number": number})

    def _put(self, samples: list[Sample]) -> None:
        rows = [[getattr(sample, member) for member in SAMPLE] for sample in samples]
        self._loop.call_soon_threadsafe(self._control.tell, {"do": "metrics", "samples": rows})

    # -- clients

    def _take(self, connection: socket.socket, read: bytes, lent: bool) -> None:
        task = self._loop.create_task(self._adopt(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, connection: socket.socket) -> None:
        gate = self._gate
        assert gate is not None
        try:
            await self._loop.connect_accepted_socket(lambda: Front(gate.handle, self._give_back, self._fronts, gate.largest), connection)
        except OSError:
            connection.close()

    def _give_back(self, connection: socket.socket, read: bytes, later: bool) -> None:
        if not self._connections.give(connection, read, lent=later):
            connection.close()  # the client tries again

    async def _finish(self) -> None:
        await self._fronts.end(GRACE)
        if self._taps is not None:
            await self._taps.close()
        await self._meter.close()
        self._connections.close()
        self._control.close()


def main() -> None:
    """``python -m sagewright.gateway.process MESSAGES CONNECTIONS``: two descriptors."""
    import uvloop

    logging.basicConfig(level=logging.WARNING, format="gateway: %(message)s")
    messages, connections = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])

    async def serve() -> None:
        await Process(messages, connections).run()

    uvloop.run(serve())
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

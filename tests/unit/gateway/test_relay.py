"""A worker on another machine: through its node's relay, for whoever has the key, and to no other socket."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagewright.adapters.ray.node import OWNER, RELAY, RELAY_KEY, machine
from sagewright.agent.launcher import start_time
from sagewright.agent.layout import Layout
from sagewright.gateway import frames
from sagewright.gateway.answer import Answer, Broken
from sagewright.gateway.client import Worker
from sagewright.gateway.dial import beside, remote
from sagewright.slices.serverless.line import Line
from sagewright_container.http import Request, Response
from sagewright_container.serve import Handler, Server


class Echo(Handler):
    def invoke(self, request: Request) -> Response:
        return Response(request.body, "text/plain")


class Node:
    """A work folder with a worker in it, and its relay."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, folder.parent / "key"
        self.key.write_text(secrets.token_hex(32))
        (folder / RELAY_KEY).write_text(self.key.read_text())
        here = os.getpid()  # as if this were the raylet
        (folder / OWNER).write_text(json.dumps({"pid": here, "started": start_time(here), "machine": machine(), "host": socket.gethostname()}))
        self.relay = self.start()
        sockets = Layout(folder, "one").sockets
        sockets.mkdir(parents=True, exist_ok=True)  # its name follows from the folder's, which a test before may have had
        self.path = str(sockets / "worker-0.sock")
        self.listener = listen(self.path)
        self.strays: list[Path] = []
        self.others: list[socket.socket] = []

    def start(self) -> subprocess.Popen[bytes]:
        started = subprocess.Popen([sys.executable, "-m", "sagewright.adapters.ray.relay", str(self.folder), "127.0.0.1"])
        end = time.monotonic() + 60
        while json.loads((self.folder / RELAY).read_text())["pid"] != started.pid if (self.folder / RELAY).exists() else True:
            assert started.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)  # another process: it listens when its file says so
        return started

    def address(self, path: str = "", key: Path | None = None) -> str:
        port = json.loads((self.folder / RELAY).read_text())["port"]
        return remote("127.0.0.1", port, path or self.path, key or self.key)


def listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=Server(Echo(), 1 << 24).run, args=(listener,), daemon=True).start()
    return listener


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    (tmp_path / "node").mkdir()
    found = Node(tmp_path / "node")
    yield found
    found.relay.kill()
    found.relay.wait()
    for listener in (found.listener, *found.others):
        listener.close()
    for stray in found.strays:
        shutil.rmtree(stray)


async def ask(address: str, body: bytes) -> Answer:
    worker = Worker(address)
    try:
        return await worker.request("POST", "/invocations", {"Content-Type": "text/plain"}, body, seconds=30.0)
    finally:
        worker.close()


def test_requests_pass_both_ways(node: Node) -> None:
    body = secrets.token_bytes(3 << 20)
    answer = asyncio.run(ask(node.address(), body))
    assert (answer.status, answer.body) == (200, body)


def test_many_requests_on_one_upgraded_connection(node: Node) -> None:
    async def main() -> list[Answer | Exception]:
        made = await frames.connect(node.address())
        assert made is not None
        futures = [asyncio.get_running_loop().create_future() for _ in range(50)]
        for number, future in enumerate(futures):
            made.submit(b"POST /invocations\ncontent-type:text/plain", b"%d" % number, future.set_result)
        answers = [await future for future in futures]
        made.close()
        return answers

    assert [a.body for a in asyncio.run(main()) if isinstance(a, Answer)] == [b"%d" % n for n in range(50)]


def stranger(node: Node) -> str:
    other = node.folder.parent / "other"
    other.write_text(secrets.token_hex(32))
    return node.address(key=other)


def outside(node: Node) -> str:
    """Somebody else's socket, which exists and answers."""
    return node.address(str(elsewhere(node)))


def around(node: Node) -> str:
    sockets = Path(node.path).parent
    return node.address(f"{sockets}/{os.path.relpath(elsewhere(node), sockets)}")


def elsewhere(node: Node) -> Path:
    found = Path(tempfile.mkdtemp(dir=Path(node.path).parents[2], prefix="x")) / "a.sock"
    listen(str(found))
    node.strays.append(found.parent)
    return found


def nobody(node: Node) -> str:
    return node.address(node.path.replace("worker-0", "worker-1"))


def private(node: Node) -> str:
    """Where the node's own processes meet; whoever came in there could run anything."""
    path = Layout(node.folder, "one").launcher.with_name("warm-1.sock")
    node.others.append(listen(str(path)))
    return node.address(str(path))


def private_by_a_link(node: Node) -> str:
    path = Path(node.path).with_name("worker-2.sock")
    warm = Layout(node.folder, "one").launcher.with_name("warm-2.sock")
    node.others.append(listen(str(warm)))
    path.symlink_to(warm)
    return node.address(str(path))


def somebodys_pool(node: Node) -> str:
    """What a sandbox puts among its sockets under such a name."""
    path = Path(node.path).with_name("own.pool")
    node.others.append(listen(str(path)))
    return node.address(str(path))


@pytest.mark.parametrize("address", [stranger, outside, around, nobody, private, private_by_a_link, somebodys_pool])
def test_nothing_else_is_reached(node: Node, address: Callable[[Node], str]) -> None:
    with pytest.raises(Broken, match="does not accept") as caught:
        asyncio.run(ask(address(node), b"x"))
    assert caught.value.untouched


def test_the_line_to_sleepers_and_the_instances_that_it_tells_of(node: Node) -> None:
    """As ``agent.pool`` speaks: sockets of its own machine, which are reached the way that the line is."""
    pool = Layout(node.folder, "one").pool
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(pool))
    listener.listen()
    node.others.append(listener)

    def speak() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(json.dumps({"hello": {"0": node.path}}).encode() + b"\n")
            slot = json.loads(connection.makefile().readline())["wake"]
            connection.sendall(json.dumps({"ready": slot, "socket": node.path, "seconds": 0.1}).encode() + b"\n")

    threading.Thread(target=speak, daemon=True).start()

    async def main() -> bytes:
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        line = Line(node.address(str(pool)), heard.put_nowait)
        assert (await heard.get())["hello"] == {"0": node.path}
        line.tell(wake=1)
        ready = await heard.get()
        line.close()
        return (await ask(beside(line.path, ready["socket"]), b"awake")).body

    assert asyncio.run(asyncio.wait_for(main(), 60)) == b"awake"
    assert beside(node.path, "/other.sock") == "/other.sock", "without a relay it is this machine's"


def test_it_comes_back_where_it_was_and_ends_with_the_node(node: Node) -> None:
    before = node.address()
    node.relay.kill()
    node.relay.wait()
    node.relay = node.start()
    assert node.address() == before
    assert asyncio.run(ask(before, b"again")).body == b"again"
    again = subprocess.run([sys.executable, "-m", "sagewright.adapters.ray.relay", str(node.folder), "127.0.0.1"], timeout=60, check=False)
    assert again.returncode == 0, "one is enough"
    assert node.relay.poll() is None

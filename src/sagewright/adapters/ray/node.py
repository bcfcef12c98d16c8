"""A node's agent: an actor that Ray keeps on the node. It runs tasks with the launcher and agents that every backend has.

Everything it knows lies in the node's work folder, so it may be killed and started again at any time; what it runs goes
on meanwhile. Methods take and return JSON only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from ... import __version__
from ...agent.cgroups import remove_leftovers
from ...agent.launcher import start_time
from ...agent.layout import Layout, dump_task, load_task, socket_folder, write_atomic
from ...agent.ports import AgentConfig
from ..process import ProcessCompute
from . import hosts, spool
from .ports import STORAGE

FACTORY = "sagewright.bootstrap.node:ports"
OWNER, WATCH = "raylet.json", "watch.json"
RELAY, RELAY_KEY = "relay.json", "relay.key"
REACH = 10.0
"""Seconds that the server may take to answer a node."""


class Unreachable(Exception):
    """The node cannot reach the server; the message says what to change."""


def base() -> Path:
    """Where nodes keep what they need: ``SAGEWRIGHT_NODE_DATA`` of the node's own environment, else the user's cache."""
    named = os.environ.get("SAGEWRIGHT_NODE_DATA")
    return Path(named or Path.home() / ".cache" / "sagewright" / "nodes").absolute()


class NodeAgent:
    """One per node and server. ``setup`` comes first; the rest may be called at any time and any number of times."""

    def __init__(self, server: str, node: str) -> None:
        self.folder = base() / server / node[:16]
        self._compute: ProcessCompute | None = None
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()

    async def setup(self, config: dict[str, Any]) -> dict[str, Any]:
        """Open what the node left, or begin; ``config``: {"version", "url", "settings", "mapping",
        "machine", "images"} of the server. Raises Unreachable."""
        about = {"version": __version__, "machine": machine(), "folder": str(self.folder)}
        if config["version"] != __version__:
            return about
        await asyncio.to_thread(_reach, config["url"])
        async with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(self.folder / "images.toml", config["mapping"])
            images = self.folder / "oci"
            if config["machine"] == hosts.machine() and not images.exists():
                images.symlink_to(config["images"])  # the server's own store of container images
            if self._compute is None:
                await asyncio.to_thread(self._prepare)
                compute = ProcessCompute(self._config(config))
                await compute.open()
                compute.subscribe(self._heard)
                self._compute = compute
        return {**about, "can": self._compute.can}

    def _prepare(self) -> None:
        for other in self.folder.parent.iterdir():
            if other != self.folder:
                bury(other)
        raylet = os.getppid()
        write_atomic(self.folder / OWNER, json.dumps({"pid": raylet, "started": start_time(raylet), "machine": machine(), "host": socket.gethostname()}))
        _leave("watch", str(self.folder))

    def _config(self, config: dict[str, Any]) -> AgentConfig:
        shared = os.environ.get("SAGEWRIGHT_ENVIRONMENTS") or str(base() / "environments")
        settings = {**config["settings"], "data": str(self.folder), "environments": shared}
        return AgentConfig(self.folder, FACTORY, {"url": config["url"], "settings": settings}, config["settings"]["warm_memory"])

    @property
    def compute(self) -> ProcessCompute:
        if self._compute is None:
            raise RuntimeError("not set up")
        return self._compute

    async def _heard(self, task_id: str) -> None:
        self._news.set()

    async def submit(self, spec: str, storage: dict[str, str], network: dict[str, Any], stop: dict[str, Any] | None) -> None:
        """Run a task. ``storage``: see ``ports.STORAGE``; ``network``: see ``hosts.placed``; ``stop``: {"grace", "discard"}."""
        task = load_task(spec)
        layout = Layout(self.folder, task.id)
        layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(layout.folder / STORAGE, json.dumps(storage))
        if stop is not None:
            write_atomic(layout.stop, json.dumps(stop))
        if not layout.spec.exists():
            if network.get("meeting"):
                network = {**network, "meeting": str(socket_folder(base()) / f"meet-{network['meeting']}")}
            task = hosts.placed(task, network)
            if task.meeting.startswith("/"):
                Path(task.meeting).mkdir(mode=0o700, exist_ok=True)
            write_atomic(layout.spec, dump_task(task))
        else:
            task = load_task(layout.spec.read_text())
        await self.compute.submit(task)

    async def stop(self, task_id: str, how: dict[str, Any]) -> None:
        await self.compute.stop(task_id, how["grace"], discard=how["discard"])

    async def forget(self, task_id: str) -> None:
        spec = Layout(self.folder, task_id).spec
        meeting = load_task(spec.read_text()).meeting if spec.exists() else ""
        await self.compute.forget(task_id)
        if meeting.startswith("/"):
            shutil.rmtree(meeting, ignore_errors=True)
        self._news.set()

    async def erase(self, volume: str) -> None:
        await self.compute.erase(volume)

    async def relay(self, key: str, address: str) -> int:
        """See to it that workers of this node can be reached over the network; the port, the same whenever it can be."""
        write_atomic(self.folder / RELAY_KEY, key)
        state = self.folder / RELAY
        if not _runs(state):
            _leave("relay", str(self.folder), address)
        async with asyncio.timeout(REACH):
            while not _runs(state):  # noqa: ASYNC110  # another process: it listens when its file says so
                await asyncio.sleep(0.02)
        return int(json.loads(state.read_text())["port"])

    async def retire(self) -> bool:
        """Give up the node if nothing of the server is on it: then the actor may be ended. ``setup`` begins anew."""
        async with self._lock:
            if self._known():
                return False
            if self._compute is not None:
                await self._compute.close()
                self._compute = None
            for state in (WATCH, RELAY):
                await asyncio.to_thread(_end, self.folder / state)
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
            return True

    async def poll(self, cursors: dict[str, list[int]], seconds: float) -> dict[str, Any]:
        """What tasks have said beyond ``cursors`` (task id → [last report, byte of the spool]), as soon as there is any.

        A task's reports come only once all of the spool that was written before them has come.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self._news.clear()
                    news = {task: said for task in self._known() if (said := await self._said(task, *cursors.get(task, (0, 0))))}
                    if not owned(self.folder):  # the node is lost: what its end has done to the tasks is not theirs to say
                        await asyncio.Event().wait()
                    if news:
                        return news
                    await self._news.wait()
        return {}

    def _known(self) -> list[str]:
        return [spec.parent.name for spec in (self.folder / "jobs").glob("[!.]*/spec.json")]

    async def _said(self, task_id: str, after: int, offset: int) -> dict[str, Any]:
        folder = Layout(self.folder, task_id).folder
        reports = await self.compute.reports(task_id, after)  # before the spool: what they follow is in it
        text, whole = spool.read(folder, offset)
        said: dict[str, Any] = {}
        if text:
            said["spool"], said["offset"] = text, offset + len(text.encode())
        if reports and whole:
            said["reports"] = [[r.seq, r.at, r.name, r.data] for r in reports]
        return said


def machine() -> str:
    """Names what nodes share whose hosts can have one network: the machine and user, its network, the place of their data."""
    return f"{hosts.machine()}/{Path('/proc/self/ns/net').stat().st_ino}/{base()}"


def _reach(url: str) -> None:
    """The server answers, or will in a moment: it may only just have started the bridge. Raises Unreachable."""
    end = time.monotonic() + REACH
    while True:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/_sagewright/health", timeout=REACH) as answer:
                json.load(answer)
            return
        except (OSError, ValueError) as error:
            if time.monotonic() < end:
                time.sleep(0.2)
                continue
            raise Unreachable(
                f"the node {socket.gethostname()} cannot reach the server at {url} ({error}). Start it with --host set to an "
                "address that the nodes of the cluster reach, or give that address with --public-url."
            ) from None


def _leave(module: str, *argv: str) -> None:
    """Start a process that outlives the actor: forked twice, for Ray ends the children of an actor with it."""
    subprocess.run(
        ["/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", sys.executable, "-m", f"{__package__}.{module}", *argv],
        check=True, start_new_session=True, env={**os.environ, "PYTHONPATH": ":".join(entry for entry in sys.path if entry)},
    )


def _runs(state: Path) -> bool:
    """Whether the process lives whose file this is."""
    with contextlib.suppress(OSError, ValueError, LookupError):
        said = json.loads(state.read_text())
        return bool(start_time(said["pid"]) == said["started"])
    return False


def _end(state: Path) -> None:
    with contextlib.suppress(OSError, ValueError, LookupError):
        if _runs(state):
            os.kill(json.loads(state.read_text())["pid"], 15)


def owned(folder: Path) -> bool:
    """Whether the Ray node that the folder belongs to still runs on this machine."""
    try:
        owner = json.loads((folder / OWNER).read_text())
        state = Path(f"/proc/{owner['pid']}/stat").read_text().rpartition(")")[2].split()[0]
        return bool(owner["machine"] == machine() and start_time(owner["pid"]) == owner["started"] and state not in "ZX")
    except (OSError, ValueError, LookupError):
        return False


def bury(folder: Path) -> None:
    """End everything that a dead node of this machine left and remove its folder. A living node's stays, and another machine's
    where a home is shared."""
    try:
        host = json.loads((folder / OWNER).read_text())["host"]
    except (OSError, ValueError, LookupError):
        return
    if host != socket.gethostname() or owned(folder):
        return
    end_agents(folder)
    for note in (folder / "jobs").glob("[!.]*/cgroups"):
        remove_leftovers(note)
    shutil.rmtree(folder, ignore_errors=True)


def end_agents(folder: Path) -> None:
    """SIGKILL to every agent of a work folder; each sandbox ends with its agent."""
    for pid in (folder / "jobs").glob("[!.]*/pid"):
        with contextlib.suppress(OSError, ValueError, LookupError):
            said = json.loads(pid.read_text())
            if start_time(said["pid"]) == said["started"]:
                os.kill(said["pid"], 9)

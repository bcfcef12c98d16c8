"""Compute on a Ray cluster, as the server sees it. Knows Ray only through the bridge.

A job's tasks are placed together (``gang``), handed to the agents of their nodes, and followed by one poll a node. What
must survive lies in each task's ledger; a new server reads the ledgers and goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...agent.layout import dump_task, socket_folder, write_atomic
from ...gateway.dial import REMOTE, remote
from ...stores.compute import Report, Task
from ...stores.logs import Logs
from ...stores.metrics import Metrics
from . import gang, hosts
from .ledger import Ledger
from .link import Link, NodeUnreachable, Refused
from .meetings import meetings, rank
from .nodes import AGAIN, NodeGone, Nodes

log = logging.getLogger(__name__)

POLL = 20.0
"""Seconds that a node may keep silent before it is asked again."""
FORGET = 10.0
"""Seconds that ``forget`` waits for the node; after that it happens behind the caller's back."""

PAUSE = 1.0
"""Seconds before what has failed here is tried again: the database may be away, or the disk full."""
PROVISION = 300.0
"""Seconds that an instance of an endpoint waits for room; a job waits as long as it takes."""
KEY = "relay.key"
RETIRE = 10.0
"""Seconds that the nodes' agents may take to end when the server does and nothing is left to do."""


@dataclass(slots=True)
class Cluster:
    """Where the cluster is, and what its nodes are told of the server."""

    data: Path
    address: str
    """As ``ray.init`` takes it: ``host:port`` or ``auto``."""
    token: str
    """File with the cluster's token; empty: where Ray itself looks."""
    settings: dict[str, Any]
    """The server's settings that count on a node."""
    shrink: bool
    """Whether a job may get smaller hosts than it asks for; else it fails with CapacityError."""
    declared: Callable[[str], gang.Size | None]
    """What an instance type stands for."""
    url: Callable[[], str]
    """Of the server, as nodes reach it."""
    relay: bool
    """Whether workers on this machine's own nodes are reached over the network too, like those of others."""
    keys: Callable[[Task], Awaitable[dict[str, str]]]
    """{"access_key", "secret_key", "session_token"} for the objects of a task, made when it is handed to its node."""
    revoke: Callable[[str], Awaitable[None]]
    """Ends keys by their access key; unknown ones are fine."""


class RayCompute:
    """A ``Compute``. Used from one event loop; ``open`` before anything else."""

    def __init__(self, cluster: Cluster, logs: Logs, metrics: Metrics) -> None:
        self.cluster, self._logs, self._metrics = cluster, logs, metrics
        self._root = cluster.data / "ray"
        self._ledgers: dict[str, Ledger] = {}
        self._heard: list[Callable[[str], Awaitable[None]]] = []
        self._placing: dict[str, asyncio.Task[None]] = {}
        """Gang → what places and starts it."""
        self._joined: dict[str, asyncio.Event] = {}
        """Gang → set when a task of it is submitted, stopped or forgotten."""
        self._following: dict[str, asyncio.Task[None]] = {}
        """Node → its poll."""
        self._relays: set[str] = set()
        """Nodes whose workers are reached through their relays."""
        self._since: dict[str, float] = {}
        """Gang → when its wait for room began."""
        self._work: set[asyncio.Task[Any]] = set()
        self.link: Link
        self._nodes: Nodes

    def has(self, task_id: str) -> bool:
        """Whether the task is, or was until it is forgotten, one of this backend."""
        return task_id in self._ledgers

    async def open(self) -> None:
        """Start the bridge and take up what an earlier server left. Does not wait for the cluster."""
        (self._root / "tasks").mkdir(parents=True, exist_ok=True, mode=0o700)
        mapping, images = self.cluster.data / "images.toml", self.cluster.data / "oci"
        images.mkdir(exist_ok=True, mode=0o700)
        node = {
            "machine": hosts.machine(), "images": str(images),
            "version": __version__, "url": self.cluster.url(), "settings": self.cluster.settings,
            "mapping": mapping.read_text() if mapping.exists() else "",
        }
        config = {"address": self.cluster.address, "token": self.cluster.token, "server": self._server(), "node": node}
        self.link = Link(socket_folder(self.cluster.data), config)
        self.link.troubled = self._tell_trouble
        self._nodes = Nodes(self.link)
        for folder in (self._root / "tasks").glob("[!.]*/spec.json"):
            self._ledgers[folder.parent.name] = Ledger(folder.parent)
        for ledger in list(self._ledgers.values()):
            self._resume(ledger)
        for folder in (self._root / "tasks").glob(".gone-*"):
            if (folder / "spec.json").exists():
                self._keep(self._forget_there(Ledger(folder)))
            else:  # the last of its files were being removed
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self._keep(self._warm())

    async def _warm(self) -> None:
        """Start the agents of the nodes that are there, so that the first jobs find them."""
        for node in await self._nodes.cluster("nodes"):
            if node["alive"]:
                self._keep(self._about(node["id"]))

    async def _about(self, node: str) -> None:
        try:
            await self._nodes.about(node)
        except (NodeGone, Refused) as error:
            log.warning("the node %s of the Ray cluster cannot run jobs: %s", node[:12], error)

    def _server(self) -> str:
        """Names this data directory on the cluster."""
        path = self._root / "name"
        if not path.exists():
            write_atomic(path, secrets.token_hex(6))
        return path.read_text()

    def _resume(self, ledger: Ledger) -> None:
        if ledger.ended:
            return
        if not ledger.node:
            self._place(gang.gang(ledger.task))
            return
        said = [path for report in ledger.reports(0) if report.name == "Ready" for path in report.data["Sockets"]]
        if any(path.startswith(REMOTE) for path in said):
            self._relays.add(ledger.node)
        if ledger.after == 0:
            self._place(gang.gang(ledger.task))
        elif (stop := ledger.stopped) is not None:
            self._keep(self._send(ledger, "stop", ledger.task.id, stop))
        self._follow(ledger.node)

    # -- Compute

    async def submit(self, task: Task) -> None:
        if task.id in self._ledgers:
            return
        self._ledgers[task.id] = await asyncio.to_thread(Ledger.create, self._root / "tasks" / task.id, task)
        if self.link.trouble:
            self._tell_trouble()
        self._place(gang.gang(task))

    async def stop(self, task_id: str, grace: float | None = None, *, discard: bool = False) -> None:
        ledger = self._ledgers.get(task_id)
        if ledger is None or ledger.ended:
            return
        ledger.stop({"grace": grace, "discard": discard})
        if ledger.node:
            self._keep(self._send(ledger, "stop", task_id, ledger.stopped))
        else:  # at once: what places it may be waiting for a cluster
            self._stop_waiting([ledger])
        self._changed(gang.gang(ledger.task))

    async def reports(self, task_id: str, after: int = 0) -> list[Report]:
        ledger = self._ledgers.get(task_id)
        return ledger.reports(after) if ledger else []

    def subscribe(self, heard: Callable[[str], Awaitable[None]]) -> None:
        self._heard.append(heard)

    async def forget(self, task_id: str) -> None:
        ledger = self._ledgers.pop(task_id, None)
        if ledger is None:
            return
        gone = ledger.folder.with_name(f".gone-{task_id}")
        ledger.folder.rename(gone)
        ledger.folder = gone
        self._changed(gang.gang(ledger.task))
        work = self._keep(self._forget_there(ledger))
        await asyncio.wait([work], timeout=FORGET)

    async def erase(self, volume: str) -> None:
        path = self._root / "volumes" / volume
        if path.exists():
            node = path.read_text()
            with contextlib.suppress(NodeGone, Refused):
                await self._nodes.ask(node, "erase", volume)
            path.unlink(missing_ok=True)

    async def close(self) -> None:
        for work in [*self._work, *self._placing.values(), *self._following.values()]:
            work.cancel()
        await asyncio.gather(*self._work, *self._placing.values(), *self._following.values(), return_exceptions=True)
        if not self._ledgers and self.link.up:
            with contextlib.suppress(Refused, NodeUnreachable, TimeoutError):
                async with asyncio.timeout(RETIRE):
                    await self.link.call("retire")
        await self.link.close()

    # -- placing a gang

    def _changed(self, name: str) -> None:
        self._joined.setdefault(name, asyncio.Event()).set()
        self._place(name)

    def _place(self, name: str) -> None:
        """See to it that a gang gets its place and starts, or gives it back."""
        self._joined.setdefault(name, asyncio.Event()).set()
        if name not in self._placing:
            work = self._placing[name] = asyncio.ensure_future(self._serve_gang(name))
            work.add_done_callback(lambda done: self._placed_out(name, done))

    def _placed_out(self, name: str, done: asyncio.Task[None]) -> None:
        self._placing.pop(name, None)
        if not done.cancelled() and (error := done.exception()):
            log.error("placing %s failed, it is tried again in %g s", name, PAUSE, exc_info=error)
            self._keep(self._place_again(name))

    async def _place_again(self, name: str) -> None:
        await asyncio.sleep(PAUSE)
        self._place(name)

    def _members(self, name: str) -> list[Ledger]:
        """In the order of their hosts."""
        found = [ledger for ledger in self._ledgers.values() if gang.gang(ledger.task) == name]
        return sorted(found, key=lambda ledger: rank(ledger.task))

    async def _serve_gang(self, name: str) -> None:
        """From the first of its tasks to the last: reserve, start, and release when all have ended."""
        joined = self._joined.setdefault(name, asyncio.Event())
        while True:
            joined.clear()
            members = self._members(name)
            if all(ledger.ended for ledger in members):
                await self._nodes.cluster("unplace", name=name)
                if all(ledger.ended for ledger in self._members(name)):
                    self._joined.pop(name, None)
                    self._since.pop(name, None)
                    return
                continue
            self._stop_waiting(members)
            complete = len(members) >= max(1, len(members[0].task.peers)) and not any(ledger.ended for ledger in members)
            if complete and not all(ledger.node for ledger in members) and not await self._reserve(name, members):
                continue  # no room yet; something may have changed meanwhile
            fresh = [ledger for ledger in members if ledger.node and not (ledger.handed or ledger.ended or ledger.after)]
            if fresh := [ledger for ledger in fresh if complete or ledger.stopped is not None]:
                await self._start(members, fresh)
                continue
            await joined.wait()

    def _stop_waiting(self, members: list[Ledger]) -> None:
        """A task that is to stop before it has a place has ended."""
        for ledger in members:
            if not ledger.ended and not ledger.node and ledger.stopped is not None:
                ledger.report("Exited", {
                    "ExitCode": 143, "Failure": None, "Message": None, "TimedOut": False, "Stopped": True,
                    "OutOfMemory": False, "LastLog": "", "Unstarted": True,
                })
                ledger.report("Finished", {})
                self._announce(ledger)

    async def _reserve(self, name: str, members: list[Ledger]) -> bool:
        """Ask for room once; True when the members have their places, or have failed for want of any."""
        nodes = {node["id"]: node for node in await self._nodes.cluster("nodes") if node["alive"]}
        sizes = gang.fit(
            [gang.wanted(ledger.task, self.cluster.declared) for ledger in members],
            [gang.node_size(node["resources"]) for node in nodes.values()], shrink=self.cluster.shrink,
        )
        if sizes is None:
            has = ", ".join(f"{node['address']}: {gang.node_size(node['resources']).cpus:g} CPUs" for node in nodes.values())
            for ledger in members:
                self._fail(ledger, f"CapacityError: Unable to provision requested ML compute capacity: the Ray cluster has {has or 'no nodes'}.")
            return True
        bundles = [size.bundle() | self._volumes(ledger.task, nodes) for size, ledger in zip(sizes, members, strict=True)]
        since = self._since.setdefault(name, time.monotonic())
        where = await self._nodes.cluster("place", name=name, bundles=bundles)
        if where is None:
            if members[0].task.kind == "serve" and time.monotonic() - since > PROVISION:
                self._fail(members[0], f"CapacityError: Unable to provision requested ML compute capacity: no node of the Ray cluster was free for {PROVISION:g} seconds.")
                return True
            return False
        self._since.pop(name, None)
        if not all(node in nodes for node in where):  # one has come or gone this moment
            await asyncio.sleep(AGAIN)
            return False
        for ledger, size, node in zip(members, sizes, where, strict=True):
            ledger.placed(node=node, address=nodes[node]["address"], cpus=size.cpus, memory=size.memory, gpus=size.gpus)
            for volume in ledger.task.volumes.values():
                (self._root / "volumes").mkdir(exist_ok=True)
                write_atomic(self._root / "volumes" / volume, node)
        return True

    def _volumes(self, task: Task, nodes: dict[str, Any]) -> dict[str, float]:
        """A task goes where the volumes lie that it uses."""
        for volume in task.volumes.values():
            path = self._root / "volumes" / volume
            if path.exists() and (node := nodes.get(path.read_text())):
                return {f"node:{node['address']}": 0.001}
        return {}

    async def _start(self, members: list[Ledger], fresh: list[Ledger]) -> None:
        """Hand the tasks to their nodes, the one first where the others meet."""
        try:
            networks = await meetings(self._nodes, members)
        except (NodeGone, Refused) as error:
            for ledger in fresh:
                self._fail(ledger, f"InternalServerError: {error}")
            return
        for ledger in fresh:
            await self._hand_over(ledger, networks[ledger.task.id])

    async def _hand_over(self, ledger: Ledger, network: dict[str, Any]) -> None:
        task = ledger.task
        keys = await self.cluster.keys(task)
        if task.id not in self._ledgers:  # forgotten meanwhile: nobody else would end them
            await self.cluster.revoke(keys["access_key"])
            return
        # a task may be handed over again after a kill: the agent holds the first keys, so all are kept until the end
        ledger.placed(**{**ledger.place, "keys": [*ledger.place.get("keys", ()), keys["access_key"]]})
        ledger.handed = True
        about = {"url": self.cluster.url(), "region": self.cluster.settings["region"], "owner": self.cluster.settings["account"]}
        stop = ledger.stopped
        try:
            await self._nodes.ask(ledger.node, "submit", dump_task(task), {**about, **keys}, network, stop)
            if stop is None and ledger.stopped is not None:
                await self._nodes.ask(ledger.node, "stop", task.id, ledger.stopped)
            if task.id not in self._ledgers:
                await self._nodes.ask(ledger.node, "forget", task.id)
        except NodeGone as error:
            self._lost(ledger, error)
        except Refused as error:
            self._fail(ledger, f"InternalServerError: The task could not be started on a node of the Ray cluster: {error}")
        else:
            self._follow(ledger.node)

    # -- following a node

    def _follow(self, node: str) -> None:
        work = self._following.get(node)
        if work is None or work.done():
            self._following[node] = asyncio.ensure_future(self._poll(node))

    def _running(self, node: str) -> list[Ledger]:
        return [ledger for ledger in self._ledgers.values() if ledger.node == node and not ledger.ended]

    async def _poll(self, node: str) -> None:
        """Take in what the tasks of a node say, until none of them runs any more."""
        while self._running(node):
            try:
                await self._hear(node)
            except NodeGone as error:
                for ledger in self._running(node):
                    self._lost(ledger, error)
            except Refused as error:
                for ledger in self._running(node):
                    self._fail(ledger, f"InternalServerError: The node of the Ray cluster failed: {error}")
            except Exception:
                log.exception("what the node %s says cannot be taken in; trying again in %g s", node[:12], PAUSE)
                await asyncio.sleep(PAUSE)

    async def _hear(self, node: str) -> None:
        """Ask the node once. What one task says and cannot be taken in is said again; the others' comes all the same."""
        cursors = {
            ledger.task.id: [ledger.after, ledger.cursor.get("offset", 0)]
            for ledger in self._ledgers.values() if ledger.node == node
        }
        if node in self._relays:  # it may have ended
            await self._relay(node, self._running(node)[0].place["address"])
        failed: Exception | None = None
        for task_id, said in (await self._nodes.ask(node, "poll", cursors, POLL)).items():
            try:
                await self._take(node, task_id, said)
            except (NodeGone, Refused):
                raise
            except Exception as error:
                failed = error if task_id in self._ledgers else failed
        if failed is not None:
            raise failed

    async def _take(self, node: str, task_id: str, said: dict[str, Any]) -> None:
        ledger = self._ledgers.get(task_id)
        if ledger is None:  # forgotten while the node could not be told
            await self._nodes.ask(node, "forget", task_id)
            return
        if "spool" in said:
            await asyncio.to_thread(ledger.take, said["spool"], said["offset"], self._logs, self._metrics)
        new = []
        for seq, at, name, data in said.get("reports", ()):
            if name == "Ready":
                data = {**data, "Sockets": await self._reached(ledger, data["Sockets"])}
            new.append(ledger.report(name, data, at, seq))
        if any(new):
            self._announce(ledger)

    async def _reached(self, ledger: Ledger, sockets: list[str]) -> list[str]:
        """The addresses by which the server reaches a task's workers."""
        if not self.cluster.relay and all(Path(path).exists() for path in sockets):
            return sockets
        port = await self._relay(ledger.node, ledger.place["address"])
        return [remote(ledger.place["address"], port, path, self._root / KEY) for path in sockets]

    async def _relay(self, node: str, address: str) -> int:
        """The port of a node's relay, which is started if it is not there. Raises NodeGone, Refused."""
        path = self._root / KEY
        if not path.exists():
            write_atomic(path, secrets.token_hex(32))
        self._relays.add(node)
        return int(await self._nodes.ask(node, "relay", path.read_text(), address))

    # -- telling

    async def _send(self, ledger: Ledger, method: str, *args: Any) -> None:
        with contextlib.suppress(NodeGone, Refused):  # its poll hears of it too
            await self._nodes.ask(ledger.node, method, *args)

    async def _forget_there(self, ledger: Ledger) -> None:
        if ledger.node:
            await self._send(ledger, "forget", ledger.task.id)
        for key in ledger.place.get("keys", ()):
            await self.cluster.revoke(key)
        if not self._members(name := gang.gang(ledger.task)):  # the next server would not know of its place
            await self._nodes.cluster("unplace", name=name)
        await asyncio.to_thread(ledger.remove)

    def _lost(self, ledger: Ledger, error: NodeGone) -> None:
        self._fail(ledger, f"InternalServerError: The node of the Ray cluster that ran {ledger.task.hostname} is gone: {error}")

    def _fail(self, ledger: Ledger, reason: str) -> None:
        if ledger.report("Failed", {"Reason": reason}):
            self._announce(ledger)

    def _tell_trouble(self) -> None:
        """Tasks without a place say why they wait."""
        for ledger in self._ledgers.values():
            if self.link.trouble and not ledger.node and not ledger.ended:
                ledger.report("Preparing", {"Message": f"Waiting for the Ray cluster: {self.link.trouble}"})
                self._announce(ledger)

    def _announce(self, ledger: Ledger) -> None:
        self._keep(self._tell(ledger.task.id))
        if ledger.ended:
            self._changed(gang.gang(ledger.task))

    async def _tell(self, task_id: str) -> None:
        for heard in self._heard:
            await heard(task_id)

    def _keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

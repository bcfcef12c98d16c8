"""The process that talks to Ray, so that the server need not: ``python -m sagewright.adapters.ray.bridge FD``.

It keeps nothing: every request can be asked again of another bridge. Placement groups and node agents are detached and
named, so that they belong to the server and not to it. It ends when the server's end of the socket closes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import frames

NAMESPACE = "sagewright"
WAIT = 2.0
"""Seconds that one request waits for a placement; the server asks again."""
SETUP = 60.0
"""Seconds that a node's agent may take to begin."""


STRANGER = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).internal_kv_keys(b"none", b"sagewright", 10)
print("LET IN")
"""
"""What a process without a token tries; there is no public call that asks Ray whether it has authentication on."""


class Bridge:
    """Requests of one server, by their method's name."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._agents: dict[str, Any] = {}
        self._setting: dict[str, asyncio.Lock] = {}
        # a wait for a placement holds a thread; short calls to Ray have theirs
        self._waits, self._calls = ThreadPoolExecutor(32), ThreadPoolExecutor(8)

    async def _thread(self, pool: ThreadPoolExecutor, function: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *args)

    async def nodes(self) -> list[dict[str, Any]]:
        """Every node that the cluster remembers: id, address, whether it lives, what it has."""
        import ray

        return [
            {"id": node["NodeID"], "address": node["NodeManagerAddress"], "alive": node["Alive"], "resources": node["Resources"],
             "reason": node.get("DeathReasonMessage", "")}
            for node in await self._thread(self._calls, ray.nodes)
        ]

    async def place(self, name: str, bundles: list[dict[str, float]]) -> list[str] | None:
        """Reserve the bundles, all or none; the node of each, or None while the cluster has no room."""
        return await self._thread(self._waits, self._place, self._group(name), bundles)  # type: ignore[no-any-return]

    def _place(self, name: str, bundles: list[dict[str, float]]) -> list[str] | None:
        from ray.util import get_placement_group, placement_group, placement_group_table, remove_placement_group

        try:
            group = get_placement_group(name)
        except ValueError:
            group = placement_group(bundles, strategy="SPREAD", name=name, lifetime="detached")
        if not group.wait(WAIT):
            if group.bundle_specs != bundles:  # asked for when the cluster was another one: it may never have that room again
                remove_placement_group(group)
            return None
        where = placement_group_table(group)["bundles_to_node_id"]
        return [where[index] for index in range(len(bundles))]

    async def unplace(self, name: str) -> None:
        await self._thread(self._calls, self._unplace, self._group(name))

    def _group(self, name: str) -> str:
        return f"sagewright-{self._config['server']}-{name}"

    def _unplace(self, name: str) -> None:
        from ray.util import get_placement_group, remove_placement_group

        try:
            remove_placement_group(get_placement_group(name))
        except ValueError:
            return

    async def node(self, node: str, method: str, args: list[Any]) -> Any:
        """Call the node's agent, which is started if it is not there."""
        agent, _ = await self._agent(node)
        return await getattr(agent, method).remote(*args)

    async def about(self, node: str) -> dict[str, Any]:
        """What the node's agent says of its machine."""
        return (await self._agent(node))[1]

    async def _agent(self, node: str) -> tuple[Any, dict[str, Any]]:
        async with self._setting.setdefault(node, asyncio.Lock()):
            if node not in self._agents:
                handle, about = await self._begin(node)
                if about["version"] != self._config["node"]["version"]:
                    import ray

                    ray.kill(handle, no_restart=True)  # of an older install; its successor adopts what it ran
                    handle, about = await self._begin(node)
                if about["version"] != self._config["node"]["version"]:
                    raise RuntimeError(
                        f"the node {node[:12]} has sagewright {about['version']} and the server has "
                        f"{self._config['node']['version']}: install the same version on both"
                    )
                self._agents[node] = handle, about
            return self._agents[node]  # type: ignore[no-any-return]

    async def _begin(self, node: str) -> tuple[Any, dict[str, Any]]:
        handle = await self._thread(self._calls, self._start, node)
        return handle, await asyncio.wait_for(handle.setup.remote(self._config["node"]), SETUP)

    def _start(self, node: str) -> Any:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from .node import NodeAgent

        server = self._config["server"]
        return ray.remote(NodeAgent).options(
            name=f"sagewright-{server}-{node}", namespace=NAMESPACE, lifetime="detached", get_if_exists=True, num_cpus=0,
            max_restarts=-1, max_task_retries=0, max_concurrency=1000,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(server, node)

    async def retire(self) -> None:
        """End the agents that this bridge knows and that have nothing left to do."""
        import ray

        for handle, _ in list(self._agents.values()):
            try:
                if await asyncio.wait_for(handle.retire.remote(), 5.0):
                    ray.kill(handle, no_restart=True)
            except (ray.exceptions.RayError, TimeoutError):
                continue
        self._agents.clear()

    def lost(self, node: str) -> None:
        """Look for the node's agent anew next time: it may have been started again and needs its setup."""
        self._agents.pop(node, None)


async def serve(bridge: Bridge, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests, any number at a time, until the server is gone."""
    running: set[asyncio.Task[None]] = set()
    while (message := await frames.read(reader)) is not None:
        task = asyncio.ensure_future(answer(bridge, message, writer))
        running.add(task)
        task.add_done_callback(running.discard)


async def answer(bridge: Bridge, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    import ray.exceptions as failures

    params = message["params"]
    said: dict[str, Any] = {"id": message["id"]}
    try:
        said["result"] = await getattr(bridge, message["method"])(**params)
    except failures.RayTaskError as error:
        if isinstance(error.cause, RuntimeError) and str(error.cause) == "not set up":
            bridge.lost(params["node"])
            said |= {"error": "unreachable", "message": "its agent has just been started again"}
        else:
            said |= {"error": "refused", "message": f"{type(error.cause).__name__}: {error.cause}"}
    except (failures.RayError, TimeoutError) as error:
        if "node" in params:
            bridge.lost(params["node"])
        said |= {"error": "unreachable", "message": f"{type(error).__name__}: {error}"}
    except Exception as error:
        traceback.print_exc()
        said |= {"error": "refused", "message": f"{type(error).__name__}: {error}"}
    frames.write(writer, said)


def connect(config: dict[str, Any]) -> None:
    """Join the cluster. Raises RuntimeError with what to do about it."""
    os.environ["RAY_AUTH_MODE"] = "token"
    if config["token"]:
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ["RAY_AUTH_TOKEN_PATH"] = config["token"]
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise RuntimeError("Ray is not installed beside the server: pip install 'sagewright[ray]'") from None
    try:
        ray.init(address=config["address"], namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    except Exception as error:
        where = config["token"] or os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
        raise RuntimeError(
            f"{type(error).__name__}: {str(error).strip()} (address {config['address']}, token of {where}; "
            "this machine must be a node of the cluster: ray start --address=HOST:PORT --num-cpus=0)"
        ) from None
    if config["check"]:
        refuse_open(ray.get_runtime_context().gcs_address)


def refuse_open(address: str) -> None:
    """Raises RuntimeError if the cluster lets somebody in who has no token: whoever reaches it could run code as jobs do."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    asked = subprocess.run(
        [sys.executable, "-c", STRANGER, address], env={**kept, "RAY_AUTH_MODE": "disabled"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False,
    )
    if b"LET IN" in asked.stdout:
        raise RuntimeError(
            f"the Ray cluster at {address} asks nobody for a token. Start each of its nodes with RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN_PATH set (Ray 2.52 or later)"
        )


async def main() -> None:
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=int(sys.argv[1])), limit=2**24)
    config = await frames.read(reader)
    if config is None:
        return
    connecting, gone = asyncio.ensure_future(asyncio.to_thread(connect, config)), asyncio.ensure_future(reader.read(1))
    await asyncio.wait({connecting, gone}, return_when=asyncio.FIRST_COMPLETED)
    if gone.done():  # the server says nothing until it has heard; Ray may try for ever to reach a cluster that is not there
        os._exit(0)
    gone.cancel()
    await asyncio.wait({gone})  # else it still has the reader
    try:
        await connecting
    except RuntimeError as error:
        frames.write(writer, {"error": str(error)})
        await writer.drain()
        return
    frames.write(writer, {"ready": True})
    await serve(Bridge(config), reader, writer)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(main())
    # threads that wait for placements, and Ray's own, are not worth waiting for
    os._exit(0)

"""A Ray cluster of several nodes on this machine, for trying out and for tests.

``python -m sagewright.adapters.ray.cluster up|down|status DIR [--nodes N] [--cpus N] [--memory GIB]``. Each node has a loopback address of its own;
the token lies in DIR/token. Ray opens its control ports on every interface all the same: the token is what guards them.
There is no dashboard.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

FIRST = 2
"""Nodes have the addresses 127.<place>.0.2, .3 ...; the head is the first."""
OBJECT_STORE = 80 * 10**6
"""Bytes; as little as Ray takes, for jobs do not use it."""
ATTEMPTS = 3
"""At a start that fails: a port that was free may have been taken meanwhile, or a daemon of Ray's hangs."""
STARTING = 75.0
"""Seconds that a node may take: it is some seconds of work, which a busy machine stretches."""
RAYLET = "raylet/raylet"
GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL: daemons of Ray's wait ten for one another, and nothing of theirs is kept."""


@dataclass
class LocalCluster:
    """``with LocalCluster(folder) as cluster: cluster.address``."""

    folder: Path
    nodes: int = 3
    cpus: int = 8
    """Of each node, that jobs may reserve; more than the machine may have, so that hosts get what their types declare."""
    memory: int = 32 * 2**30
    """Bytes, likewise."""
    environ: dict[str, str] = field(default_factory=dict)
    """More for the nodes' environment."""
    dashboard: int = 0
    """Port of Ray's dashboard on loopback, for ``ray job submit``; 0: there is none."""
    address: str = ""

    @property
    def token(self) -> Path:
        return self.folder / "token"

    @property
    def environment(self) -> dict[str, str]:
        """What a node, and whoever joins the cluster by hand, has set."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
        return {
            **kept, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token), "RAY_USAGE_STATS_ENABLED": "0",
            "SAGEWRIGHT_NODE_DATA": str(self.folder / "nodes"), "PYTHONPATH": ":".join(entry for entry in sys.path if entry),
            # a node that is gone is noticed within some seconds instead of a quarter of a minute
            "RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "4", "RAY_health_check_timeout_ms": "5000",
            "RAY_health_check_initial_delay_ms": "2000", "RAY_raylet_start_wait_time_s": str(int(STARTING)), **self.environ,
        }

    def start(self) -> LocalCluster:
        """Start every node and wait until Ray says that it runs. Raises RuntimeError with what Ray said."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.token.exists():
            self.token.touch(mode=0o600)
            self.token.write_text(secrets.token_hex(32))
        place = f"127.{1 + secrets.randbelow(250)}.0"
        self.address = f"{place}.{FIRST}:{free_port(f'{place}.{FIRST}')}"
        addresses = [f"{place}.{FIRST + number}" for number in range(self.nodes)]
        try:
            for address in addresses:  # one after the other: started together, one may not find itself in time
                self._note(address, self._begin(address, head=address == addresses[0]))
        except BaseException:
            self.stop()
            raise
        return self

    def add(self, address: str) -> None:
        """Start one more node, or a node anew that was lost."""
        self.state()
        self._note(address, self._begin(address))

    def _begin(self, address: str, head: bool = False) -> int:
        """The pid of the new node's raylet."""
        argv = [
            str(Path(sys.executable).with_name("ray")), "start", "--node-ip-address", address, "--num-cpus", f"{self.cpus:g}",
            "--memory", str(self.memory), "--object-store-memory", str(OBJECT_STORE), "--disable-usage-stats",
            "--include-log-monitor", "false",  # logs of jobs do not go through Ray: one process less to start on each node
        ]
        if head:
            shown = ["--include-dashboard", "true", "--dashboard-port", str(self.dashboard)] if self.dashboard else ["--include-dashboard", "false"]
            argv += ["--head", "--no-monitor", "--port", self.address.rpartition(":")[2], "--temp-dir", str(self._temp()), *shown]
        else:
            argv += ["--address", self.address]
        said = self.folder / "ray-start.log"  # not a pipe: what hangs would hold it open
        for _ in range(ATTEMPTS):
            with said.open("wb") as log:
                starting = subprocess.Popen(argv, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            with contextlib.suppress(subprocess.TimeoutExpired):
                if not starting.wait(STARTING) and (mine := _of(address, RAYLET)):
                    return int(mine[0].pid)
            starting.kill()
            starting.wait()
            _end([process for process in psutil.process_iter() if str(self._temp()) in _command(process.pid)] if head else _of(address))
        raise RuntimeError(f"ray start for {address} failed:\n{said.read_text()}")

    def _note(self, address: str, pid: int) -> None:
        known = self.state()
        known["nodes"][address] = pid
        (self.folder / "cluster.json").write_text(json.dumps({**known, "address": self.address}))

    def _temp(self) -> Path:
        """Ray's own folder: a short path, for its sockets."""
        return Path("/tmp") / f"sw-ray-{os.getuid()}-{self.address.split('.')[1]}-{self.address.rpartition(':')[2]}"

    def state(self) -> dict[str, Any]:
        """{"address", "nodes": {address: pid of the raylet}}."""
        path = self.folder / "cluster.json"
        if not path.exists():
            return {"address": "", "nodes": {}}
        found: dict[str, Any] = json.loads(path.read_text())
        self.address = self.address or found["address"]
        return {**found, "address": self.address}

    def kill(self, address: str) -> None:
        """SIGKILL to a node's raylet: to Ray, the node is lost."""
        os.kill(self.state()["nodes"][address], signal.SIGKILL)

    def stop(self) -> None:
        """End every process of the cluster, known by its folder, and remove what it kept."""
        self.state()
        if not self.address:
            return
        mark = str(self._temp())
        _end([process for process in psutil.process_iter() if mark in _command(process.pid)])
        shutil.rmtree(self._temp(), ignore_errors=True)
        (self.folder / "cluster.json").unlink(missing_ok=True)

    def __enter__(self) -> LocalCluster:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port(address: str, first: int = 6400) -> int:
    """From ``first`` on, below those that Ray gives to workers."""
    for port in range(first, 9900):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind((address, port))
            return port
    raise RuntimeError(f"no free port on {address}")


def _of(address: str, mark: str = "") -> list[psutil.Process]:
    """The processes that Ray has started for a node."""
    found = ((process, _command(process.pid)) for process in psutil.process_iter())
    return [process for process, said in found if f"={address} " in said and mark in said]


def _end(processes: list[psutil.Process]) -> None:
    """SIGTERM, then SIGKILL, to processes and all that they have started."""
    family = {child for process in processes for child in _children(process)} | set(processes)
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(list(family), timeout=GRACE)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sagewright.adapters.ray.cluster", description=__doc__)
    parser.add_argument("verb", choices=["up", "down", "status"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--cpus", type=int, default=LocalCluster.cpus, help="processors that jobs may reserve on each node")
    parser.add_argument("--memory", type=int, default=LocalCluster.memory >> 30, help="GiB that they may")
    given = parser.parse_args()
    cluster = LocalCluster(given.folder.absolute(), given.nodes, given.cpus, given.memory << 30)
    if given.verb == "up":
        if cluster.state()["address"]:
            sys.exit(f"a cluster is there already: {cluster.address}")
        begun = time.monotonic()
        cluster.start()
        print(f"{given.nodes} nodes in {time.monotonic() - begun:.0f} s")
        print(f"  sagewright up --ray {cluster.address} --ray-token {cluster.token}")
    elif given.verb == "down":
        cluster.stop()
    else:
        print(json.dumps(cluster.state(), indent=1))


if __name__ == "__main__":
    main()

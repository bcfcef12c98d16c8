"""Finds out, once per launcher, what the kernel lets a sandbox do here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from sagewright_container import mounts, network, sandbox
from sagewright_container.kernel import Forbidden

from .gpus import discover
from .network.meeting import join
from .network.netlink import Namespace
from .view import map_owner


def probe(folder: Path) -> dict[str, bool | str | int]:
    """``namespaces``, ``overlay``, ``idmap``, ``network`` (booleans), and ``reason`` when namespaces are refused,
    ``network_reason`` when the hosts of a job cannot be joined; ``gpus``: how many.

    ``fuse``, with ``fuse_reason``: whether an agent may serve a file system.

    ``folder``: where job folders will be; the answer depends on its file system.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".probe") as place:
        result = subprocess.run(
            [sys.executable, "-c", "from sagewright.agent.probe import _main; _main()", place],
            capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )
    try:
        found: dict[str, bool | str | int] = json.loads(result.stdout)
    except ValueError:
        return {"namespaces": False, "overlay": False, "idmap": False, "network": False, "reason": result.stderr.strip()[-500:]}
    return found


def _main() -> None:
    place = sys.argv[1]
    rootless = os.getuid() != 0
    found: dict[str, bool | str | int] = {"namespaces": False, "overlay": False, "idmap": False, "network": False}
    found["gpus"] = len(discover())
    userns = None if rootless else map_owner(200_000)
    for name in ("lower", "upper", "work", "target", "mapped"):
        Path(place, name).mkdir()
    try:
        sandbox.enter_namespaces(True, rootless)
        mounts.mount("none", "/", "", mounts.MS_REC | mounts.MS_PRIVATE)
        mounts.mount("tmpfs", f"{place}/target", "tmpfs")
        pid = os.fork()
        if pid == 0:
            try:
                mounts.mount("proc", f"{place}/target", "proc")
            except Forbidden:
                os._exit(1)
            os._exit(0)
        found["namespaces"] = os.waitpid(pid, 0)[1] == 0
        if not found["namespaces"]:
            found["reason"] = "the kernel does not allow a fresh /proc here (a container masks parts of it)"
    except (Forbidden, OSError) as error:
        found["reason"] = str(error)
        print(json.dumps(found))
        return
    lower = f"{place}/lower"
    if userns is not None:
        try:
            mounts.bind(lower, f"{place}/mapped", userns=userns)
            found["idmap"], lower = True, f"{place}/mapped"
        except Forbidden:
            found["idmap"] = False
    try:
        mounts.overlay(lower, f"{place}/upper", f"{place}/work", f"{place}/target", rootless)
        found["overlay"] = True
    except Forbidden:
        found["overlay"] = False
    found |= _fuse(place, rootless)
    found |= _network()
    print(json.dumps(found))


def _fuse(place: str, rootless: bool) -> dict[str, bool | str]:
    """Mount a file system that nobody serves."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            mounts.mount_lazy(ours, f"{place}/work", "probe", None if rootless else 200_000)
        except (Forbidden, OSError) as error:
            return {"fuse": False, "fuse_reason": f"no file system in user space on this machine ({error})"}
        return {"fuse": True}


def _network() -> dict[str, bool | str]:
    """Join two hosts for a moment, from within new namespaces."""
    try:
        spaces = []
        for _ in range(3):
            network.isolate()
            spaces.append(Namespace(network.netlink()))
        join(spaces[0], spaces[1:])
    except (Forbidden, OSError) as error:
        return {"network": False, "network_reason": str(error)}
    return {"network": True}

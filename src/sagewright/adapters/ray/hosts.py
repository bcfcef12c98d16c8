"""How the hosts of a job find each other on a cluster: the same task, told where its peers are.

On one machine the hosts get a network of the job's own, as with the local backend. On several they share their nodes'
networks, and each name resolves to its node's address.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from ...gateway.multimodel import SHARE
from ...stores.compute import Task
from .gang import RESOURCES, gang


def placed(task: Task, network: dict[str, Any]) -> Task:
    """The task as its node runs it.

    Args:
        network: {"cpus", "memory", "gpus"} that are reserved, {"meeting"} of hosts on one machine, or {"addresses"} of the
            nodes by host name and {"address"} of this one.
    """
    limits = replace(task.limits, cpus=network["cpus"], memory=network["memory"], gpus=network["gpus"])
    task = _smaller(replace(task, limits=limits, containers=[_smaller(replace(one, limits=limits)) for one in task.containers]))
    if network.get("meeting"):
        return replace(task, meeting=network["meeting"])
    if not network.get("addresses"):
        return task
    files = dict(task.files)
    if RESOURCES in files and (name := interface(network["address"])):
        files[RESOURCES] = json.dumps({**json.loads(files[RESOURCES]), "network_interface_name": name})
    env = {**task.env, "SAGEWRIGHT_CLUSTER_PORTS": str(ports(gang(task)))}
    return replace(task, env=env, files=files, peers=[], meeting="", addresses=network["addresses"])


def ports(job: str) -> int:
    """The first of a job's ten ports: jobs that share their nodes' networks are not to meet each other's hosts. They are between
    the workers' of Ray and those that the system gives out."""
    return 20_000 + zlib.crc32(job.encode()) % 1_000 * 10


def _smaller(task: Task) -> Task:
    """An instance that got less room than its type has holds fewer models."""
    if not task.models or not task.limits.memory:
        return task
    return replace(task, models={**task.models, "memory": min(task.models["memory"], int(task.limits.memory * SHARE))})


def machine() -> str:
    """Names the machine and the user on it; the same on every node that runs there."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{os.getuid()}"


def interface(address: str) -> str:
    """The network interface that has an address; empty if none has."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address == address for one in addresses):
            return str(name)
    return "lo" if address.startswith("127.") else ""

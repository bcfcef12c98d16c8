"""Where the hosts of a job meet, once they have their nodes."""

from __future__ import annotations

from typing import Any

from ...agent.layout import short
from ...stores.compute import Task
from .gang import gang
from .ledger import Ledger
from .link import Refused
from .nodes import Nodes


async def meetings(nodes: Nodes, members: list[Ledger]) -> dict[str, dict[str, Any]]:
    """Task id → what its host is told of its place and of the others, as ``hosts.placed`` takes it.

    Raises:
        NodeGone: a node was lost before all have met.
        Refused: such hosts cannot meet.
    """
    ids = {ledger.node for ledger in members}
    shared: dict[str, Any] = {}
    if len(ids) > 1:
        machines = {(await nodes.about(node))["machine"] for node in ids}
        if len(machines) == 1:
            shared = {"meeting": short(gang(members[0].task))}
        elif any(ledger.task.isolated for ledger in members):
            raise Refused("hosts on several machines cannot be isolated; without EnableNetworkIsolation they share their nodes' networks")
        else:
            shared = {"addresses": {ledger.task.hostname: ledger.place["address"] for ledger in members}}
    return {
        ledger.task.id: {name: ledger.place[name] for name in ("address", "cpus", "memory", "gpus")} | shared for ledger in members
    }


def rank(task: Task) -> tuple[int, str]:
    """Sorts the tasks of a job: where the hosts meet comes first."""
    return (task.peers.index(task.hostname) if task.hostname in task.peers else 0, task.id)

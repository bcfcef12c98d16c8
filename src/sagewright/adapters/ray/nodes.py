"""Asks the cluster and the agents of its nodes, again and again, until there is an answer or Ray holds the node for dead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .link import Link, NodeUnreachable, Refused

log = logging.getLogger(__name__)

AGAIN = 0.5
"""Seconds before a node is asked again that did not answer while Ray holds it for alive."""


class NodeGone(Exception):
    """Ray says that the node is dead, or does not know it; the message says which and why."""


class Nodes:
    """Over one link. What is asked may be carried out twice."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def cluster(self, method: str, **params: Any) -> Any:
        """The bridge's answer about the cluster as a whole, as long as it takes."""
        while True:
            try:
                return await self._link.call(method, **params)
            except (NodeUnreachable, Refused) as error:
                log.warning("Ray: %s failed: %s", method, error)
                await asyncio.sleep(AGAIN)

    async def ask(self, node: str, method: str, *args: Any) -> Any:
        """The answer of a node's agent. Raises NodeGone, Refused."""
        return await self._until_gone(node, lambda: self._link.call("node", node=node, method=method, args=list(args)))

    async def about(self, node: str) -> dict[str, Any]:
        """What the node's agent says of its machine; it is started if it is not there. Raises NodeGone, Refused."""
        return await self._until_gone(node, lambda: self._link.call("about", node=node))  # type: ignore[no-any-return]

    async def _until_gone(self, node: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await ask()
            except NodeUnreachable as error:
                await self._check(node, error)
                await asyncio.sleep(AGAIN)

    async def _check(self, node: str, error: Exception) -> None:
        """Raises NodeGone unless Ray holds the node for alive."""
        for known in await self.cluster("nodes"):
            if known["id"] == node:
                if known["alive"]:
                    log.info("node %s does not answer: %s", known["address"], error)
                    return
                raise NodeGone(f"{known['address']} ({node[:12]}) was lost{': ' + known['reason'] if known['reason'] else ''}")
        raise NodeGone(f"{node[:12]} is not part of the cluster any more")

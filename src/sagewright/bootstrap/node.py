"""The ports of an agent on a node of a Ray cluster."""

from __future__ import annotations

from typing import Any

from ..adapters.ray.ports import agent_ports
from ..agent.ports import AgentPorts
from ..settings import Settings
from ..stores.images import Images
from .agent import images


class Ports:
    """The agents' ``Factory``. Settings: {"url": of the server, "settings": this node's own Settings as JSON}."""

    def __call__(self, given: dict[str, Any]) -> AgentPorts:
        return agent_ports(given["url"], given["settings"]["region"], self.images(given))

    def images(self, given: dict[str, Any]) -> Images:
        return images(Settings.load({}, **given["settings"]))


ports = Ports()

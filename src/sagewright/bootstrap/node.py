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

    def images(self, given: dict[str, Any]) -> Images:
        return images(Settings.load({}, **given["settings"]))

    def __call__(self, given: dict[str, Any], images: Images) -> AgentPorts:
        return agent_ports(given["url"], given["settings"]["region"], images)


ports = Ports()

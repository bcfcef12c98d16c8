"""What an agent is given: the ports it works through, built by a factory that its settings name."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from ..stores.compute import Task
from ..stores.images import Images
from ..stores.logs import Logs
from ..stores.metrics import Metrics
from ..stores.objects import Objects
from .layout import Layout


@dataclass(slots=True)
class AgentPorts:
    """Blocking ports, used from the agent's threads. Opened in the agent's own process, never before a fork."""

    objects: Objects
    logs: Logs
    metrics: Metrics
    images: Images
    bind: Callable[[Layout, Task], AgentPorts] | None = None
    """The same ports once the task is known, where they depend on it: on a node, the keys to the objects do."""


class Factory(Protocol):
    """Builds the ports, from the settings that the server wrote down."""

    def images(self, settings: dict[str, Any], /) -> Images:
        """The images, for the launcher and all its agents: reading every declaration takes longer than a short job. Opens
        no store."""
        ...

    def __call__(self, settings: dict[str, Any], images: Images, /) -> AgentPorts:
        """Open every other port: in an agent's own process only. A store that a parent had open before a fork would share
        its memory of locks with the child, which then takes none."""
        ...


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """The file that the server writes for its launcher and agents."""

    data: Path
    factory: str
    """Import path ``module:function`` of a Factory."""
    settings: dict[str, Any]
    """JSON; what the factory gets."""
    warm_memory: int = 4 * 2**30

    @classmethod
    def load(cls, text: str) -> AgentConfig:
        raw = json.loads(text)
        return cls(Path(raw["data"]), raw["factory"], raw["settings"], raw["warm_memory"])

    def dump(self) -> str:
        return json.dumps({
            "data": str(self.data), "factory": self.factory, "settings": self.settings, "warm_memory": self.warm_memory,
        })

    def build(self) -> Factory:
        """Import the factory; the ports are built by calling it."""
        module, _, name = self.factory.partition(":")
        return cast(Factory, getattr(importlib.import_module(module), name))

"""The compute backend that the settings choose: processes of this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ..adapters.process import ProcessCompute
from ..adapters.ray import Cluster, RayCompute, SplitCompute
from ..adapters.ray.gang import Size
from ..adapters.ray.policy import policy
from ..agent.ports import AgentConfig
from ..gateway.model import FOREVER
from ..resources.hosts import EXTRA
from ..resources.instances import declared
from ..resources.platform import Platform
from ..settings import Settings
from ..stores.compute import Task
from ..stores.logs import Logs
from ..stores.metrics import Metrics

ON_NODES = ("region", "account", "warm_memory", "images", "registries")
"""Settings that a node gets as the server has them."""


def compute(settings: Settings, logs: Logs, metrics: Metrics, platform: Callable[[], Platform]) -> ProcessCompute | SplitCompute:
    """``platform`` is asked once everything is installed: it has the endpoint and the keys."""
    local = ProcessCompute(agent_config(settings))
    if not settings.ray:
        return local
    return SplitCompute(RayCompute(_cluster(settings, platform), logs, metrics), local)


def agent_config(settings: Settings) -> AgentConfig:
    given = {**asdict(settings), "data": str(settings.data)}
    return AgentConfig(
        data=settings.data, factory="sagewright.bootstrap.agent:ports", settings=given,
        warm_memory=settings.warm_memory,
    )


def _cluster(settings: Settings, platform: Callable[[], Platform]) -> Cluster:
    async def keys(task: Task) -> dict[str, str]:
        identity = platform().identity
        if identity is None:
            return {"access_key": "", "secret_key": "", "session_token": ""}
        made = await identity.task_credentials(task.id, policy(task), task.limits.seconds + EXTRA if task.limits.seconds else FOREVER)
        return {"access_key": made.access_key, "secret_key": made.secret_key, "session_token": made.session_token}

    async def revoke(access_key: str) -> None:
        if identity := platform().identity:
            await identity.revoke(access_key)

    def size(name: str) -> Size | None:
        found = declared(name)
        return None if found is None else Size(float(found.cores), found.memory, getattr(found, "gpus", 0))

    return Cluster(
        data=settings.data, address=settings.ray, token=str(Path(settings.ray_token).absolute()) if settings.ray_token else "",
        settings={name: getattr(settings, name) for name in ON_NODES}, shrink=settings.capacity != "strict",
        relay=settings.ray_relay, declared=size, url=lambda: platform().endpoint, keys=keys, revoke=revoke,
    )

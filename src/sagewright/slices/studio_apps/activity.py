"""Whether anybody uses a Jupyter server, by its own account."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...gateway.answer import Broken
from ...gateway.client import Worker

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Use:
    """How a Jupyter server is used."""

    last: float
    """Epoch seconds of the last activity: of a kernel, a terminal, or a request of its pages."""
    busy: bool
    """A kernel is at work: that is activity for as long as it lasts."""


async def ask(worker: Worker, base: str) -> Use | None:
    """None when the server does not answer. The question itself is no activity."""
    said = []
    for path in ("api/status", "api/kernels", "api/terminals"):
        try:
            answer = await worker.request("GET", f"{base}{path}?no_track_activity=1", {}, seconds=SECONDS)
            said.append(json.loads(answer.body) if answer.status == 200 else [])
        except (Broken, TimeoutError, ValueError):
            return None
    status, kernels, terminals = said
    return None if not isinstance(status, dict) else use(status, kernels, terminals)


def use(status: Mapping[str, Any], kernels: Iterable[Mapping[str, Any]], terminals: Iterable[Mapping[str, Any]]) -> Use:
    """From Jupyter's documents."""
    kernels = list(kernels)
    times = [status.get("last_activity") or status["started"], *(one.get("last_activity") for one in (*kernels, *terminals))]
    last = max(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() for time in times if time)
    return Use(last, any(kernel.get("execution_state") == "busy" for kernel in kernels))


def timeout(settings: Mapping[str, Any], group: str) -> float | None:
    """Seconds after which an app of these effective settings is idle; None: never.

    A space says its own minutes where an administrator has enabled the shutdown; they stay between the least and the most.
    """
    idle = settings.get(group, {}).get("AppLifecycleManagement", {}).get("IdleSettings", {})
    if idle.get("LifecycleManagement") != "ENABLED":
        return None
    minutes = idle.get("IdleTimeoutInMinutes", idle.get("MaxIdleTimeoutInMinutes"))
    if minutes is None:
        return None
    least, most = idle.get("MinIdleTimeoutInMinutes", minutes), idle.get("MaxIdleTimeoutInMinutes", float("inf"))
    return 60.0 * float(min(max(minutes, least), most))


def idle(found: Use, seconds: float | None, now: float) -> bool:
    """Whether nobody has used it for that long."""
    return seconds is not None and not found.busy and now - found.last >= seconds

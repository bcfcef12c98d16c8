"""Inference components: several models on one endpoint's instances, each with copies of its own. See README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.alarms import Alarms
from ...resources.platform import Platform
from .balancer import Balancer
from .executor import ComponentExecutor
from .gauges import Gauges
from .operations import ComponentOperations
from .resources import component
from .routing import Router


def install(platform: Platform) -> None:
    """Bind the operations and executors of components, and take in endpoints whose variants have no model."""
    alarms = Alarms(platform)
    alarms.install()
    ComponentOperations(component.install(platform), alarms).install()
    router, balancer = Router(platform), Balancer(platform)
    router.install()
    balancer.install()
    ComponentExecutor(platform, balancer, router, alarms).install()
    Gauges(platform, router).install()

"""Models and real-time endpoints: see README.md for a workflow that runs."""

from __future__ import annotations

from ...gateway.routes import Routes
from ...resources.platform import Platform
from .alarms import Alarms
from .executor import EndpointExecutor
from .invoke import Invocations
from .operations import EndpointOperations
from .resources import endpoint, endpoint_config, model
from .routing import Router


def install(platform: Platform) -> None:
    """Bind the operations and executors of models, endpoint configurations and endpoints, and the runtime's."""
    routes = Routes(platform.gateway)
    model.install(platform)
    endpoint_config.install(platform)
    alarms = Alarms(platform)
    alarms.install()
    EndpointOperations(endpoint.install(platform), alarms).install()
    router = Router(platform, routes)
    router.install()
    EndpointExecutor(platform, router, alarms).install()
    invocations = Invocations(platform, routes)
    invocations.install()
    platform.closers += [routes.close, invocations.meter.close]

"""Models and real-time endpoints: see README.md for a workflow that runs."""

from __future__ import annotations

from ...gateway.capture import Recorder, spool
from ...gateway.routes import Routes
from ...resources.alarms import Alarms
from ...resources.platform import Platform
from .executor import EndpointExecutor
from .invoke import Invocations
from .operations import EndpointOperations
from .quiet import Quiet
from .resources import endpoint, endpoint_config, model
from .routing import Router
from .uploads import Uploads


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
    Quiet(platform, routes).install()
    EndpointExecutor(platform, router, alarms).install()
    captured = spool(platform.settings)
    uploads = Uploads(platform, captured["folder"])
    uploads.install()
    if platform.gateway is not None:
        platform.gateway.captured = uploads.wake
    platform.recorder = Recorder(**captured, told=uploads.wake)
    invocations = Invocations(platform, routes, platform.recorder)
    invocations.install()
    platform.closers += [routes.close, invocations.meter.close, invocations.taps.close]

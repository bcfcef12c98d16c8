"""Managed MLflow: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .apps import Apps
from .door import SignedDoor
from .executor import MlflowExecutor
from .jobs import JobRuns
from .operations import TrackingServers
from .pages import Pages
from .register import Registrar
from .resources import app, tracking_server
from .servers import Servers
from .sessions import Sessions


def install(platform: Platform) -> None:
    """Bind the operations and executors of tracking servers and apps, and the ways in to them."""
    servers = Servers(platform)
    sessions = Sessions(platform, servers)
    registrar = Registrar(platform, servers)
    TrackingServers(tracking_server.install(platform), servers, sessions).install()
    Apps(app.install(platform), servers, sessions).install()
    MlflowExecutor(platform, servers, registrar).install()
    servers.install()
    JobRuns(platform, servers).install()
    SignedDoor(platform, servers, registrar).install()
    Pages(platform, servers, sessions, registrar).install()

"""What runs in spaces and notebook instances, and the way in to it: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .jupyter import BASES, JupyterApps
from .keys import Keys
from .proxy import Proxy
from .sessions import Sessions
from .table import Table


def install(platform: Platform) -> None:
    """Put the runners of apps in place, and what answers on the port of the workspaces."""
    table = Table(platform)
    sessions = Sessions(platform)
    apps = JupyterApps(platform, table, sessions, Keys(platform, table))
    platform.app_runners |= dict.fromkeys(BASES, apps)
    table.install()
    Proxy(platform, table, sessions).install()

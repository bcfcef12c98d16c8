"""What runs in spaces and notebook instances, and the way in to it: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .jupyter import BASES, JupyterApps
from .keys import Keys
from .notebooks.executor import InstanceExecutor
from .notebooks.lifecycle import NOUN
from .notebooks.operations import Configs, Instances
from .notebooks.resources import facts, lifecycle_config, notebook_instance
from .proxy import Proxy
from .sessions import Sessions
from .table import Table


def install(platform: Platform) -> None:
    """Put the runners of apps in place, and what answers on the port of the workspaces."""
    table = Table(platform)
    sessions = Sessions(platform)
    keys = Keys(platform, table)
    platform.app_runners |= dict.fromkeys(BASES, JupyterApps(platform, table, sessions, keys))
    table.readers[NOUN] = facts
    Instances(notebook_instance.install(platform), table, sessions).install()
    Configs(lifecycle_config.install(platform)).install()
    InstanceExecutor(platform, keys).install()
    table.install()
    Proxy(platform, table, sessions).install()

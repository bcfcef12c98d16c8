"""What runs in spaces and notebook instances, and the way in to it: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .editor import APP_TYPE, EditorApps
from .jupyter import BASES, JupyterApps
from .keys import Keys
from .notebooks.executor import InstanceExecutor
from .notebooks.lifecycle import NOUN
from .notebooks.operations import Configs, Instances
from .notebooks.resources import facts, lifecycle_config, notebook_instance
from .proxy import Proxy
from .repositories import CodeRepositories, code_repository
from .sessions import Sessions
from .table import Table


def install(platform: Platform) -> None:
    """Put the runners of apps in place, and what answers on the port of the workspaces."""
    table = Table(platform)
    sessions = Sessions(platform)
    keys = Keys(platform, table)
    repositories = CodeRepositories(code_repository.install(platform))
    repositories.install()
    parts = platform, table, sessions, keys, repositories
    platform.app_runners |= {**dict.fromkeys(BASES, JupyterApps(*parts)), APP_TYPE: EditorApps(*parts)}
    table.readers[NOUN] = facts
    Instances(notebook_instance.install(platform), table, sessions, repositories).install()
    Configs(lifecycle_config.install(platform)).install()
    InstanceExecutor(platform, keys, repositories).install()
    table.install()
    Proxy(platform, table, sessions).install()

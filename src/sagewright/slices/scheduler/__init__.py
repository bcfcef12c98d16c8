"""Amazon EventBridge Scheduler: calls of the API at given times. See README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .groups import Groups
from .runner import Runner
from .schedules import Schedules


def install(platform: Platform) -> None:
    """Bind the operations of schedules and groups, and carry out what is due."""
    groups = Groups(platform)
    groups.install()
    Schedules(platform, groups).install()
    Runner(platform).install()

"""The model registry: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .groups import Groups
from .packages import Packages
from .resources import group, package


def install(platform: Platform) -> None:
    """Bind the operations of model package groups and model packages."""
    groups = Groups(group.install(platform))
    groups.install()
    Packages(package.install(platform), groups).install()

"""CloudWatch Logs: groups, streams and events, over the Logs port. Shared by all regions of a server."""

from __future__ import annotations

from ...resources.platform import Platform
from .events import Events
from .groups import Groups


def install(platform: Platform) -> None:
    """Bind the operations of CloudWatch Logs."""
    groups = Groups(platform)
    groups.install()
    Events(groups).install()

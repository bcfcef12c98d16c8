"""CloudWatch metrics over the Metrics port, shared by all regions of a server, and alarms on them, which each region has its own of."""

from __future__ import annotations

from ...resources.platform import Platform
from . import alarms
from .operations import MetricOperations


def install(platform: Platform) -> None:
    """Bind the operations, and sum up old samples while the server runs."""
    operations = MetricOperations(platform)
    operations.install()
    alarms.install(platform, operations)

"""CloudWatch metrics over the Metrics port. Shared by all regions of a server; alarms are not here."""

from __future__ import annotations

from ...resources.platform import Platform
from .operations import MetricOperations


def install(platform: Platform) -> None:
    """Bind the operations, and sum up old samples while the server runs."""
    MetricOperations(platform).install()

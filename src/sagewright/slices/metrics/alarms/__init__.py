"""CloudWatch alarms: evaluated when a period ends and when late datapoints come, their actions carried out at least once."""

from __future__ import annotations

from ....resources.platform import Platform
from ..operations import MetricOperations
from .lifecycle import LIFECYCLE
from .operations import AlarmOperations
from .reading import AlarmReading
from .tags import AlarmTags
from .watch import Watch


def install(platform: Platform, metrics: MetricOperations) -> None:
    """Bind the operations; ``metrics`` says when datapoints come in through the API."""
    platform.reconciler.lifecycle(LIFECYCLE.name, LIFECYCLE)
    watch = Watch(platform)
    watch.install()
    metrics.arrived.append(watch.arrived)
    AlarmOperations(platform, watch).install()
    AlarmReading(platform).install()
    AlarmTags(platform).install()

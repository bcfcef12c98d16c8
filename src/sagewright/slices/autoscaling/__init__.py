"""Application Auto Scaling of what SageMaker serves: see README.md for a workflow that runs."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.records import Delete, Query
from ...wire.types import Call
from . import activities as activity
from . import schedule, targets
from .activities import Activities
from .dimensions import Dimensions
from .policies import Policies
from .scaler import POLICY, Scaler
from .schedule import ScheduledActions
from .tags import TargetTags
from .targets import Targets


def install(platform: Platform) -> None:
    """Bind the operations, hear alarms, carry out what is decided."""
    for lifecycle in (targets.LIFECYCLE, activity.LIFECYCLE):
        platform.reconciler.lifecycle(lifecycle.name, lifecycle)
    dimensions = Dimensions(platform)
    activities = Activities(platform, dimensions)
    policies = Policies(platform, dimensions)
    for part in (
        Targets(platform, dimensions), policies, ScheduledActions(platform), activities, Scaler(platform, dimensions, activities),
        TargetTags(platform),
    ):
        part.install()

    async def deregister(call: Call) -> dict[str, Any]:
        """A target goes with its policies, their alarms and its scheduled actions."""
        record = await targets.find(platform, call)
        for policy in await platform.records.find(POLICY, call.scope, Query(parent=record.key, limit=1000)):
            await policies.remove(policy)
        for action in await platform.records.find(schedule.KIND, call.scope, Query(parent=record.key, limit=1000)):
            await platform.records.commit(Delete(schedule.KIND, call.scope, action.key))
        await platform.reconciler.send(targets.KIND, call.scope, record.key, Event("Deregister"))
        return {}

    platform.operations.bind("application-autoscaling", "DeregisterScalableTarget", deregister)

"""What exists: device fleets, edge packaging jobs, deployment plans. Devices belong to a fleet, stages to a plan."""

from __future__ import annotations

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from .package_lifecycle import LAUNCH, LIFECYCLE
from .package_request import check as check_package

device_fleet = Resource("DeviceFleet", verbs=("Describe",))
edge_packaging_job = Resource(
    "EdgePackagingJob", lifecycle=LIFECYCLE, first=(Instruction(LAUNCH),), prepare=check_package, verbs=("Create", "Describe")
)
edge_plan = Resource("EdgeDeploymentPlan", verbs=())
edge_plan.slug = "edge-deployment"  # as its ARNs have it

"""Edge Manager: fleets of devices, packages, staged deployments, and what devices call. See README.md for a workflow."""

from __future__ import annotations

from ...resources.platform import Platform
from .calls import DeviceCalls
from .devices import Devices
from .fleets import Fleets
from .packaging import PackagingExecutor, PackagingOperations
from .plans import Plans
from .resources import device_fleet, edge_packaging_job, edge_plan


def install(platform: Platform) -> None:
    """Bind the operations and executors of the edge."""
    devices = Devices(device_fleet.install(platform))
    devices.install()
    Fleets(devices).install()
    packages = edge_packaging_job.install(platform)
    PackagingOperations(packages).install()
    PackagingExecutor(platform).install()
    plans = Plans(edge_plan.install(platform), devices, packages)
    plans.install()
    DeviceCalls(devices, plans).install()

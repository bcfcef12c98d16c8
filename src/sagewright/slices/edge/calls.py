"""What devices call: sagemaker-edge. Signed with keys that may act on the device's own ARN."""

from __future__ import annotations

import json
from typing import Any

from ...wire.types import Call
from .devices import Devices
from .plans import Plans

TTL = "3600"
"""Seconds that a device may keep its registration."""


class DeviceCalls:
    """The three operations of devices on one platform."""

    def __init__(self, devices: Devices, plans: Plans) -> None:
        self.devices, self.plans, self.platform = devices, plans, devices.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (("GetDeployments", self.deployments), ("GetDeviceRegistration", self.registration), ("SendHeartbeat", self.heartbeat)):
            bind("sagemaker-edge", name, verb, resources=self.devices.arns)

    async def registration(self, call: Call) -> dict[str, Any]:
        """Raises NotFound unless the device is registered."""
        device = await self.devices.find(call)
        fleet = await self.devices.fleets.find(call)
        about = {
            "DeviceName": device.name, "DeviceFleetName": fleet.name, "DeviceArn": device.doc["DeviceArn"], "Region": call.region,
            "OutputConfig": fleet.doc["OutputConfig"],
        }  # fmt: skip
        return {"DeviceRegistration": json.dumps(about), "CacheTTL": TTL}

    async def deployments(self, call: Call) -> dict[str, Any]:
        return {"Deployments": await self.plans.offered(await self.devices.find(call))}

    async def heartbeat(self, call: Call) -> None:
        """Note that the device lives, what it runs, and how a deployment went."""
        params = call.params
        device = await self.devices.find(call)
        seen: dict[str, Any] = {"LatestHeartbeat": self.platform.clock(), "AgentVersion": params["AgentVersion"]}
        if "Models" in params:
            seen["Models"] = [
                {m: model[m] for m in ("ModelName", "ModelVersion", "LatestSampleTime", "LatestInference") if m in model}
                for model in params["Models"]
            ]
        await self.devices.change(device, seen)
        if told := params.get("DeploymentResult"):
            await self.plans.heard(device, told)

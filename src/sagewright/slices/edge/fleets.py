"""Device fleets, and the report of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ...resources.jobs import check_role, check_s3
from ...stores.records import Conflict, Delete, Put, Record
from ...wire.errors import InUse, NotImplementedHere
from ...wire.types import Call
from .devices import Devices
from .listing import listed
from .package_request import NO_GREENGRASS

CONNECTED = 300.0
"""Seconds since the last heartbeat for which a device counts as connected, or since the last inference as active."""
NO_IOT = "EnableIotRoleAlias is not implemented: there is no IoT here that would hand out keys; give each device keys of its own."


class Fleets:
    """The verbs of fleets on one platform."""

    def __init__(self, devices: Devices) -> None:
        self.devices, self.desk, self.platform = devices, devices.fleets, devices.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("CreateDeviceFleet", self.create), ("UpdateDeviceFleet", self.update), ("DeleteDeviceFleet", self.delete),
            ("GetDeviceFleetReport", self.report),
        ):
            bind("sagemaker", name, verb, resources=self.desk.arns)
        bind("sagemaker", "ListDeviceFleets", self.list)

    async def create(self, call: Call) -> Any:
        self._check(call)
        return await self.desk.create(call)

    async def list(self, call: Call) -> dict[str, Any]:
        return await listed(self.desk, call)

    async def update(self, call: Call) -> None:
        """Replace what is given."""
        self._check(call)
        changes = {k: v for k, v in call.params.items() if k != "DeviceFleetName"}
        while True:
            record = await self.desk.find(call)
            doc = {**record.doc, **changes, "LastModifiedTime": self.platform.clock()}
            try:
                await self.platform.reconciler.commit(Put(record.kind, record.scope, record.key, doc, record.version, name=record.name))
            except Conflict:
                continue
            return

    async def delete(self, call: Call) -> None:
        """Raises InUse while devices are registered."""
        record = await self.desk.find(call)
        if await self.devices.of(call.scope, record.key):
            raise InUse(f"Cannot delete device fleet {record.doc['DeviceFleetArn']}: it still has devices.")
        await self.platform.reconciler.commit(Delete(record.kind, record.scope, record.key))

    async def report(self, call: Call) -> dict[str, Any]:
        fleet, now = await self.desk.find(call), self.platform.clock()
        found = await self.devices.of(call.scope, fleet.key)
        answer: dict[str, Any] = {m: fleet.doc[m] for m in ("DeviceFleetArn", "DeviceFleetName", "OutputConfig", "Description") if m in fleet.doc}
        return {**answer, "ReportGenerated": now, **statistics(found, now)}

    def _check(self, call: Call) -> None:
        if call.params.get("EnableIotRoleAlias"):
            raise NotImplementedHere(NO_IOT)
        if "PresetDeploymentType" in call.params["OutputConfig"]:
            raise NotImplementedHere(NO_GREENGRASS)
        check_s3(call.params["OutputConfig"]["S3OutputLocation"])
        if role := call.params.get("RoleArn"):
            check_role(self.platform, call, role)


def statistics(devices: Iterable[Record], now: float) -> dict[str, Any]:
    """DeviceStats, AgentVersions and ModelStats of a fleet's devices."""
    agents: Counter[str] = Counter()
    models: dict[tuple[str, str], Counter[str]] = {}
    registered = connected = 0

    def recent(at: float | None) -> bool:
        return at is not None and now - at <= CONNECTED

    for device in devices:
        doc = device.doc
        registered += 1
        here = recent(doc.get("LatestHeartbeat"))
        connected += here
        if "AgentVersion" in doc:
            agents[doc["AgentVersion"]] += 1
        for model in doc.get("Models", ()):
            count = models.setdefault((model["ModelName"], model["ModelVersion"]), Counter())
            count["ConnectedDeviceCount" if here else "OfflineDeviceCount"] += 1
            count["ActiveDeviceCount"] += here and recent(model.get("LatestInference"))
            count["SamplingDeviceCount"] += here and recent(model.get("LatestSampleTime"))
    members = ("OfflineDeviceCount", "ConnectedDeviceCount", "ActiveDeviceCount", "SamplingDeviceCount")
    return {
        "DeviceStats": {"ConnectedDeviceCount": connected, "RegisteredDeviceCount": registered},
        "AgentVersions": [{"Version": version, "AgentCount": count} for version, count in sorted(agents.items())],
        "ModelStats": [
            {"ModelName": name, "ModelVersion": version, **{m: count[m] for m in members}} for (name, version), count in sorted(models.items())
        ],
    }  # fmt: skip

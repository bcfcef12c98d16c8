"""Devices: registered in a fleet, known by their heartbeats."""

from __future__ import annotations

from typing import Any

from ...resources import paging
from ...resources.desk import Desk
from ...stores.records import Change, Conflict, Delete, Put, Query, Record
from ...wire.errors import Invalid, NotFound
from ...wire.types import Call
from .listing import EVERY, cut

KIND = "EdgeDevice"
ONGOING = "EdgeStageDevice"
"""A device's part in a stage; its parent is the device."""


class Devices:
    """The verbs of devices on one platform."""

    def __init__(self, fleets: Desk) -> None:
        self.fleets, self.platform = fleets, fleets.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (("RegisterDevices", self.register), ("UpdateDevices", self.update), ("DeregisterDevices", self.deregister)):
            bind("sagemaker", name, verb, resources=self.arns)
        bind("sagemaker", "DescribeDevice", self.describe, resources=self.arns)
        bind("sagemaker", "ListDevices", self.page)

    def arns(self, call: Call) -> list[str]:
        """The devices that a call acts on."""
        fleet = call.params["DeviceFleetName"]
        names = [d["DeviceName"] for d in call.params.get("Devices", ())] or call.params.get("DeviceNames") or [call.params.get("DeviceName")]
        return [self.arn(call, fleet, name) for name in names]

    def arn(self, call: Call, fleet: str, name: str | None) -> str:
        return f"{self.fleets.arn(call, fleet)}/device/{(name or '*').lower()}"

    async def register(self, call: Call) -> None:
        """All of them or none. Raises Invalid for a name that is registered already."""
        fleet = await self.fleets.find(call)
        now = self.platform.clock()
        puts: list[Change] = []
        for device in call.params["Devices"]:
            name = device["DeviceName"]
            doc = {
                **device, "DeviceFleetName": fleet.name, "DeviceArn": self.arn(call, fleet.name, name), "RegistrationTime": now,
                "Tags": call.params.get("Tags", []),
            }  # fmt: skip
            puts.append(Put(KIND, call.scope, key(fleet.key, name), doc, 0, name=name, parent=fleet.key, created=now))
        if len({put.key for put in puts if isinstance(put, Put)}) < len(puts):
            raise Invalid("A device is named twice.")
        try:
            await self.platform.reconciler.commit(*puts)
        except Conflict as error:
            raise Invalid(f"Device {error.args[0].split(' ')[1].rpartition('/')[2]} is already registered in device fleet {fleet.name}.") from None

    async def update(self, call: Call) -> None:
        for device in call.params["Devices"]:
            await self.change(await self.find(call, device["DeviceName"]), device)

    async def deregister(self, call: Call) -> None:
        """Devices and their part in deployments go; a name that is not registered is fine."""
        fleet = await self.fleets.find(call)
        gone: list[Change] = []
        for name in call.params["DeviceNames"]:
            mine = key(fleet.key, name)
            parts = await self.platform.records.find(ONGOING, call.scope, Query(parent=mine, limit=EVERY))
            if any(part.status == "INPROGRESS" for part in parts):
                raise Invalid(f"Device {name} has a deployment in progress; stop its stage first.")
            gone += [Delete(KIND, call.scope, mine), *(Delete(ONGOING, call.scope, part.key) for part in parts)]
        await self.platform.reconciler.commit(*gone)

    async def describe(self, call: Call) -> dict[str, Any]:
        record = await self.find(call)
        return {m: record.doc[m] for m in self.fleets.shapes.output("DescribeDevice") if m in record.doc}

    async def page(self, call: Call) -> dict[str, Any]:
        """By name; of one fleet, with a heartbeat since a time, with a model."""
        params = call.params
        fleet = params.get("DeviceFleetName")
        query = Query(parent=fleet.lower() if fleet else None, sort_by="name", descending=False, limit=EVERY)
        since, model = params.get("LatestHeartbeatAfter"), params.get("ModelName")
        found = [
            r for r in await self.platform.records.find(KIND, call.scope, query)
            if (since is None or r.doc.get("LatestHeartbeat", 0.0) >= since)
            and (model is None or any(m["ModelName"] == model for m in r.doc.get("Models", ())))
        ]  # fmt: skip
        page, more = cut(params, found, int(params.get("MaxResults", paging.DEFAULT_PAGE)))
        item = self.fleets.shapes.list("ListDevices").item
        answer: dict[str, Any] = {"DeviceSummaries": [{m: v for m, v in r.doc.items() if m in item} for r in page]}
        return {**answer, "NextToken": more} if more else answer

    # -- parts

    async def find(self, call: Call, name: str = "") -> Record:
        """The device that the call names. Raises NotFound."""
        fleet, name = call.params["DeviceFleetName"], name or call.params["DeviceName"]
        record = await self.platform.records.get(KIND, call.scope, key(fleet, name))
        if record is None:
            raise NotFound(f'Could not find device "{self.arn(call, fleet, name)}".')
        return record

    async def of(self, scope: str, fleet: str) -> list[Record]:
        """Every device of a fleet, by name."""
        return await self.platform.records.find(KIND, scope, Query(parent=fleet.lower(), sort_by="name", descending=False, limit=EVERY))

    async def change(self, record: Record, changes: dict[str, Any]) -> None:
        """Set members of a device's document. Raises NotFound if it is gone meanwhile."""
        while True:
            fresh = await self.platform.records.get(KIND, record.scope, record.key)
            if fresh is None:
                raise NotFound(f"Could not find device {record.name}.")
            put = Put(KIND, record.scope, record.key, {**fresh.doc, **changes}, fresh.version, name=fresh.name, parent=fresh.parent)
            try:
                await self.platform.reconciler.commit(put)
            except Conflict:
                continue
            return


def key(fleet: str, device: str) -> str:
    return f"{fleet}/{device}".lower()

"""Edge deployment plans and their stages. A plan is one document with its stages; what a device does in a stage is another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ...resources import paging
from ...resources.desk import Desk
from ...stores.records import Change, Conflict, Delete, Put, Query, Record
from ...wire.errors import InUse, Invalid
from ...wire.types import Call
from . import stages
from .devices import ONGOING, Devices
from .listing import EVERY, cut, listed

Revise = Callable[[dict[str, Any]], dict[str, Any]]


class Plans:
    """The verbs of plans and stages on one platform."""

    def __init__(self, desk: Desk, devices: Devices, packages: Desk) -> None:
        self.desk, self.devices, self.packages, self.platform = desk, devices, packages, desk.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("CreateEdgeDeploymentPlan", self.create), ("DescribeEdgeDeploymentPlan", self.describe), ("DeleteEdgeDeploymentPlan", self.delete),
            ("CreateEdgeDeploymentStage", self.add), ("DeleteEdgeDeploymentStage", self.remove), ("StartEdgeDeploymentStage", self.start),
            ("StopEdgeDeploymentStage", self.stop), ("ListStageDevices", self.stage_devices),
        ):
            bind("sagemaker", name, verb, resources=self.desk.arns)
        bind("sagemaker", "ListEdgeDeploymentPlans", self.page)

    async def create(self, call: Call) -> dict[str, Any]:
        """Raises Invalid: no such fleet, a package that is not COMPLETED, a handle or a stage twice."""
        params, name = call.params, call.params["EdgeDeploymentPlanName"]
        fleet = await self.devices.fleets.find(call)
        doc = {
            **params, "DeviceFleetName": fleet.name, "EdgeDeploymentPlanArn": self.desk.arn(call, name),
            "Stages": _stages([], params.get("Stages", [])), "_models": await self._models(call),
        }  # fmt: skip
        doc |= stages.totals(doc["Stages"])
        try:
            await self.desk.write_new(call, name, doc)
        except Conflict:
            raise self.desk.exists(call, name) from None
        return {"EdgeDeploymentPlanArn": doc["EdgeDeploymentPlanArn"]}

    async def _models(self, call: Call) -> list[dict[str, str]]:
        """What devices are told of each model; later changes of the packaging jobs do not count."""
        handles = [config["ModelHandle"] for config in call.params["ModelConfigs"]]
        if len(set(handles)) < len(handles):
            raise Invalid("ModelConfigs: a ModelHandle is given twice.")
        models = []
        for config in call.params["ModelConfigs"]:
            name = config["EdgePackagingJobName"]
            job = await self.platform.records.get("EdgePackagingJob", call.scope, name.lower())
            if job is None or job.doc["EdgePackagingJobStatus"] != "COMPLETED":
                status = job.doc["EdgePackagingJobStatus"] if job else "not there"
                raise Invalid(f"Edge packaging job {name} is {status}; a plan needs a COMPLETED one.")
            models.append({"ModelHandle": config["ModelHandle"], "S3Url": job.doc["ModelArtifact"], "Sha1": job.doc["_sha1"]})
        return models

    async def describe(self, call: Call) -> dict[str, Any]:
        record = await self.desk.find(call)
        answer = self.desk.view(record, self.desk.shapes.output("DescribeEdgeDeploymentPlan"))
        names = [stage["StageName"] for stage in record.doc["Stages"]]
        shown = [Record(ONGOING, record.scope, name, stage, 1, 0.0, 0.0, name=name) for name, stage in zip(names, record.doc["Stages"], strict=True)]
        page, more = cut(call.params, shown, int(call.params.get("MaxResults", 100)))
        answer["Stages"] = [{m: v for m, v in stage.doc.items() if not m.startswith("_")} for stage in page]
        return {**answer, "NextToken": more} if more else answer

    async def page(self, call: Call) -> dict[str, Any]:
        return await listed(self.desk, call, {"DeviceFleetNameContains": "DeviceFleetName"}, {"DEVICE_FLEET_NAME": "DeviceFleetName"})

    async def delete(self, call: Call) -> None:
        """Raises InUse while a stage runs."""
        record = await self.desk.find(call)
        if running := [stage["StageName"] for stage in record.doc["Stages"] if stages.active(stage)]:
            raise InUse(f"Cannot delete edge deployment plan {record.doc['EdgeDeploymentPlanArn']}: stage {running[0]} is in progress.")
        parts = await self._parts(record)
        await self.platform.records.commit(
            Delete(record.kind, record.scope, record.key, record.version), *(Delete(ONGOING, record.scope, p.key) for p in parts)
        )

    async def add(self, call: Call) -> None:
        await self._revise(call, lambda doc: {**doc, "Stages": _stages(doc["Stages"], call.params["Stages"])})

    async def remove(self, call: Call) -> None:
        """Raises InUse while the stage runs."""
        record = await self.desk.find(call)
        stage = _stage(record.doc, call.params["StageName"])
        if stages.active(stage):
            raise InUse(f"Cannot delete stage {stage['StageName']}: it is in progress.")
        parts = [Delete(ONGOING, record.scope, p.key) for p in await self._parts(record, stage["StageName"])]
        await self._revise(call, lambda doc: {**doc, "Stages": [s for s in doc["Stages"] if s["StageName"] != stage["StageName"]]}, *parts)

    async def start(self, call: Call) -> None:
        """Choose the devices and offer them the models: the plan and every device's part in one transaction.

        Devices that another stage of the plan has brought to DEPLOYED count as done.
        """
        await self._again(self._start, call)

    async def _start(self, call: Call) -> None:
        record = await self.desk.find(call)
        name, now = call.params["StageName"], self.platform.clock()
        stage = _stage(record.doc, name)
        fleet = record.doc["DeviceFleetName"]
        known = await self.devices.of(call.scope, fleet)
        wanted = stages.chosen(stage["DeviceSelectionConfig"], [device.name for device in known])
        if not wanted:
            raise Invalid(f"Stage {name} selects no device of device fleet {fleet}.")
        done = {p.doc["DeviceName"]: p.doc for p in await self._parts(record) if p.status == stages.DEPLOYED}
        deployment = stages.deployment_name(record.name, name, now)
        after = stages.started(stage, sum(n not in done for n in wanted), sum(n in done for n in wanted), deployment, now)
        old = [Delete(ONGOING, record.scope, p.key) for p in await self._parts(record, name)]
        parts = [self._part(record, after, device, done, now) for device in known if device.name in wanted]
        if kept := {p.key for p in parts}:
            old = [delete for delete in old if delete.key not in kept]
        await self._replace(record, after, *old, *parts)

    def _part(self, plan: Record, stage: dict[str, Any], device: Record, done: dict[str, Any], now: float) -> Put:
        """One device's part in a stage."""
        before = done.get(device.name)
        status = stages.DEPLOYED if before else stages.RUNNING
        doc = {
            "EdgeDeploymentPlanArn": plan.doc["EdgeDeploymentPlanArn"], "EdgeDeploymentPlanName": plan.name, "StageName": stage["StageName"],
            "DeviceFleetName": plan.doc["DeviceFleetName"], "DeviceName": device.name, "DeviceArn": device.doc["DeviceArn"],
            "DeviceDeploymentStatus": status, "DeploymentStartTime": before["DeploymentStartTime"] if before else now,
            "DeployedStageName": before["DeployedStageName"] if before else "", "Description": device.doc.get("Description", ""),
            "_deployment": before["_deployment"] if before else stage["_deployment"], "_plan": plan.key,
        }  # fmt: skip
        where = part_key(plan.key, stage["StageName"], device.name)
        return Put(ONGOING, plan.scope, where, doc, status=status, name=where, parent=device.key)

    async def stop(self, call: Call) -> None:
        """Devices that have not told a result are offered the models no more; a result that is on its way is still noted."""
        await self._again(self._stop, call)

    async def _stop(self, call: Call) -> None:
        record = await self.desk.find(call)
        stage = stages.stopped(_stage(record.doc, call.params["StageName"]))
        parts = [
            Put(ONGOING, p.scope, p.key, {**p.doc, "DeviceDeploymentStatus": stages.STOPPED}, p.version, stages.STOPPED, p.name, p.parent)
            for p in await self._parts(record, stage["StageName"]) if p.status == stages.RUNNING
        ]  # fmt: skip
        await self._replace(record, stage, *parts)

    async def stage_devices(self, call: Call) -> dict[str, Any]:
        """Before the stage starts, the devices that it would choose now."""
        record = await self.desk.find(call)
        stage, params = _stage(record.doc, call.params["StageName"]), call.params
        parts = await self._parts(record, stage["StageName"])
        if not parts and stage["DeploymentStatus"]["StageStatus"] == stages.READY:
            known = await self.devices.of(call.scope, record.doc["DeviceFleetName"])
            wanted = set(stages.chosen(stage["DeviceSelectionConfig"], [d.name for d in known]))
            parts = [self._foreseen(record, stage, device) for device in known if device.name in wanted]
        if params.get("ExcludeDevicesDeployedInOtherStage"):
            parts = [p for p in parts if p.doc.get("DeployedStageName") in ("", None, stage["StageName"])]
        page, more = cut(params, parts, int(params.get("MaxResults", paging.DEFAULT_PAGE)))
        item = self.desk.shapes.list("ListStageDevices").item
        shown = [{m: v for m, v in p.doc.items() if m in item and v != ""} for p in page]
        return {"DeviceDeploymentSummaries": shown, "NextToken": more} if more else {"DeviceDeploymentSummaries": shown}

    def _foreseen(self, plan: Record, stage: dict[str, Any], device: Record) -> Record:
        put = self._part(plan, {**stage, "_deployment": ""}, device, {}, 0.0)
        doc = {k: v for k, v in put.doc.items() if k != "DeploymentStartTime"} | {"DeviceDeploymentStatus": stages.READY}
        return Record(ONGOING, plan.scope, put.key, doc, 0, 0.0, 0.0, name=put.key)

    # -- parts

    async def heard(self, device: Record, told: dict[str, Any], *also: Change) -> None:
        """Take in the result of a deployment that a device tells of; an old or unknown one changes nothing."""
        status, message = stages.result(told)
        query = Query(parent=device.key, where=(("_deployment", told.get("DeploymentName", "")),), limit=EVERY)
        while True:
            parts = [p for p in await self.platform.records.find(ONGOING, device.scope, query) if p.status in (stages.RUNNING, stages.STOPPED)]
            if not parts or status == stages.RUNNING:
                return
            part = parts[0]
            plan = await self.platform.records.get("EdgeDeploymentPlan", device.scope, part.doc["_plan"])
            doc = {**part.doc, "DeviceDeploymentStatus": status, "DeviceDeploymentStatusMessage": message}
            if status == stages.DEPLOYED:
                doc["DeployedStageName"] = part.doc["StageName"]
            put = Put(ONGOING, part.scope, part.key, doc, part.version, status, part.name, part.parent)
            if plan is None:
                return
            stage = next((s for s in plan.doc["Stages"] if s["StageName"] == part.doc["StageName"]), None)
            try:
                if stage is not None:
                    await self._replace(plan, stages.counted(stage, part.status, status), put)
            except Conflict:
                continue
            return

    async def offered(self, device: Record) -> list[dict[str, Any]]:
        """What a device is to do now, the oldest first."""
        query = Query(parent=device.key, statuses=(stages.RUNNING,), descending=False, limit=100)
        found = []
        for part in await self.platform.records.find(ONGOING, device.scope, query):
            plan = await self.platform.records.get("EdgeDeploymentPlan", device.scope, part.doc["_plan"])
            stage = next((s for s in plan.doc["Stages"] if s["StageName"] == part.doc["StageName"]), None) if plan else None
            if plan is None or stage is None:
                continue
            found.append({
                "DeploymentName": part.doc["_deployment"], "Type": "Model",
                "FailureHandlingPolicy": stage["DeploymentConfig"]["FailureHandlingPolicy"],
                "Definitions": [
                    {"ModelHandle": m["ModelHandle"], "S3Url": m["S3Url"], "Checksum": {"Type": "SHA1", "Sum": m["Sha1"]}, "State": "DEPLOY"}
                    for m in plan.doc["_models"]
                ],
            })  # fmt: skip
        return found

    async def _parts(self, plan: Record, stage: str = "") -> list[Record]:
        """The parts of devices in a plan, or in one of its stages, by name."""
        prefix = f"{plan.key}/{stage}/".lower() if stage else f"{plan.key}/"
        query = Query(name_prefix=prefix, sort_by="name", descending=False, limit=EVERY)
        return await self.platform.records.find(ONGOING, plan.scope, query)

    async def _revise(self, call: Call, revise: Revise, *also: Change) -> None:
        while True:
            record = await self.desk.find(call)
            try:
                await self.platform.records.commit(self._put(record, revise(record.doc)), *also)
            except Conflict:
                continue
            return

    async def _again(self, verb: Callable[[Call], Awaitable[None]], call: Call) -> None:
        """Once more as long as somebody else changes the plan meanwhile."""
        while True:
            try:
                return await verb(call)
            except Conflict:
                continue

    async def _replace(self, plan: Record, stage: dict[str, Any], *also: Change) -> None:
        """Write a plan with one stage replaced. Raises Conflict when somebody else has changed it meanwhile."""
        doc = {**plan.doc, "Stages": [stage if s["StageName"] == stage["StageName"] else s for s in plan.doc["Stages"]]}
        await self.platform.records.commit(self._put(plan, doc), *also)

    def _put(self, plan: Record, doc: dict[str, Any]) -> Put:
        doc = {**doc, **stages.totals(doc["Stages"]), "LastModifiedTime": self.platform.clock()}
        return Put(plan.kind, plan.scope, plan.key, doc, plan.version, name=plan.name)


def part_key(plan: str, stage: str, device: str) -> str:
    return f"{plan}/{stage}/{device}".lower()


def _stage(doc: dict[str, Any], name: str) -> dict[str, Any]:
    for stage in doc["Stages"]:
        if stage["StageName"].lower() == name.lower():
            return dict(stage)
    raise Invalid(f"Edge deployment plan {doc['EdgeDeploymentPlanName']} has no stage {name}.")


def _stages(old: list[dict[str, Any]], added: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [*old, *(stages.new(stage) for stage in added)]
    names = [stage["StageName"].lower() for stage in found]
    if len(set(names)) < len(names):
        raise Invalid("A StageName is given twice.")
    return found

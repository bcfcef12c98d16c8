"""Model package groups and their policies."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ...resources.arn import name_in
from ...resources.desk import Desk
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.errors import InUse, Invalid
from ...wire.types import Call, Reply
from .resources import by


class Groups:
    """The verbs of groups on one platform."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.platform = desk, desk.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("CreateModelPackageGroup", self.create), ("DescribeModelPackageGroup", self.describe),
            ("DeleteModelPackageGroup", self.delete),
        ):
            bind("sagemaker", name, verb, resources=self.desk.arns)
        bind("sagemaker", "ListModelPackageGroups", self.list)
        for name, verb in (
            ("PutModelPackageGroupPolicy", self.put_policy), ("GetModelPackageGroupPolicy", self.get_policy),
            ("DeleteModelPackageGroupPolicy", self.delete_policy),
        ):
            bind("sagemaker", name, verb, effect="metadata", resources=self.desk.arns)

    async def create(self, call: Call) -> Reply:
        name = call.params["ModelPackageGroupName"]
        if name.startswith("arn:"):
            raise Invalid("ModelPackageGroupName must be a name, not an ARN.")
        where = self.desk.arn(call, name)
        doc = {**call.params, "ModelPackageGroupArn": where, "ModelPackageGroupStatus": "Completed", "CreatedBy": by(call), "_last": 0}
        audit = self.platform.audit(call, {"ModelPackageGroupArn": where})
        try:
            await self.desk.write_new(call, name, doc, *([audit] if audit else ()))
        except Conflict:
            raise Invalid(f"Model Package Group already exists: {where}") from None
        return Reply({"ModelPackageGroupArn": where}, audited=audit is not None)

    async def describe(self, call: Call) -> dict[str, Any]:
        return self.desk.view(await self.find(call), self.desk.shapes.output("DescribeModelPackageGroup"))

    async def list(self, call: Call) -> dict[str, Any]:
        if call.params.get("CrossAccountFilterOption") == "CrossAccount":
            return {"ModelPackageGroupSummaryList": []}  # nobody shares anything with an account here
        params = {k: v for k, v in call.params.items() if k != "CrossAccountFilterOption"}
        return await self.desk.list(replace(call, params=params))

    async def delete(self, call: Call) -> None:
        while True:
            record = await self.find(call)
            if await self.platform.records.count("ModelPackage", call.scope, Query(parent=record.key)):
                raise InUse(f"Cannot delete Model Package Group {record.doc['ModelPackageGroupArn']}: it still has model packages.")
            try:
                # a version that is made meanwhile changes the group's counter
                await self.platform.reconciler.commit(Delete(record.kind, record.scope, record.key, record.version))
            except Conflict:
                continue
            return

    async def put_policy(self, call: Call) -> dict[str, Any]:
        policy = call.params["ResourcePolicy"]
        try:
            parsed = json.loads(policy)
        except ValueError as error:
            raise Invalid(f"ResourcePolicy is not JSON: {error}") from None
        if not isinstance(parsed, dict) or "Statement" not in parsed:
            raise Invalid("ResourcePolicy must be a policy document with a Statement.")
        record = await self.change(call, {"_policy": policy})
        return {"ModelPackageGroupArn": record.doc["ModelPackageGroupArn"]}

    async def get_policy(self, call: Call) -> dict[str, Any]:
        record = await self.find(call)
        if "_policy" not in record.doc:
            raise Invalid(f"Cannot find resource policy for Model Package Group {record.doc['ModelPackageGroupArn']}.")
        return {"ResourcePolicy": record.doc["_policy"]}

    async def delete_policy(self, call: Call) -> None:
        await self.change(call, {"_policy": None})

    # -- parts

    async def find(self, call: Call, name: str = "") -> Record:
        """The group that the call names, by name or ARN. Raises Invalid."""
        name = name_in(name or call.params["ModelPackageGroupName"])
        record = await self.platform.records.get("ModelPackageGroup", call.scope, name.lower())
        if record is None:
            raise Invalid(f"ModelPackageGroup {self.desk.arn(call, name)} does not exist.")
        return record

    async def change(self, call: Call, changes: dict[str, Any]) -> Record:
        """Set members of the group's document; None removes one."""
        while True:
            record = await self.find(call)
            doc = {k: v for k, v in {**record.doc, **changes}.items() if v is not None}
            try:
                await self.platform.reconciler.commit(Put(record.kind, record.scope, record.key, doc, record.version, name=record.name))
            except Conflict:
                continue
            return record

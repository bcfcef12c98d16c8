"""The verbs of lifecycle configurations: scripts that run when an app starts. They never change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources import paging
from ...resources.apps import APP
from ...resources.desk import Desk
from ...resources.platform import Platform
from ...resources.resource import Resource
from ...stores.records import Delete, Query, Record
from ...wire.errors import InUse
from ...wire.types import Call
from .app_operations import script
from .lifecycle import DELETED, DOMAIN, PROFILE, SPACE
from .settings import GROUPS

SETTINGS = ("DefaultUserSettings", "DefaultSpaceSettings", "UserSettings", "SpaceSettings")
EVERY = 10_000


async def prepare(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    script(doc["StudioLifecycleConfigContent"])


lifecycle_config = Resource("StudioLifecycleConfig", human="Studio lifecycle config", prepare=prepare, verbs=("Create", "Describe"))


class LifecycleConfigs:
    """The verbs that the model cannot derive."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.platform = desk, desk.platform

    def install(self) -> None:
        self.platform.operations.bind("sagemaker", "ListStudioLifecycleConfigs", self.list)
        self.platform.operations.bind("sagemaker", "DeleteStudioLifecycleConfig", self.delete, resources=self.desk.arns)

    async def list(self, call: Call) -> dict[str, Any]:
        names = {"ModifiedTimeBefore": "LastModifiedTimeBefore", "ModifiedTimeAfter": "LastModifiedTimeAfter",
                 "AppTypeEquals": "StudioLifecycleConfigAppTypeEquals"}
        params = {names.get(k, k): v for k, v in call.params.items()}
        shape = self.desk.shapes.list(call.operation)
        query = paging.query(params, name_member="Name", order=shape.order)
        records = await self.platform.records.find(self.desk.resource.noun, call.scope, query)
        answer: dict[str, Any] = {shape.member: [self.desk.view(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(params, records[-1], query.sort_by)
        return answer

    async def delete(self, call: Call) -> None:
        """Raises InUse while settings or a living app name it."""
        record = await self.desk.find(call)
        where = record.doc["StudioLifecycleConfigArn"]
        for kind in (DOMAIN, PROFILE, SPACE, APP):
            for user in await self.platform.records.find(kind, call.scope, Query(limit=EVERY)):
                if user.status != DELETED and names_config(user, where):
                    raise InUse(f"The Studio lifecycle config {where} cannot be deleted: {user.doc[f'{kind}Arn']} uses it.")
        await self.platform.reconciler.commit(Delete(record.kind, record.scope, record.key))


def names_config(record: Record, where: str) -> bool:
    """Whether the settings of a domain, profile or space, or the specification of an app, name a configuration."""

    def named(group: Mapping[str, Any]) -> bool:
        return where in group.get("LifecycleConfigArns", ()) or group.get("DefaultResourceSpec", {}).get("LifecycleConfigArn") == where

    if record.doc.get("ResourceSpec", {}).get("LifecycleConfigArn") == where:
        return True
    return any(named(record.doc.get(s, {}).get(g, {})) for s in SETTINGS for g in GROUPS.values())

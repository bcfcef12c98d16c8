"""Schedule groups and their tags. Every account has the group ``default``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...resources import paging
from ...resources.arn import arn, parse
from ...resources.platform import Platform
from ...stores.records import Change, Conflict, Delete, Put, Query, Record
from ...wire.errors import AlreadyExists, Invalid, NotFound
from ...wire.types import Call

GROUP, SCHEDULE = "ScheduleGroup", "Schedule"
DEFAULT = "default"
PAGE = 100
MOST_TAGS = 50
Tags = dict[str, str]


class Groups:
    """The verbs of groups on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.records = platform, platform.records

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("scheduler", "CreateScheduleGroup", self.create, resources=group_arns)
        bind("scheduler", "GetScheduleGroup", self.get, resources=group_arns)
        bind("scheduler", "DeleteScheduleGroup", self.delete, resources=group_arns)
        bind("scheduler", "ListScheduleGroups", self.list)
        for name, verb in (("TagResource", self.tag), ("UntagResource", self.untag), ("ListTagsForResource", self.tags)):
            bind("scheduler", name, verb, resources=lambda call: [call.params["ResourceArn"]])

    async def find(self, call: Call, name: str) -> Record:
        """Raises NotFound."""
        while True:
            record = await self.records.get(GROUP, call.scope, name)
            if record is not None:
                return record
            if name != DEFAULT:
                raise NotFound(f"Schedule group {name} does not exist.")
            await self._make_default(call)

    async def _make_default(self, call: Call) -> None:
        try:
            await self.records.commit(Put(GROUP, call.scope, DEFAULT, self._document(call, DEFAULT, {}), 0))
        except Conflict:
            return

    def _document(self, call: Call, name: str, tags: Tags) -> dict[str, Any]:
        now = self.platform.clock()
        where = arn("scheduler", call.region, call.account, f"schedule-group/{name}")
        return {
            "Arn": where, "Name": name, "State": "ACTIVE", "CreationDate": now, "LastModificationDate": now,
            "_tags": tags, "_token": call.params.get("ClientToken"),
        }

    async def create(self, call: Call) -> dict[str, Any]:
        name = call.params["Name"]
        tags = _checked({t["Key"]: t["Value"] for t in call.params.get("Tags", [])})
        doc = self._document(call, name, tags)
        if name == DEFAULT:
            raise AlreadyExists(f"Schedule group {name} already exists.")
        try:
            await self.records.commit(Put(GROUP, call.scope, name, doc, 0))
        except Conflict:
            old = await self.find(call, name)
            if doc["_token"] is None or old.doc["_token"] != doc["_token"]:
                raise AlreadyExists(f"Schedule group {name} already exists.") from None
            doc = old.doc
        return {"ScheduleGroupArn": doc["Arn"]}

    async def get(self, call: Call) -> dict[str, Any]:
        return shown((await self.find(call, call.params["Name"])).doc)

    async def list(self, call: Call) -> dict[str, Any]:
        await self.find(call, DEFAULT)
        records, more = await listed(self.platform, call, GROUP)
        return {"ScheduleGroups": [shown(r.doc) for r in records], **more}

    async def delete(self, call: Call) -> dict[str, Any]:
        """A group goes with its schedules."""
        while True:
            record = await self.find(call, call.params["Name"])
            if record.name == DEFAULT:
                raise Invalid("The default schedule group cannot be deleted.")
            inside = await self.records.find(SCHEDULE, call.scope, Query(parent=record.key, limit=1_000_000))
            gone: list[Change] = [Delete(SCHEDULE, call.scope, one.key) for one in inside]
            try:
                await self.records.commit(*gone, Delete(GROUP, call.scope, record.key, record.version))
            except Conflict:
                continue  # a schedule was made in it meanwhile, which has to go too
            return {}

    async def tags(self, call: Call) -> dict[str, Any]:
        return {"Tags": [{"Key": k, "Value": v} for k, v in (await self._tagged(call)).doc["_tags"].items()]}

    async def tag(self, call: Call) -> dict[str, Any]:
        given = {t["Key"]: t["Value"] for t in call.params["Tags"]}
        return await self._change(call, lambda tags: {**tags, **given})

    async def untag(self, call: Call) -> dict[str, Any]:
        return await self._change(call, lambda tags: {k: v for k, v in tags.items() if k not in call.params["TagKeys"]})

    async def _tagged(self, call: Call) -> Record:
        return await self.find(call, parse(call.params["ResourceArn"]).name)

    async def _change(self, call: Call, change: Callable[[Tags], Tags]) -> dict[str, Any]:
        while True:
            record = await self._tagged(call)
            doc = {**record.doc, "_tags": _checked(change(record.doc["_tags"]))}
            try:
                await self.records.commit(Put(GROUP, call.scope, record.key, doc, record.version))
            except Conflict:
                continue
            return {}


def joined(group: Record) -> list[Change]:
    """What a new schedule writes of its group, so that one made while the group is deleted is refused, and none is left without
    a group. The default one is never deleted."""
    return [] if group.key == DEFAULT else [Put(GROUP, group.scope, group.key, group.doc, group.version)]


def _checked(tags: Tags) -> Tags:
    if len(tags) > MOST_TAGS:
        raise Invalid(f"A schedule group can have at most {MOST_TAGS} tags.")
    return tags


def group_arns(call: Call) -> list[str]:
    """What a call acts on, for policies."""
    return [arn("scheduler", call.region, call.account, f"schedule-group/{call.params['Name']}")]


def shown(doc: dict[str, Any]) -> dict[str, Any]:
    """What answers show of a document."""
    return {k: v for k, v in doc.items() if not k.startswith("_")}


async def listed(platform: Platform, call: Call, kind: str, **more: Any) -> tuple[list[Record], dict[str, str]]:
    """One page by name, and its NextToken if there is more. ``more``: of the query."""
    request = {**call.params, "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": call.params.get("MaxResults", PAGE)}
    query = paging.query(request, name_member="Name", order="Ascending", parent=call.params.get("GroupName"))
    size = query.limit
    query = replace(query, name_prefix=call.params.get("NamePrefix"), limit=size + 1, **more)
    found = await platform.records.find(kind, call.scope, query)
    return found[:size], {"NextToken": paging.token(request, found[size - 1], "name")} if len(found) > size else {}

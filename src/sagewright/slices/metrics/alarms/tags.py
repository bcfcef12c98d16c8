"""Tags of alarms. Other things of CloudWatch have none here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....resources.arn import parse
from ....resources.platform import Platform
from ....stores.records import Conflict, Put, Record
from ....wire.errors import LimitExceeded, ServiceError
from ....wire.types import Call
from .watch import KIND

MOST = 50
Tags = list[dict[str, str]]


class AlarmTags:
    """The tag verbs of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        for name, verb in (("TagResource", self.add), ("UntagResource", self.remove), ("ListTagsForResource", self.show)):
            self.platform.operations.bind("cloudwatch", name, verb, resources=lambda call: [call.params["ResourceARN"]])

    async def show(self, call: Call) -> dict[str, Any]:
        return {"Tags": (await self._find(call)).doc.get("Tags", [])}

    async def add(self, call: Call) -> dict[str, Any]:
        new = {t["Key"]: t for t in call.params["Tags"]}
        return await self._change(call, lambda tags: [*(t for t in tags if t["Key"] not in new), *new.values()])

    async def remove(self, call: Call) -> dict[str, Any]:
        gone = set(call.params["TagKeys"])
        return await self._change(call, lambda tags: [t for t in tags if t["Key"] not in gone])

    async def _find(self, call: Call) -> Record:
        where = parse(call.params["ResourceARN"])
        name = where.resource.removeprefix("alarm:")
        record = await self.platform.records.get(KIND, f"{where.account}/{where.region}", name)
        if record is None or name == where.resource or where.service != "cloudwatch":
            raise ServiceError("ResourceNotFoundException", f"{call.params['ResourceARN']} does not exist.", 404)
        return record

    async def _change(self, call: Call, change: Callable[[Tags], Tags]) -> dict[str, Any]:
        while True:
            record = await self._find(call)
            tags = change(record.doc.get("Tags", []))
            if len(tags) > MOST:
                raise LimitExceeded(f"An alarm can have at most {MOST} tags.")
            put = Put(KIND, record.scope, record.key, {**record.doc, "Tags": tags}, record.version, record.status, record.name)
            try:
                await self.platform.records.commit(put)
            except Conflict:
                continue
            return {}

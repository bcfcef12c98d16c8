"""Tags of scalable targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...resources.platform import Platform
from ...stores.records import Conflict, Put, Query, Record
from ...wire.errors import ServiceError
from ...wire.types import Call
from .targets import KIND

MOST = 50
Tags = dict[str, str]


class TargetTags:
    """The tag verbs of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        for name, verb in (("TagResource", self.add), ("UntagResource", self.remove), ("ListTagsForResource", self.show)):
            self.platform.operations.bind("application-autoscaling", name, verb, resources=lambda call: [call.params["ResourceARN"]])

    async def show(self, call: Call) -> dict[str, Any]:
        return {"Tags": (await self._find(call)).doc["Tags"]}

    async def add(self, call: Call) -> dict[str, Any]:
        return await self._change(call, lambda tags: {**tags, **call.params["Tags"]})

    async def remove(self, call: Call) -> dict[str, Any]:
        return await self._change(call, lambda tags: {k: v for k, v in tags.items() if k not in call.params["TagKeys"]})

    async def _find(self, call: Call) -> Record:
        where = call.params["ResourceARN"]
        found = await self.platform.records.find(KIND, call.scope, Query(where=(("ScalableTargetARN", where),), limit=1))
        if not found:
            raise ServiceError("ResourceNotFoundException", f"Resource not found for ARN: {where}", ResourceName=where)
        return found[0]

    async def _change(self, call: Call, change: Callable[[Tags], Tags]) -> dict[str, Any]:
        while True:
            record = await self._find(call)
            tags = change(record.doc["Tags"])
            if len(tags) > MOST:
                text = f"A scalable target can have at most {MOST} tags."
                raise ServiceError("TooManyTagsException", text, ResourceName=call.params["ResourceARN"])
            put = Put(KIND, record.scope, record.key, {**record.doc, "Tags": tags}, record.version, record.status, record.name, record.parent)
            try:
                await self.platform.records.commit(put)
            except Conflict:
                continue
            return {}

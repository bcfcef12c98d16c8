"""AddTags, ListTags and DeleteTags for every resource that has an ARN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...resources.platform import Platform
from ...resources.tags import check, tagged
from ...runtime.lifecycle import Event
from ...stores.records import Conflict, Put, Record
from ...wire.errors import Invalid
from ...wire.types import Call

LIMIT = 50
"""Tags a resource may have."""


class Tags:
    """The tag verbs of one platform. Tags live in the tagged document itself."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        for name, handler in (("AddTags", self.add), ("ListTags", self.show), ("DeleteTags", self.delete)):
            self.platform.operations.bind("sagemaker", name, handler, resources=lambda call: [call.params["ResourceArn"]])

    async def add(self, call: Call) -> dict[str, Any]:
        new = {t["Key"]: t for t in call.params["Tags"]}
        check(call.params["Tags"])
        return {"Tags": await self._change(call, [*new], lambda tags: [*(t for t in tags if t["Key"] not in new), *new.values()])}

    async def delete(self, call: Call) -> None:
        gone = set(call.params["TagKeys"])
        await self._change(call, [], lambda tags: [t for t in tags if t["Key"] not in gone])

    async def show(self, call: Call) -> dict[str, Any]:
        tags = (await self._find(call)).doc.get("Tags", [])
        start, size = _offset(call.params.get("NextToken"), len(tags)), call.params.get("MaxResults", LIMIT)
        answer: dict[str, Any] = {"Tags": tags[start : start + size]}
        if start + size < len(tags):
            answer["NextToken"] = str(start + size)
        return answer

    async def _find(self, call: Call) -> Record:
        record = await tagged(self.platform.nouns, self.platform.records, call.params["ResourceArn"])
        if record is None:
            raise Invalid(f"Could not find resource {call.params['ResourceArn']}.")
        return record

    async def _change(self, call: Call, keys: list[str], change: Callable[[list[Any]], list[Any]]) -> list[Any]:
        while True:
            record = await self._find(call)
            tags = change(record.doc.get("Tags", []))
            if len(tags) > LIMIT:
                raise Invalid(f"A resource can have at most {LIMIT} tags.")
            doc = {**record.doc, "Tags": tags}
            put = Put(record.kind, record.scope, record.key, doc, record.version, record.status, record.name, record.parent)
            try:
                await self.platform.reconciler.commit(put)
            except Conflict:
                continue
            if self.platform.authority:  # policies may ask for tags
                for forget in self.platform.authority.changed:
                    forget()
            await self.platform.reconciler.offer(record.kind, record.scope, record.key, Event("Tagged", {"Keys": keys}))
            return tags


def _offset(token: str | None, count: int) -> int:
    if token is None:
        return 0
    if not token.isascii() or not token.isdigit() or len(token) > 9 or int(token) > count:
        raise Invalid("Invalid NextToken.")
    return int(token)


def install(platform: Platform) -> None:
    """Bind the tag verbs."""
    Tags(platform).install()

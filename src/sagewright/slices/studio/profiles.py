"""The verbs of user profiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...stores.records import Conflict, Record
from ...wire.types import Call, Reply
from .lifecycle import PROFILE
from .places import Places, Updated, conflict, retried
from .request import check_settings
from .resources import profile_path
from .settings import merged


class UserProfiles(Updated):
    """The verbs of user profiles on one platform."""

    def __init__(self, places: Places) -> None:
        super().__init__(places.profiles, profile_path)
        self.places = places

    def install(self) -> None:
        for verb, handler in (("Create", self.create), ("Describe", self.describe), ("Update", self.update), ("Delete", self.delete)):
            self.bind(verb, handler)
        self.bind_list(self.list)

    async def create(self, call: Call) -> Reply:
        await check_settings(self.platform, call, call.params.get("UserSettings"))
        made: Reply = await retried(lambda: self._create(call))
        return made

    async def _create(self, call: Call) -> Reply:
        domain = await self.places.usable(self.places.domains, call, call.params["DomainId"])
        uid = domain.doc["_uid"] + 5
        doc = {"UserSettings": {}, **call.params, "HomeEfsFileSystemUid": str(uid), "_home": f"studio-{domain.key}-{uid}"}
        name = doc["UserProfileName"]
        # the number is taken in the same transaction
        counted = replace(self.places.touched(domain), doc={**domain.doc, "_uid": uid})
        try:
            return await self.write(call, doc, counted, name=name, parent=domain.key)
        except Conflict as error:
            raise conflict(error, PROFILE, self.desk.exists(call, profile_path(doc))) from None

    async def changes(self, call: Call, record: Record) -> dict[str, Any]:
        given = call.params.get("UserSettings", {})
        await check_settings(self.platform, call, given)
        return {"UserSettings": merged(record.doc["UserSettings"], given)}

    async def delete(self, call: Call) -> None:
        record = await self.find(call)
        await self.places.check_empty(record, "user profile")
        await self.change(record, "Delete")

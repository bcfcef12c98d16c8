"""The verbs of spaces."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from ...stores.records import Conflict, Record
from ...wire.errors import Invalid
from ...wire.types import Call, Reply
from .lifecycle import SPACE
from .places import HOME, Places, Updated, conflict, retried
from .request import check_settings, check_space, volume_of
from .resources import profile_path, space_path
from .settings import effective, merged, volume_size


class Spaces(Updated):
    """The verbs of spaces on one platform."""

    def __init__(self, places: Places) -> None:
        super().__init__(places.spaces, space_path)
        self.places = places

    def install(self) -> None:
        for verb, handler in (("Create", self.create), ("Describe", self.describe), ("Update", self.update), ("Delete", self.delete)):
            self.bind(verb, handler)
        self.bind_list(self.list)

    def extra(self, call: Call, record: Record) -> dict[str, Any]:
        return {"Url": f"{call.endpoint}{HOME}?domain={record.doc['DomainId']}&space={record.name}"}

    async def create(self, call: Call) -> Reply:
        await check_settings(self.platform, call, call.params.get("SpaceSettings"), space=True)
        made: Reply = await retried(lambda: self._create(call))
        return made

    async def _create(self, call: Call) -> Reply:
        domain = await self.places.usable(self.places.domains, call, call.params["DomainId"])
        doc = {"SpaceSettings": {}, **call.params}
        also, profile = [self.places.touched(domain)], None
        if owner := doc.get("OwnershipSettings", {}).get("OwnerUserProfileName"):
            path = profile_path({"DomainId": doc["DomainId"], "UserProfileName": owner})
            profile = await self.places.usable(self.places.profiles, call, path)
            doc["OwnershipSettings"] = {"OwnerUserProfileName": profile.name}
            also.append(self.places.touched(profile))
        settings = effective(domain.doc, profile.doc if profile else None, doc)
        check_space(doc, settings)
        size, _ = volume_size(settings, volume_of(doc))
        doc["SpaceSettings"] = merged(doc["SpaceSettings"], {"SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": size}}})
        doc["HomeEfsFileSystemUid"] = str(domain.doc["_uid"] + 5)
        also[0] = replace(also[0], doc={**domain.doc, "_uid": domain.doc["_uid"] + 5})
        # a space of the same name that is made later begins with an empty home
        which = hashlib.sha256(f"{space_path(doc)} {self.platform.clock()}".encode()).hexdigest()[:16]
        doc["_home"] = f"studio-space-{which}"
        try:
            return await self.write(call, doc, *also, name=doc["SpaceName"], parent=domain.key)
        except Conflict as error:
            raise conflict(error, SPACE, self.desk.exists(call, space_path(doc))) from None

    async def changes(self, call: Call, record: Record) -> dict[str, Any]:
        given = call.params.get("SpaceSettings", {})
        await check_settings(self.platform, call, given, space=True)
        settings = merged(record.doc["SpaceSettings"], given)
        changes: dict[str, Any] = {"SpaceSettings": settings}
        if "SpaceDisplayName" in call.params:
            changes["SpaceDisplayName"] = call.params["SpaceDisplayName"]
        await self._check_change(call, record, {**record.doc, **changes})
        return changes

    async def _check_change(self, call: Call, record: Record, after: dict[str, Any]) -> None:
        before, size = volume_of(record.doc) or 0, volume_of(after) or 0
        if size < before:
            raise Invalid(f"EbsVolumeSizeInGb cannot shrink from {before} to {size}.")
        kind = record.doc["SpaceSettings"].get("AppType")
        if kind != after["SpaceSettings"].get("AppType") or size > before:
            held = await self.places.inside(record)
            if held:
                raise Invalid(f"AppType and EbsVolumeSizeInGb can change only while the space has no app: it has {held}.")
        domain = await self.places.domains.find(call, record.doc["DomainId"])
        profile = None
        if owner := after.get("OwnershipSettings", {}).get("OwnerUserProfileName"):
            profile = await self.places.profiles.find(call, profile_path({"DomainId": domain.key, "UserProfileName": owner}))
        check_space(after, effective(domain.doc, profile.doc if profile else None, after))

    async def delete(self, call: Call) -> None:
        record = await self.find(call)
        await self.places.check_empty(record, "space")
        await self.change(record, "Delete")

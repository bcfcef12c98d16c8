"""The verbs of apps."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from ...resources.apps import APP
from ...resources.desk import Desk
from ...resources.jobs import capacity_refusal
from ...stores.records import Change, Conflict, Put, Query, Record
from ...wire.errors import InUse, Invalid, NotFound
from ...wire.types import Call, Reply
from .lifecycle import APPS, DELETED, DELETING, FAILED
from .places import Family, Places, conflict, retried
from .request import check_app, config_of
from .resources import app_path, profile_path, space_path
from .settings import IN_SPACES, effective, resource_spec

EVERY = 1_000
OVER = (DELETED, FAILED)
"""States in which an app's name is free for a new one."""


class Apps(Family):
    """The verbs of apps on one platform."""

    def __init__(self, desk: Desk, places: Places) -> None:
        super().__init__(desk, app_path)
        self.places = places

    def install(self) -> None:
        for verb, handler in (("Create", self.create), ("Describe", self.describe), ("Delete", self.delete)):
            self.bind(verb, handler)
        self.bind_list(self.list)

    async def create(self, call: Call) -> Reply:
        check_app(call.params)
        made: Reply = await retried(lambda: self._create(call))
        return made

    async def _create(self, call: Call) -> Reply:
        doc, also = await self._document(call)
        path = app_path(doc)
        which = hashlib.sha256(f"{call.scope} {path} {self.platform.clock()}".encode()).hexdigest()[:16]
        doc["_task"] = f"studio-app-{which}"
        before = await self.platform.records.get(APP, call.scope, path.lower())
        try:
            if before is None:
                return await self.write(call, doc, *also, name=doc["AppName"], parent=doc["DomainId"])
            return await self._replace(call, before, doc, also)
        except Conflict as error:
            raise conflict(error, APP, self.desk.exists(call, path)) from None

    async def _replace(self, call: Call, before: Record, doc: dict[str, Any], also: list[Change]) -> Reply:
        """A new app in the place of one that has ended."""
        if before.status not in OVER or not _same(before, doc):
            raise self.desk.exists(call, app_path(doc))
        if before.doc.get("_retiring"):
            raise InUse(f"The app {before.doc['AppArn']} is still ending; ask again in a moment.")
        now, reconciler = self.platform.clock(), self.platform.reconciler
        doc = {**doc, "AppArn": before.doc["AppArn"], "CreationTime": now, "LastModifiedTime": now, "_principal": call.principal.arn,
               "_serial": before.doc["_serial"] + 1}
        doc = APPS.begin(doc, now)
        put = Put(APP, before.scope, before.key, doc, before.version, doc["Status"], doc["AppName"], before.parent, created=now)
        work = [reconciler.work(APP, before.scope, before.key, one) for one in self.desk.resource.first]
        result = {"AppArn": doc["AppArn"]}
        audit = self.platform.audit(call, result)
        await self.platform.records.commit(put, *work, *also, *((audit,) if audit else ()))
        reconciler.changed(APP, before.scope, before.key)
        return Reply(result, audited=audit is not None)

    async def _document(self, call: Call) -> tuple[dict[str, Any], list[Change]]:
        """The new document, and what lets it meet the end of the places it belongs to. Raises DomainError."""
        params = call.params
        domain = await self.places.usable(self.places.domains, call, params["DomainId"])
        profile = space = None
        owner = params.get("UserProfileName")
        if "SpaceName" in params:
            space = await self.places.usable(self.places.spaces, call, space_path(params))
            await self._check_type(space, params["AppType"])
            owner = space.doc.get("OwnershipSettings", {}).get("OwnerUserProfileName")
        if owner:
            profile = await self.places.usable(self.places.profiles, call, profile_path({**params, "UserProfileName": owner}))
        settings = effective(domain.doc, profile.doc if profile else None, space.doc if space else None)
        place = space or profile
        assert place is not None
        doc: dict[str, Any] = {
            "RecoveryMode": False, **params, "ResourceSpec": resource_spec(settings, params["AppType"], params.get("ResourceSpec", {})),
            "DomainId": domain.key, "_settings": settings, "_role": settings["ExecutionRole"], "_user": owner or "",
            "_volume": place.doc["_home"], "_serial": 0,
        }  # fmt: skip
        doc["SpaceName" if space else "UserProfileName"] = place.name
        if doc["ResourceSpec"]["InstanceType"] != "system" and (reason := capacity_refusal(self.platform, doc["ResourceSpec"])):
            raise Invalid(reason)
        if where := doc["ResourceSpec"].get("LifecycleConfigArn"):
            content = (await config_of(self.platform, call, where, params["AppType"]))["StudioLifecycleConfigContent"]
            if not doc["RecoveryMode"]:
                doc["_script"] = script(content)
        return doc, [self.places.touched(place)]

    async def _check_type(self, space: Record, app_type: str) -> None:
        """Apps that work on the space's home share it with no other one."""
        theirs = space.doc["SpaceSettings"].get("AppType")
        if theirs and theirs != app_type:
            raise Invalid(f"The space {space.name} is for apps of type {theirs}, not {app_type}.")
        for other in IN_SPACES:
            if app_type in IN_SPACES and other != app_type:
                where = {"SpaceName": space.name, "AppType": other}
                if held := await self.places.living(space.scope, space.parent, where):
                    raise InUse(f"The space {space.name} has {held[0]}; delete that app first.")

    async def find(self, call: Call) -> Record:
        """Raises NotFound, also for an app of a profile when a space of that name is meant."""
        if ("UserProfileName" in call.params) == ("SpaceName" in call.params):
            raise Invalid("Exactly one of UserProfileName and SpaceName must be given.")
        record = await super().find(call)
        if not _same(record, call.params):
            raise self.desk.missing(call, app_path(call.params))
        return record

    async def describe(self, call: Call) -> dict[str, Any]:
        """SDK v3 describes what it has just made without saying whose it is: the only one of that name is meant then."""
        params = call.params
        if "UserProfileName" in params or "SpaceName" in params:
            return await super().describe(call)
        where = (("AppType", params["AppType"]), ("AppName", params["AppName"]))
        found = await self.platform.records.find(APP, call.scope, Query(parent=params["DomainId"], where=where, limit=EVERY))
        living = [record for record in found if record.status != DELETED] or found
        if len(living) != 1:
            raise Invalid("Exactly one of UserProfileName and SpaceName must be given.")
        if self.platform.authority:
            # the call was authorised for whoever's app of that name: now it is known whose
            self.platform.authority.authorize(call.principal, "sagemaker:DescribeApp", living[0].doc["AppArn"], {})
        return await self.describe_record(call, living[0])

    async def delete(self, call: Call) -> None:
        record = await self.find(call)
        if record.status == DELETED:
            raise NotFound(f"The app {record.doc['AppArn']} has been deleted already.")
        if record.status != DELETING:
            await self.change(record, "Delete")


def _same(record: Record, params: dict[str, Any]) -> bool:
    return ("SpaceName" in record.doc) == ("SpaceName" in params)


def script(content: str) -> str:
    """The text of a lifecycle configuration. Raises Invalid."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Invalid("StudioLifecycleConfigContent must be a script in base64.") from None



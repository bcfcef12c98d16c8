"""The verbs of apps. An app goes by its ARN; its name is a label that may come twice and be changed."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from ...resources import tags
from ...resources.arn import arn, parse
from ...stores.records import Conflict, Put, Query, Record
from ...wire.errors import NotFound
from ...wire.types import Call, Reply
from .operations import Operations
from .resources import APP, KINDS, prepare

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
LARGEST_LIST = 10_000


class Apps(Operations):
    """The verbs of apps on one platform."""

    members = ("Name", "ArtifactStoreUri", "ModelRegistrationMode", "WeeklyMaintenanceWindowStart", "DefaultDomainIdList",
               "AccountDefaultStatus")
    status = "Status"

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sagemaker", "CreateMlflowApp", self.create)
        bind("sagemaker", "ListMlflowApps", self.list)
        for name, verb in (
            ("DescribeMlflowApp", self.describe), ("UpdateMlflowApp", self.update), ("DeleteMlflowApp", self.delete),
            ("CreatePresignedMlflowAppUrl", self.presign),
        ):
            bind("sagemaker", name, verb, resources=lambda call: [call.params["Arn"]])

    async def create(self, call: Call) -> Reply:
        key = "app-" + "".join(secrets.choice(ALPHABET) for _ in range(12))
        where = arn("sagemaker", call.region, call.account, f"{KINDS[APP]}/{key}")
        doc = {"ModelRegistrationMode": "AutoModelRegistrationDisabled", "AccountDefaultStatus": "DISABLED", **call.params, "Arn": where}
        await prepare(self.platform, call, doc)
        tags.check(doc.get("Tags", ()))
        now = self.platform.clock()
        doc |= {"CreationTime": now, "LastModifiedTime": now, "_principal": call.principal.arn}
        audit = self.platform.audit(call, {"Arn": where})
        put = Put(APP, call.scope, key.lower(), doc, 0, name=doc["Name"], created=now)
        await self.platform.reconciler.create(put, *self.desk.resource.first, also=(audit,) if audit else ())
        if doc["AccountDefaultStatus"] == "ENABLED":
            await self._only_default(call, key.lower())
        return Reply({"Arn": where}, audited=audit is not None)

    async def describe(self, call: Call) -> dict[str, Any]:
        return await self.describe_record(call, await self._find(call), "DescribeMlflowApp")

    async def update(self, call: Call) -> dict[str, Any]:
        record = await self._find(call)
        changes = {m: call.params[m] for m in self.members if m in call.params}
        await self.update_record(call, record, changes)
        if "Name" in changes:
            await self._write(record, {}, name=changes["Name"])
        if changes.get("AccountDefaultStatus") == "ENABLED":
            await self._only_default(call, record.key)
        return {"Arn": record.doc["Arn"]}

    async def delete(self, call: Call) -> dict[str, Any]:
        record = await self._find(call)
        await self.change(call, record, "Delete")
        return {"Arn": record.doc["Arn"]}

    async def presign(self, call: Call) -> dict[str, Any]:
        return {"AuthorizedUrl": await self.sessions.presign(call, await self._find(call))}

    async def list(self, call: Call) -> dict[str, Any]:
        domain = call.params.get("DefaultForDomainId")
        where = {m: call.params.get(m) for m in ("MlflowVersion", "AccountDefaultStatus")}
        if domain is None:
            return await self.page(call, "ListMlflowApps", where)
        # a domain has few defaults: all of them are one page
        everything = replace(call, params={**call.params, "MaxResults": LARGEST_LIST})
        everything.params.pop("NextToken", None)
        found = await self.page(call=everything, operation="ListMlflowApps", where=where)
        theirs = {
            r.doc["Arn"] for r in await self.platform.records.find(APP, call.scope, Query(limit=LARGEST_LIST))
            if domain in r.doc.get("DefaultDomainIdList", ())
        }
        return {"Summaries": [one for one in found["Summaries"] if one["Arn"] in theirs][:100]}

    # -- parts

    async def _find(self, call: Call) -> Record:
        where = parse(call.params["Arn"])
        record = await self.platform.records.get(APP, f"{where.account}/{where.region}", where.name.lower())
        if record is None or where.account != call.account:
            raise NotFound(f"Could not find MLflow app {call.params['Arn']}.")
        return record

    async def _write(self, record: Record, changes: dict[str, Any], name: str = "") -> None:
        while found := await self.platform.records.get(record.kind, record.scope, record.key):
            put = Put(found.kind, found.scope, found.key, {**found.doc, **changes}, found.version, found.status, name or found.name)
            try:
                await self.platform.reconciler.commit(put)
            except Conflict:
                continue
            return

    async def _only_default(self, call: Call, key: str) -> None:
        """An account has one default app: the others are so no more."""
        for record in await self.platform.records.find(APP, call.scope, Query(where=(("AccountDefaultStatus", "ENABLED"),), limit=1000)):
            if record.key != key:
                await self._write(record, {"AccountDefaultStatus": "DISABLED"})

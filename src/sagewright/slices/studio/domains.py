"""The verbs of domains."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...stores.records import Record
from ...wire.errors import NotImplementedHere
from ...wire.types import Call, Reply
from .places import HOME, Places, Updated
from .request import check_domain, check_settings
from .settings import merged

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def domain_path(params: Mapping[str, Any]) -> str:
    return str(params["DomainId"])


class Domains(Updated):
    """The verbs of domains on one platform."""

    def __init__(self, places: Places) -> None:
        super().__init__(places.domains, domain_path)
        self.places = places

    def install(self) -> None:
        for verb, handler in (("Create", self.create), ("Describe", self.describe), ("Update", self.update), ("Delete", self.delete)):
            self.bind(verb, handler)
        self.bind_list(self.list_urls)

    async def create(self, call: Call) -> Reply:
        doc = {
            "AppNetworkAccessType": "PublicInternetOnly", "TagPropagation": "DISABLED", **call.params,
            "DomainId": "d-" + "".join(secrets.choice(LETTERS) for _ in range(12)), "_uid": 200_000,
        }
        check_domain(doc)
        await self._check(call, doc)
        if doc.get("HomeEfsFileSystemCreation", "Enabled") == "Enabled":
            doc["HomeEfsFileSystemId"] = f"fs-{secrets.token_hex(8)}0"
        reply = await self.write(call, doc, name=doc["DomainName"])
        return replace(reply, result={**reply.result, "DomainId": doc["DomainId"], "Url": url(call, doc)})

    def extra(self, call: Call, record: Record) -> dict[str, Any]:
        return {"Url": url(call, record.doc)}

    async def list_urls(self, call: Call) -> dict[str, Any]:
        answer = await self.list(call)
        for item in answer["Domains"]:
            item["Url"] = url(call, item)
        return answer

    async def changes(self, call: Call, record: Record) -> dict[str, Any]:
        given = {m: v for m, v in call.params.items() if m != "DomainId"}
        settings = given.pop("DomainSettingsForUpdate", None)
        changes = {m: merged(record.doc.get(m, {}), v) if isinstance(v, dict) else v for m, v in given.items()}
        if settings is not None:
            changes["DomainSettings"] = merged(record.doc.get("DomainSettings", {}), settings)
        check_domain({**record.doc, **changes})
        await self._check(call, {m: v for m, v in given.items() if isinstance(v, dict)})
        return changes

    async def delete(self, call: Call) -> None:
        record = await self.find(call)
        await self.places.check_empty(record, "domain")
        await self.change(record, "Delete", Retain=call.params.get("RetentionPolicy", {}).get("HomeEfsFileSystem", "Retain") == "Retain")

    async def _check(self, call: Call, doc: dict[str, Any]) -> None:
        if doc.get("DomainSettings", {}).get("RStudioServerProDomainSettings"):
            raise NotImplementedHere("RStudioServerProDomainSettings is not built: RStudio Server Pro needs a licence of its vendor.")
        await check_settings(self.platform, call, doc.get("DefaultUserSettings"))
        await check_settings(self.platform, call, doc.get("DefaultSpaceSettings"))


def url(call: Call, doc: Mapping[str, Any]) -> str:
    return f"{call.endpoint}{HOME}?domain={doc['DomainId']}"

"""The values of secrets: put, got, listed by version."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from ...stores.records import Record
from ...wire.errors import Invalid, NotFound, ServiceError
from ...wire.types import Call
from .store import CURRENT, Store, arns

STAGES = 20


class Values:
    """The verbs of values on one platform."""

    def __init__(self, store: Store) -> None:
        self.store, self.platform = store, store.platform

    def install(self) -> None:
        for name, verb in (
            ("GetSecretValue", self.get), ("PutSecretValue", self.put), ("UpdateSecret", self.update), ("ListSecretVersionIds", self.versions),
        ):
            self.platform.operations.bind("secretsmanager", name, verb, resources=arns)

    async def get(self, call: Call) -> dict[str, Any]:
        record = await self.store.find(call)
        version = self._meant(record, call.params)
        kept = record.doc["_versions"][version]
        about = {"VersionId": version, "VersionStages": kept["Stages"], "CreatedDate": kept["At"]}
        return {"ARN": record.doc["ARN"], "Name": record.doc["Name"], **about, **self.store.opened(record, version)}

    async def put(self, call: Call) -> dict[str, Any]:
        stages = call.params.get("VersionStages") or [CURRENT]
        version, record = await self._add(call, stages)
        if version is None:
            raise ServiceError("InvalidParameterException", "You must provide either SecretString or SecretBinary.")
        kept = record.doc["_versions"][version]
        return {"ARN": record.doc["ARN"], "Name": record.doc["Name"], "VersionId": version, "VersionStages": kept["Stages"]}

    async def update(self, call: Call) -> dict[str, Any]:
        """Another description, another key's name, another value: each if given."""
        more: dict[str, Any] = {m: call.params[m] for m in ("Description", "KmsKeyId") if m in call.params}
        version, record = await self._add(call, [CURRENT], more)
        answer = {"ARN": record.doc["ARN"], "Name": record.doc["Name"]}
        return answer if version is None else {**answer, "VersionId": version}

    async def versions(self, call: Call) -> dict[str, Any]:
        record = await self.store.find(call, ended=True)
        shown = [
            {"VersionId": v, "VersionStages": about["Stages"], "CreatedDate": about["At"]}
            for v, about in record.doc["_versions"].items() if about["Stages"] or call.params.get("IncludeDeprecated")
        ]
        return {"ARN": record.doc["ARN"], "Name": record.doc["Name"], "Versions": shown}

    async def _add(self, call: Call, stages: list[str], more: dict[str, Any] | None = None) -> tuple[str | None, Record]:
        """A version with the value that the request gives, and further members; the version, if there is a value.

        The same token with the same value again changes nothing; with another value it is refused.
        """
        if len(stages) > STAGES:
            raise Invalid(f"A version has at most {STAGES} stages.")
        version = call.params.get("ClientRequestToken") or str(uuid.uuid4())
        record = await self.store.find(call)
        kept = self.store.sealed(call.scope, record.key, version, call.params)
        if kept is None and not more:
            return None, record

        def change(doc: dict[str, Any]) -> dict[str, Any]:
            if kept is None:
                return {**doc, **(more or {}), "LastChangedDate": self.platform.clock()}
            if version in doc["_versions"]:
                # the document as it is now: another request with this token may have come between
                self._check_same(call, replace(record, doc=doc), version)
                return doc
            return self.store.with_version({**doc, **(more or {})}, version, kept, stages)

        return (version if kept else None), await self.store.change(call, change)

    def _check_same(self, call: Call, record: Record, version: str) -> None:
        given = {m: call.params[m] for m in ("SecretString", "SecretBinary") if m in call.params}
        if self.store.opened(record, version) != given:
            raise ServiceError("ResourceExistsException", f"A secret version with the ClientRequestToken {version} exists already, with another value.")

    def _meant(self, record: Record, params: dict[str, Any]) -> str:
        """The version that a request means. Raises NotFound."""
        versions = record.doc["_versions"]
        given, stage = params.get("VersionId"), params.get("VersionStage")
        if given is not None:
            if given in versions and (stage is None or stage in versions[given]["Stages"]):
                return str(given)
            raise NotFound(f"Secrets Manager can't find the specified secret value for VersionId: {given}")
        stage = stage or CURRENT
        found = next((v for v, about in versions.items() if stage in about["Stages"]), None)
        if found is None:
            raise NotFound(f"Secrets Manager can't find the specified secret value for staging label: {stage}")
        return str(found)

"""The verbs of pipelines and their versions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...resources import paging
from ...resources.arn import name_in
from ...resources.desk import Desk
from ...resources.jobs import check_assumable, check_role, object_refusal
from ...stores.records import Change, Conflict, Delete, Put, Query, Record
from ...wire.errors import Invalid, NotFound, NotImplementedHere, ServiceError
from ...wire.types import Call, Reply
from . import definition
from .lifecycle import ACTIVE
from .records import CACHE, CALLBACK, EXECUTION, PIPELINE, STEP, TOKEN, VERSION, version_key
from .shown import by, children, dated
from .tokens import before, token

EVERY = 100_000


class Pipelines:
    """The verbs of one platform."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.platform = desk, desk.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("CreatePipeline", self.create), ("UpdatePipeline", self.update), ("DeletePipeline", self.delete),
            ("DescribePipeline", self.describe), ("ListPipelineVersions", self.versions),
        ):
            bind("sagemaker", name, verb, resources=self.desk.arns)
        bind("sagemaker", "UpdatePipelineVersion", self.update_version, resources=lambda call: [self.desk.arn(call, name_in(call.params["PipelineArn"]))])
        bind("sagemaker", "ListPipelines", self.list)

    async def create(self, call: Call) -> Reply:
        """A pipeline and its first version."""
        params = call.params
        _unbuilt(params)
        if known := await before(self.platform, call):
            return Reply({"PipelineArn": known})
        name, now = params["PipelineName"], self.platform.clock()
        where = self.desk.arn(call, name)
        text = await self._definition(call, params["RoleArn"])
        doc = {
            **{k: v for k, v in params.items() if k not in ("PipelineDefinition", "PipelineDefinitionS3Location", "ClientRequestToken")},
            "PipelineArn": where, "PipelineStatus": "Active", "CreatedBy": by(call), "LastModifiedBy": by(call), "_version": 1,
        }
        doc.setdefault("PipelineDisplayName", name)
        audit = self.platform.audit(call, {"PipelineArn": where})
        also: list[Change] = [_version(call, where, name.lower(), 1, text, now), token(call, where, name.lower()), *([audit] if audit else ())]
        try:
            await self.desk.write_new(call, name, doc, *also)
        except Conflict as conflict:
            if conflict.kind != PIPELINE:
                return Reply({"PipelineArn": await before(self.platform, call)})  # the same request, just now
            raise Invalid(f"Pipeline names must be unique within an AWS account and region. Pipeline with name ({name}) already exists.") from None
        return Reply({"PipelineArn": where}, audited=audit is not None)

    async def update(self, call: Call) -> dict[str, Any]:
        """What is given is replaced; a definition becomes a new version."""
        params = call.params
        _unbuilt(params)
        while True:
            record = await self.find(call)
            role = params.get("RoleArn", record.doc["RoleArn"])
            given = "PipelineDefinition" in params or "PipelineDefinitionS3Location" in params
            text = await self._definition(call, role) if given else ""
            if not given and "RoleArn" in params:
                await self._check_role(call, role)
            now, number = self.platform.clock(), record.doc["_version"] + bool(given)
            changed: dict[str, Any] = {m: params[m] for m in ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration") if m in params}
            doc = {**record.doc, **changed, "_version": number, "LastModifiedTime": now, "LastModifiedBy": by(call)}
            put = Put(record.kind, record.scope, record.key, doc, record.version, name=record.name)
            more = [_version(call, doc["PipelineArn"], record.key, number, text, now)] if given else []
            try:
                await self.platform.reconciler.commit(put, *more)
            except Conflict:
                continue
            return {"PipelineArn": doc["PipelineArn"], "PipelineVersionId": number}

    async def delete(self, call: Call) -> dict[str, Any]:
        """The pipeline, its versions, and its executions with their steps; what the steps made stays."""
        while True:
            record = await self.find(call)
            records, scope = self.platform.records, record.scope
            if await records.count(EXECUTION, scope, Query(parent=record.key, statuses=ACTIVE)):
                raise ServiceError("ConflictException", f"Pipeline {record.doc['PipelineArn']} cannot be deleted: it has executions that are running. Stop them first.")
            gone: list[Change] = [Delete(record.kind, scope, record.key, record.version)]
            for kind in (VERSION, EXECUTION, CACHE, CALLBACK, TOKEN):
                for child in await records.find(kind, scope, Query(parent=record.key, limit=EVERY)):
                    # one that is retried meanwhile has changed
                    gone.append(Delete(kind, scope, child.key, child.version if kind == EXECUTION else None))
                    if kind == EXECUTION:
                        gone += [Delete(STEP, scope, s.key) for s in await records.find(STEP, scope, Query(parent=child.key, limit=EVERY))]
            try:
                # an execution that starts meanwhile changes the pipeline's document
                await self.platform.reconciler.commit(*gone)
            except Conflict:
                continue
            return {"PipelineArn": record.doc["PipelineArn"]}

    async def describe(self, call: Call) -> dict[str, Any]:
        _unbuilt(call.params)
        record = await self.find(call)
        version = await self.version(record, call.params.get("PipelineVersionId", record.doc["_version"]))
        view = self.desk.view(record, self.desk.shapes.output("DescribePipeline"))
        shown: dict[str, Any] = {m: version.doc[m] for m in ("PipelineVersionDisplayName", "PipelineVersionDescription") if m in version.doc}
        return {**view, **shown, "PipelineDefinition": version.doc["_definition"]}

    async def list(self, call: Call) -> dict[str, Any]:
        params = dated(call.params)
        params["SortBy"] = {"Name": "Name"}.get(params.get("SortBy", ""), "CreationTime")
        prefix = params.pop("PipelineNamePrefix", None)
        if params.pop("ManagedBy", None):
            return {"PipelineSummaries": []}  # no other service manages pipelines here
        query = paging.query({**params, "Prefix": prefix or ""}, name_member="PipelineName", order="Descending")
        query = query if prefix is None else replace(query, name_prefix=prefix)
        found = await self.platform.records.find(PIPELINE, call.scope, query)
        members = self.desk.shapes.list("ListPipelines").item
        answer: dict[str, Any] = {"PipelineSummaries": [_summary(self.desk.view(r, members), r) for r in found]}
        if len(found) == query.limit:
            answer["NextToken"] = paging.token({**params, "Prefix": prefix or ""}, found[-1], query.sort_by)
        return answer

    async def versions(self, call: Call) -> dict[str, Any]:
        record = await self.find(call)
        params = {**dated(call.params), "PipelineName": record.key}
        query = paging.query(params, name_member="PipelineName", order="Descending", parent=record.key)
        return await children(self.desk, "ListPipelineVersions", VERSION, call.scope, params, query)

    async def update_version(self, call: Call) -> dict[str, Any]:
        """A version's display name and description."""
        params = call.params
        if "PipelineVersionAliasOperations" in params:
            raise NotImplementedHere("Aliases of pipeline versions are not implemented; name the version by its PipelineVersionId.")
        while True:
            record = await self.find(call, params["PipelineArn"])
            version = await self.version(record, params["PipelineVersionId"])
            changed: dict[str, Any] = {m: params[m] for m in ("PipelineVersionDisplayName", "PipelineVersionDescription") if m in params}
            put = Put(VERSION, version.scope, version.key, {**version.doc, **changed}, version.version, name=version.name, parent=version.parent)
            try:
                await self.platform.reconciler.commit(put)
            except Conflict:
                continue
            return {"PipelineArn": record.doc["PipelineArn"], "PipelineVersionId": params["PipelineVersionId"]}

    # -- parts

    async def find(self, call: Call, name: str = "") -> Record:
        """The pipeline that the call names, by name or ARN. Raises NotFound."""
        name = name_in(name or call.params["PipelineName"])
        record = await self.platform.records.get(PIPELINE, call.scope, name.lower())
        if record is None:
            raise NotFound(f"Pipeline '{self.desk.arn(call, name)}' does not exist.")
        return record

    async def version(self, pipeline: Record, number: int) -> Record:
        """Raises NotFound."""
        found = await self.platform.records.get(VERSION, pipeline.scope, version_key(pipeline.key, number))
        if found is None:
            raise NotFound(f"Pipeline '{pipeline.doc['PipelineArn']}' has no version {number}.")
        return found

    async def _definition(self, call: Call, role: str) -> str:
        """The text of the given definition, which has been checked. Raises Invalid, NotImplementedHere, AccessDenied."""
        await self._check_role(call, role)
        params = call.params
        if ("PipelineDefinition" in params) == ("PipelineDefinitionS3Location" in params):
            raise Invalid("Specify exactly one of PipelineDefinition and PipelineDefinitionS3Location.")
        text: str = params["PipelineDefinition"] if "PipelineDefinition" in params else await self._stored(params["PipelineDefinitionS3Location"], role)
        definition.read(text)
        return text

    async def _check_role(self, call: Call, role: str) -> None:
        check_role(self.platform, call, role)
        await check_assumable(self.platform, role)

    async def _stored(self, where: Mapping[str, str], role: str) -> str:
        uri = f"s3://{where['Bucket']}/{where['ObjectKey']}"
        if "VersionId" in where:
            raise NotImplementedHere("PipelineDefinitionS3Location with VersionId is not implemented: objects have one version here.")
        if why := await object_refusal(self.platform, role, uri):
            raise Invalid(f"The pipeline definition {uri} cannot be read: {why}")

        def read() -> bytes:
            _, file = self.platform.objects.open(where["Bucket"], where["ObjectKey"])
            with file:
                return file.read(definition.LARGEST + 1)

        try:
            return (await asyncio.to_thread(read)).decode()
        except Exception as error:
            raise Invalid(f"The pipeline definition {uri} cannot be read: {error}") from None


def _version(call: Call, where: str, key: str, number: int, text: str, now: float) -> Put:
    doc = {"PipelineArn": where, "PipelineVersionId": number, "CreationTime": now, "_definition": text, "_by": by(call)}
    return Put(VERSION, call.scope, version_key(key, number), doc, 0, name=str(number), parent=key, created=now)


def _summary(view: dict[str, Any], record: Record) -> dict[str, Any]:
    if "LastRunTime" in record.doc:
        view["LastExecutionTime"] = record.doc["LastRunTime"]
    return view


def _unbuilt(params: Mapping[str, Any]) -> None:
    """Raises NotImplementedHere."""
    if "PipelineVersionAliases" in params or "PipelineVersionAlias" in params:
        raise NotImplementedHere("Aliases of pipeline versions are not implemented; name the version by its PipelineVersionId.")

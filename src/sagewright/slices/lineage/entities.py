"""Artifacts, contexts and actions. A context or an action has a name; an artifact is what its source is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...resources import paging, tags
from ...resources.arn import name_in
from ...resources.desk import Desk
from ...resources.platform import Platform
from ...resources.resource import Resource
from ...stores.records import Conflict, Delete, Put, Record
from ...wire.errors import AlreadyExists, Invalid, NotFound
from ...wire.types import Call, Reply
from .associations import Associations

PROPERTIES = 30


class Entity(Resource):
    """One of the three nouns."""

    def install(self, platform: Platform) -> EntityDesk:
        """A desk; ``Entities`` binds the verbs."""
        desk = platform.nouns[self.slug] = EntityDesk(self, platform)
        return desk


class EntityDesk(Desk):
    """Names and errors of this family."""

    def missing(self, call: Call, name: str) -> NotFound:
        return NotFound(f"{self.resource.noun} '{self.arn(call, name)}' does not exist.")

    def exists(self, call: Call, name: str) -> AlreadyExists:
        return AlreadyExists(f"{self.resource.noun} '{self.arn(call, name)}' already exists.")

    def arns(self, call: Call) -> list[str]:
        return [self.arn(call, self.key(call.params))]

    def key(self, params: Mapping[str, Any]) -> str:
        """The last part of the ARN."""
        if self.resource.noun != "Artifact":
            return name_in(params[f"{self.resource.noun}Name"])
        if "ArtifactArn" in params:
            return name_in(params["ArtifactArn"])
        if "Source" not in params:
            raise Invalid("Either ArtifactArn or Source is required.")
        source = params["Source"]
        types = sorted((t["SourceIdType"], t["Value"]) for t in source.get("SourceTypes", ()))
        return hashlib.sha256(json.dumps([source["SourceUri"], types]).encode()).hexdigest()[:32]


artifact = Entity("Artifact", verbs=())
context = Entity("Context", verbs=())
action = Entity("Action", verbs=())


class Entities:
    """The verbs of the three nouns on one platform."""

    def __init__(self, desks: list[EntityDesk], associations: Associations) -> None:
        self.desks, self.associations = desks, associations

    def install(self) -> None:
        for desk in self.desks:
            noun, bind = desk.resource.noun, desk.platform.operations.bind
            for verb, run in (
                ("Create", self.create), ("Describe", self.describe), ("Update", self.update), ("Delete", self.delete), ("List", self.list),
            ):  # fmt: skip
                name = f"List{noun}s" if verb == "List" else f"{verb}{noun}"
                bind("sagemaker", name, _on(desk, run), resources=None if verb == "List" else desk.arns)

    async def create(self, desk: EntityDesk, call: Call) -> Reply:
        tags.check(call.params.get("Tags", ()))
        noun, key = desk.resource.noun, desk.key(call.params)
        arn = desk.arn(call, key)
        doc = {**call.params, f"{noun}Arn": arn, "CreatedBy": _who(call), "Properties": call.params.get("Properties", {})}
        result = {f"{noun}Arn": arn}
        audit = desk.platform.audit(call, result)
        now = desk.platform.clock()
        doc |= {"CreationTime": now, "LastModifiedTime": now}
        name = call.params.get(f"{noun}Name", key)
        put = Put(noun, call.scope, key.lower(), doc, 0, name=name, parent=source_key(call.params["Source"]), created=now)
        try:
            await desk.platform.reconciler.commit(put, *([audit] if audit else ()))
        except Conflict:
            raise desk.exists(call, key) from None
        return Reply(result, audited=audit is not None)

    async def describe(self, desk: EntityDesk, call: Call) -> dict[str, Any]:
        return desk.view(await self._find(desk, call), desk.shapes.output(call.operation))

    async def update(self, desk: EntityDesk, call: Call) -> dict[str, Any]:
        noun = desk.resource.noun
        while True:
            record = await self._find(desk, call)
            given: dict[str, Any] = {m: call.params[m] for m in ("Description", "Status", "ArtifactName") if m in call.params}
            doc: dict[str, Any] = {**record.doc, **given}
            gone = set(call.params.get("PropertiesToRemove", ()))
            kept = {k: v for k, v in doc.get("Properties", {}).items() if k not in gone} | call.params.get("Properties", {})
            if len(kept) > PROPERTIES:
                raise Invalid(f"{noun} '{doc[f'{noun}Arn']}' can have at most {PROPERTIES} Properties; it would have {len(kept)}.")
            doc |= {"Properties": kept, "LastModifiedTime": desk.platform.clock(), "LastModifiedBy": _who(call)}
            name = doc.get("ArtifactName", record.name) if noun == "Artifact" else record.name
            put = Put(record.kind, record.scope, record.key, doc, record.version, name=name, parent=record.parent)
            try:
                await desk.platform.reconciler.commit(put)
            except Conflict:
                continue
            return {f"{noun}Arn": doc[f"{noun}Arn"]}

    async def delete(self, desk: EntityDesk, call: Call) -> dict[str, Any]:
        record = await self._find(desk, call)
        arn = record.doc[f"{desk.resource.noun}Arn"]
        if await self.associations.any_of(call.scope, arn):
            raise Invalid(f"{desk.resource.noun} '{arn}' has associations and cannot be deleted. Delete those first.")
        await desk.platform.reconciler.commit(Delete(record.kind, record.scope, record.key))
        return {f"{desk.resource.noun}Arn": arn}

    async def list(self, desk: EntityDesk, call: Call) -> dict[str, Any]:
        noun, shape = desk.resource.noun, desk.shapes.list(call.operation)
        parent = source_key({"SourceUri": call.params["SourceUri"]}) if "SourceUri" in call.params else None
        query = paging.query(call.params, name_member=f"{noun}Name", order=shape.order, parent=parent)
        kind = call.params.get(f"{noun}Type")
        query = replace(
            query, created_after=call.params.get("CreatedAfter"), created_before=call.params.get("CreatedBefore"),
            where=((f"{noun}Type", kind),) if kind is not None else (),
        )  # fmt: skip
        records = await desk.platform.records.find(noun, call.scope, query)
        answer: dict[str, Any] = {shape.member: [desk.view(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(call.params, records[-1], query.sort_by)
        return answer

    @staticmethod
    async def _find(desk: EntityDesk, call: Call) -> Record:
        return await desk.find(call, desk.key(call.params))


def source_key(source: Mapping[str, Any]) -> str:
    """What lists by source look for."""
    return hashlib.sha256(source["SourceUri"].encode()).hexdigest()


def _on(desk: EntityDesk, run: Callable[[EntityDesk, Call], Any]) -> Callable[[Call], Any]:
    return lambda call: run(desk, call)


def _who(call: Call) -> dict[str, Any]:
    return {"IamIdentity": {"Arn": call.principal.arn, "PrincipalId": call.principal.user_id}}

"""A desk answers for one resource on one platform: the generic verbs, and what the slices' own verbs need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..runtime.lifecycle import Event, ImpossibleTransition
from ..stores.records import Change, Conflict, Delete, Put, Record
from ..wire.errors import AlreadyExists, DomainError, InUse, Invalid, NotFound
from ..wire.types import Call, Reply
from . import paging, tags
from .arn import name_in
from .patience import patient
from .platform import Platform
from .shape import Shapes

if TYPE_CHECKING:
    from .resource import Resource


class Desk:
    """Made by ``Resource.install``."""

    def __init__(self, resource: Resource, platform: Platform) -> None:
        self.resource, self.platform = resource, platform

    @property
    def shapes(self) -> Shapes:
        return self.platform.shapes(self.resource.service)

    def arn(self, call: Call, name: str) -> str:
        return self.resource.arn(call.region, call.account, name)

    def arns(self, call: Call) -> list[str]:
        """What a call on this noun acts on, for policies."""
        return [self.arn(call, name_in(call.params.get(self.resource.name_member, "*")))]

    # -- the generic verbs

    async def create(self, call: Call) -> Reply:
        name = call.params[self.resource.name_member]
        doc = {**call.params, self.resource.arn_member: self.arn(call, name)}
        if self.resource.prepare:
            try:
                await self.resource.prepare(self.platform, call, doc)
            except DomainError:
                # a name that is taken is the fault to tell of, whatever else is wrong
                if await self.platform.records.get(self.resource.noun, call.scope, name.lower()):
                    raise self.exists(call, name) from None
                raise
        for member, admit in self.platform.admissions.items():
            if member in doc:
                await admit(call, doc)
        result = {m: doc[m] for m in self.shapes.output(f"Create{self.resource.noun}") if m in doc}
        audit = self.platform.audit(call, result)
        try:
            await self.write_new(call, name, doc, *([audit] if audit else ()))
        except Conflict:
            raise self.exists(call, name) from None
        return Reply(result, audited=audit is not None)

    async def write_new(self, call: Call, name: str, doc: dict[str, Any], *also: Change, parent: str = "") -> None:
        """Write a new document and, with a lifecycle, its first instructions. Raises Conflict if the name is taken, Invalid."""
        tags.check(doc.get("Tags", ()))
        now = self.platform.clock()
        doc.setdefault("_principal", call.principal.arn)
        if call.source:
            doc["_source"] = call.source
        doc.setdefault("CreationTime", now)
        doc.setdefault("LastModifiedTime", now)
        put = Put(self.resource.noun, call.scope, name.lower(), doc, 0, name=name, parent=parent, created=now)
        if self.resource.lifecycle:
            await self.platform.reconciler.create(put, *self.resource.first, also=also)
        else:
            await self.platform.reconciler.commit(put, *also)

    async def describe(self, call: Call) -> dict[str, Any]:
        found = await self.find(call)
        record = await patient(self.platform, call, found)
        if record is None:
            raise self.missing(call, found.name)
        return self.view(record, self.shapes.output(f"Describe{self.resource.noun}"))

    async def list(self, call: Call) -> dict[str, Any]:
        operation = f"List{self.resource.noun}s"
        shape = self.shapes.list(operation)
        query = paging.query(call.params, name_member=self.resource.name_member, order=shape.order, places=self.resource.places)
        records = await self.platform.records.find(self.resource.noun, call.scope, query)
        answer: dict[str, Any] = {shape.member: [self.view(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(call.params, records[-1], query.sort_by)
        return answer

    async def delete(self, call: Call) -> dict[str, Any] | None:
        record = await self.find(call)
        if self.resource.lifecycle:
            await self.send(record, "Delete")
        else:
            await self.platform.reconciler.commit(Delete(self.resource.noun, call.scope, record.key))
        return {}

    # -- for the slices' own verbs

    async def find(self, call: Call, name: str | None = None) -> Record:
        """The record that the call names, by name or by ARN. Raises NotFound."""
        name = name_in(call.params[self.resource.name_member] if name is None else name)
        record = await self.platform.records.get(self.resource.noun, call.scope, name.lower())
        if record is None:
            raise self.missing(call, name)
        return record

    async def send(self, record: Record, event: str, **data: Any) -> Record | None:
        """Send a caller's event. Raises Invalid, with the state, where the lifecycle has no such transition."""
        try:
            return await self.platform.reconciler.send(record.kind, record.scope, record.key, Event(event, data))
        except ImpossibleTransition as error:
            raise self.refused(record, event, error) from None

    def view(self, record: Record, members: frozenset[str]) -> dict[str, Any]:
        """The members of a document that an answer may have."""
        doc = record.doc
        answer = {m: doc[m] for m in members if m in doc}
        for member, compute in self.resource.computed.items():
            if member in members and (value := compute(doc, record)) is not None:
                answer[member] = value
        return answer

    def missing(self, call: Call, name: str) -> NotFound | Invalid:
        text = f'Could not find {self.resource.human} "{self.arn(call, name)}".'
        return Invalid(text) if self.resource.old else NotFound(text)

    def exists(self, call: Call, name: str) -> AlreadyExists | Invalid | InUse:
        where = self.arn(call, name)
        if self.resource.old:
            return Invalid(f'Cannot create already existing {self.resource.human} "{where}".')
        return AlreadyExists(f"{self.resource.taken} ({where})")

    def refused(self, record: Record, event: str, error: ImpossibleTransition) -> Invalid:
        where = record.doc.get(self.resource.arn_member, record.name)
        verb = {"Stop": "stopped", "Delete": "deleted", "Update": "updated"}.get(event, f"sent {event}")
        return Invalid(f"The request was rejected because the {self.resource.human} {where} is in status {record.status} and cannot be {verb}.")

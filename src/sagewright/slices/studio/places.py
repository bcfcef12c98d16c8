"""The verbs that domains, user profiles and spaces have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from ...resources import paging, tags
from ...resources.apps import APP
from ...resources.desk import Desk
from ...resources.patience import patient
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Change, Conflict, Put, Query, Record
from ...wire.errors import DomainError, InUse, Invalid
from ...wire.types import Call, Reply
from .lifecycle import DELETED, DELETING, DOMAIN, FAILED, IN_SERVICE, PENDING, Stale

HOME = "/_sagewright/studio/"
GOING = {"Delete": "deleted", "Update": "updated"}


class Family:
    """One noun's verbs. ``path`` says what its ARN ends with, from a call's parameters."""

    def __init__(self, desk: Desk, path: Callable[[Mapping[str, Any]], str]) -> None:
        self.desk, self.platform, self.path = desk, desk.platform, path

    def bind(self, verb: str, handler: Any) -> None:
        """Bind ``<verb><noun>``; a policy may name what it acts on."""
        self.platform.operations.bind("sagemaker", f"{verb}{self.desk.resource.noun}", handler, resources=self.arns)

    def bind_list(self, handler: Any) -> None:
        self.platform.operations.bind("sagemaker", f"List{self.desk.resource.noun}s", handler)

    def arns(self, call: Call) -> list[str]:
        try:
            return [self.desk.arn(call, self.path(call.params))]
        except KeyError:
            return ["*"]

    async def find(self, call: Call) -> Record:
        """Raises NotFound."""
        return await self.desk.find(call, self.path(call.params))

    async def describe_record(self, call: Call, record: Record) -> dict[str, Any]:
        found = await patient(self.platform, call, record)
        if found is None:
            raise self.desk.missing(call, record.name)
        return {**self.desk.view(found, self.desk.shapes.output(call.operation)), **self.extra(call, found)}

    def extra(self, call: Call, record: Record) -> dict[str, Any]:
        """Members of a description that depend on who asks."""
        return {}

    async def describe(self, call: Call) -> dict[str, Any]:
        return await self.describe_record(call, await self.find(call))

    async def list(self, call: Call) -> dict[str, Any]:
        """A page; filters that name the noun's own name are substrings of it."""
        noun = self.desk.resource.noun
        params = {("NameContains" if k == f"{noun}NameContains" else k): v for k, v in call.params.items()}
        shape = self.desk.shapes.list(call.operation)
        query = paging.query(params, name_member=f"{noun}Name", order=shape.order)
        records = await self.platform.records.find(noun, call.scope, query)
        answer: dict[str, Any] = {shape.member: [self.desk.view(r, shape.item) for r in records]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(params, records[-1], query.sort_by)
        return answer

    async def write(self, call: Call, doc: dict[str, Any], *also: Change, name: str, parent: str = "") -> Reply:
        """Write a new document, with its audit record. Raises InUse when the path is taken."""
        tags.check(doc.get("Tags", ()))
        path = self.path(doc)
        resource = self.desk.resource
        doc[resource.arn_member] = self.desk.arn(call, path)
        now = self.platform.clock()
        doc |= {"CreationTime": now, "LastModifiedTime": now, "_principal": call.principal.arn}
        result = {m: doc[m] for m in self.desk.shapes.output(call.operation) if m in doc}
        audit = self.platform.audit(call, result)
        put = Put(resource.noun, call.scope, path.lower(), doc, 0, name=name, parent=parent, created=now)
        await self.platform.reconciler.create(put, *resource.first, also=(*also, *((audit,) if audit else ())))
        return Reply(result, audited=audit is not None)

    async def change(self, record: Record, event: str, **data: Any) -> None:
        """Send a caller's event. Raises InUse where the state does not allow it."""
        try:
            await self.platform.reconciler.send(record.kind, record.scope, record.key, Event(event, data))
        except ImpossibleTransition as error:
            where = record.doc[self.desk.resource.arn_member]
            raise InUse(f"The {self.desk.resource.human} {where} is in status {error.state} and cannot be {GOING[event]} now.") from None


class Updated(Family, ABC):
    """The verbs of a noun that has an update."""

    async def update(self, call: Call) -> dict[str, Any]:
        """What is not given stays as it is, however many updates come at once."""
        answer: dict[str, Any] = await retried(lambda: self._update(call))
        return answer

    async def _update(self, call: Call) -> dict[str, Any]:
        record = await self.find(call)
        changes = await self.changes(call, record)
        seen = {member: record.doc.get(member) for member in changes}
        await self.change(record, "Update", Changes=changes, Seen=seen)
        member = self.desk.resource.arn_member
        return {member: record.doc[member]}

    @abstractmethod
    async def changes(self, call: Call, record: Record) -> dict[str, Any]:
        """The members that an update replaces, as they are after it. Raises DomainError."""


class Places:
    """What the three need of one another."""

    def __init__(self, domains: Desk, profiles: Desk, spaces: Desk) -> None:
        self.domains, self.profiles, self.spaces = domains, profiles, spaces
        self.platform = domains.platform

    async def usable(self, desk: Desk, call: Call, path: str) -> Record:
        """A place in which something may be made. Raises NotFound or Invalid, by its status."""
        record = await desk.find(call, path)
        if record.status in (PENDING, DELETING, FAILED):
            raise Invalid(f"The {desk.resource.human} {record.doc[desk.resource.arn_member]} is in status {record.status}; it must be {IN_SERVICE}.")
        return record

    @staticmethod
    def touched(record: Record) -> Put:
        """The change that lets what is made in a place meet the place's end: one of the two is refused."""
        return Put(record.kind, record.scope, record.key, record.doc, record.version, record.status, record.name, record.parent)

    async def living(self, scope: str, domain: str, where: Mapping[str, str]) -> list[str]:
        """ARNs of apps of a domain that are not deleted, and whose documents have these members."""
        query = Query(parent=domain, where=tuple(where.items()), limit=1_000)
        found = await self.platform.records.find(APP, scope, query)
        return [record.doc["AppArn"] for record in found if record.status != DELETED]

    async def inside(self, record: Record) -> str:
        """What still is in a place, as a reason not to delete it; empty when nothing is."""
        doc, scope = record.doc, record.scope
        if record.kind == DOMAIN:
            held = await self.living(scope, record.key, {})
            for desk in (self.profiles, self.spaces):
                noun = desk.resource.noun
                held += [r.doc[f"{noun}Arn"] for r in await self.platform.records.find(noun, scope, Query(parent=record.key, limit=10))]
        elif record.kind == self.profiles.resource.noun:
            held = await self.living(scope, record.parent, {"UserProfileName": doc["UserProfileName"]})
            owned = Query(parent=record.parent, where=(("OwnershipSettings.OwnerUserProfileName", doc["UserProfileName"]),), limit=10)
            held += [r.doc["SpaceArn"] for r in await self.platform.records.find(self.spaces.resource.noun, scope, owned)]
        else:
            held = await self.living(scope, record.parent, {"SpaceName": doc["SpaceName"]})
        return f"{', '.join(held[:3])}{' and more' if len(held) > 3 else ''}" if held else ""

    async def check_empty(self, record: Record, human: str) -> None:
        """Raises InUse."""
        if held := await self.inside(record):
            raise InUse(f"The {human} {record.name} cannot be deleted while it has {held}. Delete those first.")


async def retried(make: Callable[[], Any]) -> Any:
    """Make something in a place, or something else of it, again when the place changed meanwhile."""
    while True:
        try:
            return await make()
        except Stale:
            continue


def conflict(error: Conflict, kind: str, taken: DomainError) -> Exception:
    """What a conflict at the making of a ``kind`` means: the name is taken, or its place changed."""
    return taken if error.kind == kind else Stale()

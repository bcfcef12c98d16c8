"""Associations: edges between lineage entities and trial components, kept once for each end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...resources import paging
from ...resources.arn import parse
from ...resources.platform import Platform
from ...stores.records import Conflict, Delete, Put, Query, Record
from ...wire.errors import AlreadyExists, Invalid, NotFound
from ...wire.types import Call, Reply

OUT, IN = "AssociationFrom", "AssociationTo"
"""Kinds of record; the parent of the first is the source, that of the second the destination."""
EQUAL = ("SourceArn", "DestinationArn", "SourceType", "DestinationType", "AssociationType")
_TRACKED = ("experiment", "experiment-trial", "experiment-trial-component")
ALL = 1_000_000


class Associations:
    """The verbs of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, handler in (("AddAssociation", self.add), ("DeleteAssociation", self.delete)):
            bind("sagemaker", name, handler, resources=lambda call: [call.params["SourceArn"], call.params["DestinationArn"]])
        bind("sagemaker", "ListAssociations", self.list)

    async def any_of(self, scope: str, arn: str) -> bool:
        """Whether anything is associated with an ARN."""
        one = Query(parent=arn.lower(), limit=1)
        return bool(await self.platform.records.find(OUT, scope, one) or await self.platform.records.find(IN, scope, one))

    async def add(self, call: Call) -> Reply:
        source, destination = call.params["SourceArn"], call.params["DestinationArn"]
        ends = [await self._end(call, source), await self._end(call, destination)]
        if source.lower() == destination.lower():
            raise Invalid("An association needs two different entities.")
        if all(parse(arn).type in _TRACKED for arn in (source, destination)):
            raise Invalid("Associations cannot be created between two experiment entities.")
        now = self.platform.clock()
        doc = {
            "SourceArn": source, "DestinationArn": destination, "CreationTime": now,
            "CreatedBy": {"IamIdentity": {"Arn": call.principal.arn, "PrincipalId": call.principal.user_id}},
            "SourceType": ends[0][0], "SourceName": ends[0][1], "DestinationType": ends[1][0], "DestinationName": ends[1][1],
        }  # fmt: skip
        doc = {name: value for name, value in doc.items() if value}
        if "AssociationType" in call.params:
            doc["AssociationType"] = call.params["AssociationType"]
        result = {"SourceArn": source, "DestinationArn": destination}
        audit = self.platform.audit(call, result)
        key = _key(source, destination)
        try:
            await self.platform.records.commit(
                Put(OUT, call.scope, key, doc, 0, parent=source.lower(), created=now),
                Put(IN, call.scope, key, doc, 0, parent=destination.lower(), created=now),
                *([audit] if audit else ()),
            )
        except Conflict:
            raise AlreadyExists(f"Association between '{source}' and '{destination}' already exists.") from None
        return Reply(result, audited=audit is not None)

    async def delete(self, call: Call) -> dict[str, Any]:
        source, destination = call.params["SourceArn"], call.params["DestinationArn"]
        key = _key(source, destination)
        if await self.platform.records.get(OUT, call.scope, key) is None:
            raise NotFound(f"Association between '{source}' and '{destination}' does not exist.")
        await self.platform.records.commit(Delete(OUT, call.scope, key), Delete(IN, call.scope, key))
        return {"SourceArn": source, "DestinationArn": destination}

    async def list(self, call: Call) -> dict[str, Any]:
        """By one end, an index; the rest of the filters are equalities of the document."""
        kind, parent = OUT, None
        if "SourceArn" in call.params:
            parent = call.params["SourceArn"].lower()
        elif "DestinationArn" in call.params:
            kind, parent = IN, call.params["DestinationArn"].lower()
        shape = self.platform.shapes("sagemaker").list("ListAssociations")
        sort = call.params.get("SortBy", "CreationTime")

        def place(record: Record) -> tuple[str, str]:
            return str(record.doc.get(sort, "")), record.key

        asked = {**{k: v for k, v in call.params.items() if k != "SortBy"}, "Sorted": sort}
        query = paging.query(asked, name_member="", order=shape.order, parent=parent)
        query = replace(
            query, created_after=asked.get("CreatedAfter"), created_before=asked.get("CreatedBefore"),
            where=tuple((name, asked[name]) for name in EQUAL if name in asked),
        )  # fmt: skip
        if sort == "CreationTime":
            records = await self.platform.records.find(kind, call.scope, query)
            more = len(records) == query.limit
        else:
            every = await self.platform.records.find(kind, call.scope, replace(query, after=None, limit=ALL))
            every.sort(key=place, reverse=query.descending)
            if query.after is not None:
                after = str(query.after[0]), query.after[1]
                every = [r for r in every if (place(r) < after if query.descending else place(r) > after)]
            records, more = every[: query.limit], len(every) > query.limit
        answer: dict[str, Any] = {shape.member: [{m: r.doc[m] for m in shape.item if m in r.doc} for r in records]}
        if more:
            last = records[-1] if sort == "CreationTime" else replace(records[-1], name=place(records[-1])[0])
            answer["NextToken"] = paging.token(asked, last, "created" if sort == "CreationTime" else "name")
        return answer

    async def _end(self, call: Call, arn: str) -> tuple[str, str]:
        """(type, name) of an entity. Raises NotFound."""
        where = parse(arn)
        desk = self.platform.nouns.get(where.type)
        record = None
        if desk is not None and (where.account, where.region) == (call.account, call.region):
            record = await self.platform.records.get(desk.resource.noun, call.scope, where.name.lower())
        if record is None:
            raise NotFound(f"'{arn}' does not exist.")
        noun = record.kind
        kind = record.doc.get(f"{noun}Type") or record.doc.get("Source", {}).get("SourceType") or noun
        return kind, record.doc.get(f"{noun}Name", "")


def _key(source: str, destination: str) -> str:
    return f"{source.lower()}|{destination.lower()}"

"""Search: narrow down by what an index or the database can tell, match, sort, page, and only then complete the answers.

The order that a first page found is kept for the pages after it: see ``orders``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...resources.desk import Desk
from ...resources.platform import Platform
from ...resources.search import NOTHING, Search, compiled, sort_value
from ...stores.records import Query, Record
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.models import Shape
from ...wire.types import Call
from .orders import Orders, Place
from .suggestions import suggestions

ALL = 1_000_000
PAGE = 100
SLICE = 200
"""Documents looked at without a pause."""
RECENT = 50
"""Records whose names of parameters, tags and metrics are suggested."""


class SearchOperations:
    """The verbs of one platform. What can be searched are the resources that are installed and that the model names."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.orders = Orders()

    def install(self) -> None:
        bind = self.platform.operations.bind
        bind("sagemaker", "Search", self.search)
        bind("sagemaker", "GetSearchSuggestions", self.suggest)

    async def search(self, call: Call) -> dict[str, Any]:
        noun, desk, shape = self._resource(call)
        search = compiled(call.params.get("SearchExpression"))
        usual = "LastModifiedTime" if "LastModifiedTime" in shape.members else "CreationTime"  # groups of packages never change
        sort_by = call.params.get("SortBy", usual)
        self._check(shape, noun, [*search.properties, sort_by])
        page, total, token = await self._indexed(call, noun, search, sort_by) or await self._page(call, desk, search, sort_by)
        docs = await self._complete(noun, page, None)
        answer: dict[str, Any] = {
            "Results": [{noun: _shown(desk, shape, doc, record)} for doc, record in zip(docs, page, strict=True)],
            "TotalHits": {"Value": total, "Relation": "EqualTo"},
        }
        if token is not None:
            answer["NextToken"] = token.text()
        return answer

    async def _indexed(self, call: Call, noun: str, search: Search, sort_by: str) -> _Found | None:
        """A page in an order that an index has."""
        searched = self.platform.searched.get(noun)
        if searched is None:
            return None
        token, size = _Token.of(call), call.params.get("MaxResults", PAGE)
        after = (token.last[0][1], token.last[1]) if token is not None else None
        order = Query(descending=call.params.get("SortOrder") != "Ascending", after=after, limit=size + 1)
        found = await searched.page(call.scope, search, sort_by, order)
        if found is None:
            return None
        records, places, total = found
        more = len(records) > size
        last = ((0, places[size - 1]), records[size - 1].key) if more else None
        return records[:size], total, _Token(_digest(call.params), last, "", 0) if last is not None else None

    async def _page(self, call: Call, desk: Desk, search: Search, sort_by: str) -> _Found:
        """A page of an order that is kept, or that is found by a look at every record that may match."""
        token = _Token.of(call)
        order = self.orders.get(token.order) if token is not None else None
        name, records = "", {}
        if order is None:
            descending = call.params.get("SortOrder") != "Ascending"
            searched = self.platform.searched.get(desk.resource.noun)
            places = await searched.places(call.scope, search, sort_by) if searched is not None else None
            if places is None:
                found = await self._matching(call, desk, search, sort_by)
                places, records = [place for place, _ in found], {record.key: record for _, record in found}
            places.sort(reverse=descending)
            # what has no value to sort by comes last either way
            order = [place for place in places if place[0][0] != NOTHING] + [place for place in places if place[0][0] == NOTHING]
            start = 0 if token is None else _after(token.last, order, descending)
        else:
            assert token is not None
            name, start = token.order, token.start
        end = start + call.params.get("MaxResults", PAGE)
        keys = [key for _, key in order[start:end]]
        page = [records[key] for key in keys] if records else await self.platform.records.several(desk.resource.noun, call.scope, keys)
        more = end < len(order)
        return page, len(order), _Token(_digest(call.params), order[end - 1], name or self.orders.keep(order), end) if more else None

    async def suggest(self, call: Call) -> dict[str, Any]:
        noun, _, shape = self._resource(call)
        hint = call.params.get("SuggestionQuery", {}).get("PropertyNameQuery", {}).get("PropertyNameHint", "")
        recent = await self.platform.records.find(noun, call.scope, Query(limit=RECENT))
        docs = await self._complete(noun, recent, None)
        return {"PropertyNameSuggestions": [{"PropertyName": name} for name in suggestions(shape, docs, hint)]}

    # -- parts

    def _resource(self, call: Call) -> tuple[str, Desk, Shape]:
        """(noun, desk, shape of its search record). The model's ExperimentTrial is the noun Trial."""
        resource = call.params["Resource"]
        output = self.platform.shapes("sagemaker").model("Search").output
        assert output is not None
        element = output.members["Results"].shape.element
        assert element is not None
        noun = resource.removeprefix("Experiment") or resource
        member = element.shape.members.get(noun)
        desk = next((d for d in self.platform.nouns.values() if d.resource.noun == noun), None)
        if member is None or desk is None:
            raise NotImplementedHere(f"Search for {resource} is not implemented by Sagewright: nothing here keeps that resource.")
        if "CreationTime" not in member.shape.members:  # a document made of several resources, such as the Model Dashboard's
            raise NotImplementedHere(f"Search for {resource} is not implemented by Sagewright: its {member.shape.name} is kept nowhere.")
        return noun, desk, member.shape

    @staticmethod
    def _check(shape: Shape, noun: str, properties: list[str]) -> None:
        known = {name.lower() for name in shape.members} | {"metrics"}
        for name in properties:
            if name.split(".")[0].lower() not in known:
                raise Invalid(f"Unknown property name: {name}. It is not a property of {noun}.")

    async def _matching(self, call: Call, desk: Desk, search: Search, sort_by: str) -> list[tuple[Place, Record]]:
        """((sort value, key), record) of all that match."""
        records = await self._candidates(call, desk, search)
        found = []
        for at in range(0, len(records), SLICE):
            part = records[at : at + SLICE]
            docs = await self._complete(desk.resource.noun, part, [*search.properties, sort_by])
            if desk.resource.noun == "TrainingJob":
                docs = [{**doc, "Metrics": doc.get("FinalMetricDataList", [])} for doc in docs]
            pairs = zip(part, docs, strict=True)
            found += [((sort_value(doc, sort_by), record.key), record) for record, doc in pairs if search.matches(doc)]
            await asyncio.sleep(0)  # others have their turn
        return found

    async def _candidates(self, call: Call, desk: Desk, search: Search) -> list[Record]:
        noun, records = desk.resource.noun, self.platform.records
        searched = self.platform.searched.get(noun)
        name = search.equal.get(desk.resource.name_member.lower())
        found = await searched.candidates(call.scope, search.among) if searched is not None else None
        if name is not None and found is None:
            record = await records.get(noun, call.scope, name.lower())
            return [record] if record is not None else []
        if found is not None:
            return found if name is None else [record for record in found if record.key == name.lower()]
        where = tuple(_where(desk, search.equal))
        return await records.find(noun, call.scope, Query(where=where, limit=ALL))

    async def _complete(self, noun: str, records: list[Record], properties: list[str] | None) -> list[dict[str, Any]]:
        searched = self.platform.searched.get(noun)
        return [record.doc for record in records] if searched is None else await searched.complete(records, properties)


def _where(desk: Desk, equal: Mapping[str, str]) -> list[tuple[str, str]]:
    """Equalities that the database can test: of texts at the top of the Create request and of hyperparameters."""
    operation = desk.shapes.model(f"Describe{desk.resource.noun}")
    assert operation.output is not None
    names = {name.lower(): name for name, member in operation.output.members.items() if member.type == "string"}
    return [(names[name], value) for name, value in equal.items() if name in names and names[name] not in desk.resource.computed]


def _shown(desk: Desk, shape: Shape, doc: dict[str, Any], record: Record) -> dict[str, Any]:
    """The members of a search record, computed ones among them."""
    shown = desk.view(record, frozenset(shape.members))
    return {**{name: doc[name] for name in shape.members if name in doc}, **shown}


class _Token(NamedTuple):
    """Where a page begins: at a position of an order that is kept, or else after the last place of the page before."""

    digest: str
    last: Place
    order: str
    start: int

    def text(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode()

    @classmethod
    def of(cls, call: Call) -> _Token | None:
        text = call.params.get("NextToken")
        if text is None:
            return None
        try:
            digest, ((rank, value), key), order, start = json.loads(base64.urlsafe_b64decode(text.encode()))
            token = cls(digest, ((int(rank), value), str(key)), str(order), int(start))
        except (ValueError, binascii.Error, TypeError, KeyError, IndexError):
            raise Invalid("Invalid NextToken.") from None
        if token.digest != _digest(call.params) or token.start < 0:
            raise Invalid("NextToken belongs to a request with other parameters; repeat those, or start without a token.")
        return token


_Found = tuple[list[Record], int, _Token | None]
"""The records of a page, how many match in all, and where the next page begins."""


def _after(last: Place, order: Sequence[Place], descending: bool) -> int:
    """The first position behind a place, which may be there no more."""
    for at, place in enumerate(order):
        late, ahead = place[0][0] == NOTHING, last[0][0] == NOTHING
        if late > ahead if late != ahead else (place < last if descending else place > last):
            return at
    return len(order)


def _digest(params: Mapping[str, Any]) -> str:
    request = {k: v for k, v in params.items() if k not in ("NextToken", "MaxResults")}
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()[:16]

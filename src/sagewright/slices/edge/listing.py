"""Lists that filter or sort by a member of the document, which the records cannot: whole in memory, then paged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...resources import paging
from ...resources.desk import Desk
from ...stores.records import Record
from ...wire.types import Call

SORTS = {"NAME": "Name", "CREATION_TIME": "CreationTime", "LAST_MODIFIED_TIME": "LastModifiedTime", "STATUS": "Status"}
EVERY = 1_000_000


async def listed(desk: Desk, call: Call, contains: Mapping[str, str] | None = None, sorts: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A page of a desk's documents.

    Args:
        contains: parameter → member of the document that must contain its value, in either case.
        sorts: further values of SortBy → the member to sort by.
    """
    params = dict(call.params)
    shape = desk.shapes.list(call.operation)
    asked = params.get("SortBy", "CREATION_TIME")
    by = (sorts or {}).get(asked)
    unpaged = {k: v for k, v in params.items() if k != "NextToken"}
    query = paging.query({**unpaged, "SortBy": SORTS.get(asked, "Name")}, name_member="Name", order=shape.order)
    found = await desk.platform.records.find(desk.resource.noun, call.scope, replace(query, limit=EVERY))
    for parameter, member in (contains or {}).items():
        if wanted := params.get(parameter, "").lower():
            found = [record for record in found if wanted in str(record.doc.get(member, "")).lower()]
    if by is not None:
        found.sort(key=lambda record: (record.doc[by], record.key), reverse=query.descending)
    page, more = cut(params, found, int(params.get("MaxResults", paging.DEFAULT_PAGE)))
    answer: dict[str, Any] = {shape.member: [desk.view(record, shape.item) for record in page]}
    return {**answer, "NextToken": more} if more else answer


def cut(params: Mapping[str, Any], found: list[Record], size: int) -> tuple[list[Record], str]:
    """The page that the token of ``params`` asks for, and the next one's token or nothing. Raises Invalid for a bad token."""
    asked = {("By" if k == "SortBy" else k): v for k, v in params.items()}
    after = paging.query(asked, name_member="", order="").after
    start = 0
    if after is not None:
        keys = [record.key for record in found]
        start = keys.index(after[1]) + 1 if after[1] in keys else len(keys)
    page = found[start : start + size]
    more = paging.token(asked, page[-1], "name") if page and start + size < len(found) else ""
    return page, more

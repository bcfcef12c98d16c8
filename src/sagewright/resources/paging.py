"""List operations: filter, then sort, then page. The token encodes the last key and a digest of the request."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..stores.records import Query, Record
from ..wire.errors import Invalid

SORTS = {"Name": "name", "CreationTime": "created", "LastModifiedTime": "modified", "Status": "status"}
_PAGE = ("NextToken", "MaxResults")
DEFAULT_PAGE = 10


def query(
    params: Mapping[str, Any], *, name_member: str, order: str, parent: str | None = None, places: Mapping[str, str] | None = None,
) -> Query:
    """The records query of a List call.

    Args:
        params: the call's input, by wire name.
        name_member: the member that names the resource, such as ``ModelName``; a SortBy of that word means the name.
        order: the operation's default SortOrder.
        parent: only records of this parent.
        places: where a document has what a filter ``<member>Equals`` asks for, by member, unless it is that member itself.

    Raises:
        Invalid: a sort or a token that cannot be used.
    """
    sort = params.get("SortBy", "CreationTime")
    column = "name" if sort == name_member else SORTS.get(sort)
    if column is None:
        raise Invalid(f"Cannot sort by {sort}.")
    return Query(
        parent=parent,
        statuses=(params["StatusEquals"],) if "StatusEquals" in params else (),
        name_contains=params.get("NameContains"),
        created_after=params.get("CreationTimeAfter"),
        created_before=params.get("CreationTimeBefore"),
        modified_after=params.get("LastModifiedTimeAfter"),
        modified_before=params.get("LastModifiedTimeBefore"),
        where=tuple(
            ((places or {}).get(k.removesuffix("Equals"), k.removesuffix("Equals")), v)
            for k, v in params.items()
            if k.endswith("Equals") and k != "StatusEquals"
        ),
        sort_by=column,  # type: ignore[arg-type]
        descending=params.get("SortOrder", order) == "Descending",
        after=_read_token(params),
        limit=int(params.get("MaxResults", DEFAULT_PAGE)),
    )


def token(params: Mapping[str, Any], last: Record, sort_by: str) -> str:
    """Where the next page begins: after ``last``, for the same request only."""
    value: Any = {"created": last.created, "modified": last.modified, "name": last.name, "status": last.status}[sort_by]
    return base64.urlsafe_b64encode(json.dumps([_digest(params), value, last.key]).encode()).decode()


def _read_token(params: Mapping[str, Any]) -> tuple[Any, str] | None:
    text = params.get("NextToken")
    if text is None:
        return None
    try:
        digest, value, key = json.loads(base64.urlsafe_b64decode(text.encode()))
        if not isinstance(value, str | int | float) or not isinstance(key, str):
            raise TypeError
    except (ValueError, TypeError, RecursionError):
        raise Invalid("Invalid NextToken.") from None
    if digest != _digest(params):
        raise Invalid("NextToken belongs to a request with other parameters; repeat those, or start without a token.")
    return value, key


def _digest(params: Mapping[str, Any]) -> str:
    request = {k: v for k, v in params.items() if k not in _PAGE}
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()[:16]

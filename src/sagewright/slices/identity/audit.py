"""CloudTrail's LookupEvents over the audit trail of this server."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from ...resources.audit import KIND
from ...resources.platform import Platform
from ...stores.records import Query, Record
from ...wire.errors import ServiceError
from ...wire.types import Call

RETENTION = 90 * 86400.0
"""Seconds that LookupEvents looks back, as CloudTrail's event history does."""
_PATHS = {
    "EventId": "eventID",
    "EventName": "eventName",
    "EventSource": "eventSource",
    "Username": "_username",
    "AccessKeyId": "userIdentity.accessKeyId",
}
_LOOK = 500


class Trail:
    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self, platform: Platform) -> None:
        platform.operations.bind("cloudtrail", "LookupEvents", self.lookup)

    async def lookup(self, call: Call) -> dict[str, Any]:
        """Newest first. One lookup attribute at most, as CloudTrail."""
        params, now = call.params, self.platform.clock()
        if params.get("EventCategory"):
            return {"Events": []}  # insights: this trail computes none
        attributes = params.get("LookupAttributes", [])
        if len(attributes) > 1:
            raise ServiceError("InvalidLookupAttributesException", "You can specify only one lookup attribute.", 400)
        start, end = params.get("StartTime", now - RETENTION), params.get("EndTime", now)
        if start > end:
            raise ServiceError("InvalidTimeRangeException", "StartTime must not be after EndTime.", 400)
        size = int(params.get("MaxResults", 50))
        if not 1 <= size <= 50:
            raise ServiceError("InvalidMaxResultsException", "MaxResults must be between 1 and 50.", 400)
        after = _read_token(call)
        events: list[Record] = []
        while True:
            query = Query(
                where=_where(attributes),
                # CloudTrail counts in whole seconds and includes both ends.
                created_after=max(start, now - RETENTION) - 1e-3,
                created_before=end + 1,
                after=after,
                limit=size + 1 if not _scanned(attributes) else _LOOK,
            )
            page = await self.platform.records.history(KIND, call.scope, query)
            for record in page:
                if _about(record, attributes):
                    if len(events) == size:
                        return {"Events": [_event(e) for e in events], "NextToken": _token(call, events[-1])}
                    events.append(record)
                after = (record.created, record.key)
            if len(page) < query.limit:
                return {"Events": [_event(e) for e in events]}


def _scanned(attributes: list[dict[str, str]]) -> bool:
    """Whether the filter is on the list of resources, which the records cannot search."""
    return bool(attributes) and attributes[0]["AttributeKey"] in {"ResourceName", "ResourceType"}


def _where(attributes: list[dict[str, str]]) -> tuple[tuple[str, Any], ...]:
    if not attributes or _scanned(attributes):
        return ()
    key, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    if key == "ReadOnly":
        return (("readOnly", value.lower() == "true"),)
    return ((_PATHS[key], value),)


def _about(record: Record, attributes: list[dict[str, str]]) -> bool:
    if not _scanned(attributes):
        return True
    value, member = attributes[0]["AttributeValue"], attributes[0]["AttributeKey"]
    resources = record.doc.get("resources", [])
    return any(value == r["ARN" if member == "ResourceName" else "type"] for r in resources)


def _event(record: Record) -> dict[str, Any]:
    doc = record.doc
    said = {k: v for k, v in doc.items() if not k.startswith("_")}
    return {
        "EventId": doc["eventID"],
        "EventName": doc["eventName"],
        "ReadOnly": "true" if doc["readOnly"] else "false",
        "AccessKeyId": doc["userIdentity"].get("accessKeyId", ""),
        "EventTime": float(int(record.created)),
        "EventSource": doc["eventSource"],
        "Username": doc["_username"],
        "Resources": [{"ResourceType": r["type"], "ResourceName": r["ARN"]} for r in doc.get("resources", [])],
        "CloudTrailEvent": json.dumps(said),
    }


def _digest(call: Call) -> str:
    request = {k: v for k, v in call.params.items() if k not in {"NextToken", "MaxResults"}}
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _token(call: Call, last: Record) -> str:
    return base64.urlsafe_b64encode(json.dumps([_digest(call), last.created, last.key]).encode()).decode()


def _read_token(call: Call) -> tuple[Any, str] | None:
    text = call.params.get("NextToken")
    if text is None:
        return None
    try:
        digest, created, key = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error, TypeError):
        digest = None
    if digest != _digest(call):
        raise ServiceError(
            "InvalidNextTokenException", "The token belongs to another request, or is none of ours.", 400
        )
    return created, key

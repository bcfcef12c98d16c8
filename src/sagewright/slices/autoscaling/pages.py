"""Filters and pages that all lists of this service share."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...stores.records import Record
from ...wire.errors import ServiceError

MOST = 50
FILTERS = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def wanted(doc: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    return all(m not in params or doc.get(m) == params[m] for m in FILTERS)


def page(params: Mapping[str, Any], records: Sequence[Record], member: str, view: Callable[[Record], dict[str, Any]]) -> dict[str, Any]:
    """One page of records that are sorted already. The token names the last key told. Raises InvalidNextTokenException."""
    start = 0
    if text := params.get("NextToken"):
        last = _read(text, params)
        start = next((i + 1 for i, r in enumerate(records) if r.key == last), len(records))
    size = min(params.get("MaxResults", MOST), MOST)
    shown = records[start : start + size]
    answer: dict[str, Any] = {member: [view(r) for r in shown]}
    if start + size < len(records):
        answer["NextToken"] = base64.urlsafe_b64encode(json.dumps([_digest(params), shown[-1].key]).encode()).decode()
    return answer


def _read(text: str, params: Mapping[str, Any]) -> str:
    try:
        digest, key = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error, TypeError):
        digest, key = "", ""
    if digest != _digest(params):
        raise ServiceError("InvalidNextTokenException", "The NextToken is not one that this request was answered with.")
    return str(key)


def _digest(params: Mapping[str, Any]) -> str:
    request = {k: v for k, v in params.items() if k not in ("NextToken", "MaxResults")}
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()[:16]

"""ClientRequestToken: the same request again answers as before, and does nothing."""

from __future__ import annotations

import hashlib
import json

from ...resources.platform import Platform
from ...stores.records import Put
from ...wire.errors import Invalid
from ...wire.types import Call
from .records import TOKEN


def token(call: Call, answer: str, parent: str) -> Put:
    """The change that keeps what a request was answered."""
    return Put(TOKEN, call.scope, _key(call), {"Answer": answer, "Digest": _digest(call)}, 0, parent=parent)


async def before(platform: Platform, call: Call) -> str:
    """What this very request was answered before; empty if it is new. Raises Invalid for the token of another request."""
    known = await platform.records.get(TOKEN, call.scope, _key(call))
    if known is None:
        return ""
    if known.doc["Digest"] != _digest(call):
        raise Invalid(f"ClientRequestToken {call.params['ClientRequestToken']} was used with other parameters.")
    answer: str = known.doc["Answer"]
    return answer


def _key(call: Call) -> str:
    return f"{call.operation}/{call.params['ClientRequestToken']}"


def _digest(call: Call) -> str:
    return hashlib.sha256(json.dumps(call.params, sort_keys=True, default=str).encode()).hexdigest()

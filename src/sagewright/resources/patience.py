"""Patient answers: a Describe of a polling client is held until the resource comes to rest.

The SDKs and waiters sleep 5 to 30 seconds between polls, so that a job of one second would take half a minute to
return. Callers that poll say so in their User-Agent: the SageMaker SDKs by name, botocore's waiters by the feature
letter ``B``. Nothing is held for others, for a job that asks about itself, while the server shuts down, or longer than the
setting ``patience``.
"""

from __future__ import annotations

import re

from ..stores.records import Record
from ..wire.types import Call
from .platform import Platform

_SDK = re.compile(r"AWS-SageMaker-Python-SDK|AWS-SageMakerCore|sagemaker-core", re.IGNORECASE)
_FEATURES = re.compile(r"(?:^|\s)m/([A-Za-z0-9,+/\-]+)")


def polls(user_agent: str) -> bool:
    """Whether the caller is a polling SDK or a botocore waiter."""
    return _SDK.search(user_agent) is not None or waits(user_agent)


def waits(user_agent: str) -> bool:
    """Whether the caller is a botocore waiter."""
    features = _FEATURES.search(user_agent)
    return features is not None and "B" in features.group(1).split(",")


def _itself(call: Call, record: Record) -> bool:
    """Whether the caller is the job whose record it is, such as ``load_run()`` in a script: it does not come to rest while it asks."""
    return call.principal.access_key in record.doc.get("_access_keys", ())


async def patient(platform: Platform, call: Call, record: Record) -> Record | None:
    """The record once it is settled, or as it is when patience ends; None once it is gone."""
    reconciler = platform.reconciler
    if reconciler.settled(record) or not polls(call.user_agent) or _itself(call, record):
        return record
    end = platform.clock() + platform.settings.patience
    while not reconciler.settled(record):
        waiting = reconciler.changes.waiter(record.kind, record.scope, record.key)
        fresh = await platform.records.get(record.kind, record.scope, record.key)
        if fresh is None:
            waiting.cancel()
            return None
        record = fresh
        if reconciler.settled(record):
            waiting.cancel()
            break
        if not await reconciler.changes.wait(waiting, end - platform.clock()):
            break
    return record

"""Stores the audit trail: one record per call that changes something, before its answer leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..stores.records import Append, Records
from ..wire.errors import DomainError
from ..wire.types import Call, Reply
from .audit import audit_put, audit_record, audited


class Auditor:
    """The dispatcher's audit hook."""

    def __init__(self, records: Records, clock: Callable[[], float]) -> None:
        self._records, self._clock = records, clock

    def change(self, call: Call, result: Mapping[str, Any]) -> Append | None:
        """The record of a call that will have worked, to be stored together with what it changes."""
        if not audited(call.service, call.operation):
            return None
        now = self._clock()
        return audit_put(call, audit_record(call, None, result, now=now), now)

    async def __call__(self, call: Call, error: BaseException | None, reply: Reply | None) -> None:
        if not audited(call.service, call.operation) or (reply is not None and reply.audited):
            return
        if error is not None and not isinstance(error, DomainError):
            error = DomainError("internal failure") if isinstance(error, Exception) else DomainError("cancelled")
        now = self._clock()
        await self._records.commit(audit_put(call, audit_record(call, error, reply, now=now), now))

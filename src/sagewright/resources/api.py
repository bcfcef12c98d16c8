"""The in-process client: capabilities compose through the API, with the caller's role, and are audited like any call."""

from __future__ import annotations

import uuid
from typing import Any

from ..wire.dispatch import Dispatcher
from ..wire.types import Call, Principal, Reply


class InProcess:
    """Calls operations without HTTP: validated, authorised and audited as from outside."""

    def __init__(self, dispatcher: Dispatcher, region: str) -> None:
        self._dispatcher, self._region = dispatcher, region

    async def call(
        self, service: str, operation: str, params: dict[str, Any], principal: Principal, region: str = "", source: str = ""
    ) -> dict[str, Any]:
        """The operation's result. ``source`` is the ARN of the resource on whose behalf. Raises DomainError."""
        call = Call(
            service=service,
            operation=operation,
            params=params,
            principal=principal,
            account=principal.account,
            region=region or self._region,
            request_id=str(uuid.uuid4()),
            user_agent="sagewright",
            source_ip="sagewright.internal",
            source=source,
        )
        answer = await self._dispatcher.invoke(call)
        return answer.result if isinstance(answer, Reply) else (answer or {})

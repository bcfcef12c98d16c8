"""A dispatcher that counts and times every call for Prometheus."""

from __future__ import annotations

import time

from ..wire.dispatch import Dispatcher
from ..wire.errors import DomainError
from ..wire.types import Call, Reply
from .telemetry import Telemetry


class MeteredDispatcher(Dispatcher):
    """Set ``telemetry`` after construction; labels are bounded by the service models, never by callers' input."""

    telemetry: Telemetry

    async def invoke(self, call: Call) -> Reply:
        began, outcome = time.perf_counter(), "ok"
        try:
            return await super().invoke(call)
        except DomainError as error:
            outcome = type(error).__name__
            raise
        except BaseException:
            outcome = "fault"
            raise
        finally:
            bound = self.operations.get(call.service, call.operation)
            series = self.telemetry.calls(call.service, call.operation if bound else "unbound", outcome)
            series.observe(time.perf_counter() - began)

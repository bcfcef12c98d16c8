"""The alarms that roll a deployment back, as the metrics capability tells of them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from typing import Any

from ..runtime.lifecycle import Event
from ..stores.records import Record
from ..wire.errors import Invalid
from ..wire.types import Call, Principal
from .platform import Platform

KIND = "MetricAlarm"
"""What records of alarms are, if somebody here has any; a change of one is looked at at once."""
EVERY = 1.0
"""Seconds between two looks at the alarms while a step of a deployment is watched."""


def caller(principal: Principal) -> dict[str, Any]:
    """A caller as a deployment keeps it, to look at the alarms with the same rights later."""
    return {**asdict(principal), "access_key": "", "session_policies": list(principal.session_policies)}


class Alarms:
    """Reads alarms on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._changed = asyncio.Event()

    def install(self) -> None:
        self.platform.reconciler.listen(self._heard)

    async def _heard(self, record: Record, event: Event) -> None:
        if record.kind == KIND:
            self._changed.set()
            self._changed = asyncio.Event()

    async def change(self, seconds: float = EVERY) -> None:
        """Wait for a change of any alarm, or until the seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def check(self, call: Call, names: list[str]) -> None:
        """Raises Invalid for alarms that do not exist, AccessDenied if the caller may not see them."""
        states = await self._states(names, call.principal, call.region) if names else {}
        if missing := [name for name in names if name not in states]:
            raise Invalid(f"Could not find the alarms of AutoRollbackConfiguration: {', '.join(missing)}.")

    async def gone_off(self, names: list[str], principal: dict[str, Any], region: str) -> str:
        """Why a deployment cannot go on, as a sentence; empty if no alarm says so."""
        if not names:
            return ""
        states = await self._states(names, Principal(**{**principal, "session_policies": tuple(principal["session_policies"])}), region)
        if alarmed := [name for name in names if states.get(name) == "ALARM"]:
            return f"One or more alarms are in ALARM: {', '.join(alarmed)}."
        if missing := [name for name in names if name not in states]:
            return f"One or more alarms do not exist any more: {', '.join(missing)}."
        return ""

    async def _states(self, names: list[str], principal: Principal, region: str) -> dict[str, str]:
        params = {"AlarmNames": names, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
        found = await self.platform.api.call("cloudwatch", "DescribeAlarms", params, principal, region)
        alarms = [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}

"""Schedules: made, changed as a whole, shown and deleted."""

from __future__ import annotations

import uuid
from typing import Any

from ...resources.arn import arn
from ...resources.platform import Platform
from ...stores.identity import SCHEDULER
from ...stores.records import AddWork, Change, Conflict, Delete, Put, Record, Work
from ...wire.errors import AlreadyExists, Invalid, NotFound
from ...wire.types import Call
from . import targets, timing
from .groups import DEFAULT, GROUP, SCHEDULE, Groups, joined, listed, shown

RING = "RingSchedule"
GIVEN = ("Description", "EndDate", "FlexibleTimeWindow", "KmsKeyArn", "ScheduleExpression", "StartDate", "Target")


class Schedules:
    """The verbs of schedules on one platform."""

    def __init__(self, platform: Platform, groups: Groups) -> None:
        self.platform, self.records, self.groups = platform, platform.records, groups

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("CreateSchedule", self.create), ("GetSchedule", self.get), ("UpdateSchedule", self.update), ("DeleteSchedule", self.delete),
        ):
            bind("scheduler", name, verb, resources=_arns)
        bind("scheduler", "ListSchedules", self.list)

    async def create(self, call: Call) -> dict[str, Any]:
        while True:
            group = await self.groups.find(call, _group(call))
            now = self.platform.clock()
            kept = {"CreationDate": now, "_anchor": now, "_fired": 0.0, "_token": call.params.get("ClientToken")}
            doc = await self._document(call, kept, now)
            try:
                await self._commit(call, doc, group.key, 0, *joined(group))
            except Conflict as conflict:
                if conflict.kind == GROUP:
                    continue  # changed meanwhile, or gone
                old = await self._find(call)
                if doc["_token"] is None or old.doc["_token"] != doc["_token"]:
                    raise AlreadyExists(f"Schedule {doc['Name']} already exists.") from None
            return {"ScheduleArn": doc["Arn"]}

    async def update(self, call: Call) -> dict[str, Any]:
        """All of it: what the request leaves out gets its default."""
        while True:
            old, now = await self._find(call), self.platform.clock()
            kept = {m: old.doc[m] for m in ("CreationDate", "_anchor", "_fired", "_token")}
            if old.doc["ScheduleExpression"] != call.params["ScheduleExpression"]:
                kept["_anchor"] = now
            doc = await self._document(call, kept, now)
            try:
                await self._commit(call, doc, old.parent, old.version)
            except Conflict:
                continue
            return {"ScheduleArn": doc["Arn"]}

    async def _document(self, call: Call, kept: dict[str, Any], now: float) -> dict[str, Any]:
        p = call.params
        doc: dict[str, Any] = {
            "Arn": _arns(call)[0], "Name": p["Name"], "GroupName": _group(call), **{m: p[m] for m in GIVEN if m in p},
            "State": p.get("State", "ENABLED"), "ScheduleExpressionTimezone": p.get("ScheduleExpressionTimezone", "UTC"),
            "ActionAfterCompletion": p.get("ActionAfterCompletion", "NONE"), "LastModificationDate": now,
            **kept, "_serial": uuid.uuid4().hex,
        }
        doc["Target"] = {**doc["Target"], "RetryPolicy": timing.policy(doc)}
        _check(doc)
        targets.check(doc["Target"], lambda service, name: self.platform.operations.get(service, name) is not None)
        await self._check_role(call, doc["Target"]["RoleArn"])
        return doc

    async def _check_role(self, call: Call, role: str) -> None:
        """The caller may pass the role to the scheduler, and it trusts it."""
        if self.platform.authority:
            self.platform.authority.authorize(call.principal, "iam:PassRole", role, {"iam:PassedToService": SCHEDULER})
        if self.platform.identity:
            try:
                await self.platform.identity.role_principal(role, call.params["Name"], SCHEDULER)
            except Invalid:
                text = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
                raise Invalid(f"{text} ({role} must exist and trust {SCHEDULER}.)") from None

    async def _commit(self, call: Call, doc: dict[str, Any], group: str, version: int, *also: Change) -> None:
        """The document and its next timer. Raises Conflict."""
        key = f"{group}/{doc['Name']}"
        changes: list[Change] = [Put(SCHEDULE, call.scope, key, doc, version, doc["State"], doc["Name"], group), *also]
        moment = timing.first(doc, doc["LastModificationDate"]) if doc["State"] == "ENABLED" else None
        if moment is not None:
            changes.append(ring(call.scope, key, doc, moment))
        await self.records.commit(*changes)
        self.platform.reconciler.changed(SCHEDULE, call.scope, key)

    async def get(self, call: Call) -> dict[str, Any]:
        return shown((await self._find(call)).doc)

    async def list(self, call: Call) -> dict[str, Any]:
        p = call.params
        if "GroupName" in p:
            await self.groups.find(call, p["GroupName"])
        records, more = await listed(self.platform, call, SCHEDULE, statuses=(p["State"],) if "State" in p else ())
        return {"Schedules": [_summary(r) for r in records], **more}

    async def delete(self, call: Call) -> dict[str, Any]:
        await self.records.commit(Delete(SCHEDULE, call.scope, (await self._find(call)).key))
        return {}

    async def _find(self, call: Call) -> Record:
        group = await self.groups.find(call, _group(call))
        record = await self.records.get(SCHEDULE, call.scope, f"{group.key}/{call.params['Name']}")
        if record is None:
            raise NotFound(f"Schedule {call.params['Name']} does not exist.")
        return record


def ring(scope: str, key: str, doc: dict[str, Any], moment: float) -> AddWork:
    """The timer of a moment."""
    serial = doc["_serial"]
    return AddWork(Work(f"{SCHEDULE}/{scope}/{key}/{serial}/{moment:.3f}", SCHEDULE, scope, key, RING, {"Serial": serial, "Moment": moment}, moment))


def _group(call: Call) -> str:
    return str(call.params.get("GroupName", DEFAULT))


def _arns(call: Call) -> list[str]:
    return [arn("scheduler", call.region, call.account, f"schedule/{_group(call)}/{call.params['Name']}")]


def _summary(record: Record) -> dict[str, Any]:
    doc = record.doc
    kept = ("Arn", "CreationDate", "GroupName", "LastModificationDate", "Name", "State")
    return {**{m: doc[m] for m in kept}, "Target": {"Arn": doc["Target"]["Arn"]}}


def _check(doc: dict[str, Any]) -> None:
    timing.parsed(doc)
    window = doc["FlexibleTimeWindow"]
    if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        raise Invalid("MaximumWindowInMinutes is required for a FlexibleTimeWindow of mode FLEXIBLE, and for no other.")
    if "StartDate" in doc and "EndDate" in doc and doc["EndDate"] <= doc["StartDate"]:
        raise Invalid("The EndDate must come after the StartDate.")

"""Scheduled actions: other bounds at a time, by timers of the work queue."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ...resources.arn import arn
from ...resources.platform import Platform
from ...runtime import schedules
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.records import AddWork, Conflict, Delete, Put, Query, Record, Work
from ...wire.errors import Invalid, ServiceError
from ...wire.types import Call
from . import targets
from .dimensions import Scalable
from .pages import page, wanted

KIND, RUN = "ScheduledAction", "RunScheduledAction"
BOUNDS = ("MinCapacity", "MaxCapacity")


class ScheduledActions:
    """The verbs of one platform, and what they set going."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for name, verb in (
            ("PutScheduledAction", self.put), ("DeleteScheduledAction", self.delete), ("DescribeScheduledActions", self.describe),
        ):
            bind("application-autoscaling", name, verb)
        self.platform.reconciler.executor(KIND, RUN, self.run)

    async def put(self, call: Call) -> dict[str, Any]:
        """Make an action, or change what is given of it."""
        target = await targets.find(self.platform, call)
        key = f"{target.key}|{call.params['ScheduledActionName']}"
        while True:
            old = await self.platform.records.get(KIND, call.scope, key)
            doc = self._document(call, target, old.doc if old else None)
            put = Put(KIND, call.scope, key, doc, old.version if old else 0, name=doc["ScheduledActionName"], parent=target.key)
            due = next_due(doc, self.platform.clock())
            if due is None:
                raise Invalid(f"The schedule {doc['Schedule']} has no time to come.")
            try:
                await self.platform.records.commit(put, self._timer(call.scope, key, doc, due))
            except Conflict:
                continue
            self.platform.reconciler.changed(KIND, call.scope, key)
            return {}

    def _document(self, call: Call, target: Record, old: Mapping[str, Any] | None) -> dict[str, Any]:
        p, now = call.params, self.platform.clock()
        given: dict[str, Any] = {m: p[m] for m in ("Schedule", "Timezone", "ScalableTargetAction") if m in p}
        kept: dict[str, Any] = {m: old[m] for m in ("Schedule", "Timezone", "ScalableTargetAction") if m in old} if old else {}
        times: dict[str, Any] = {m: p[m] for m in ("StartTime", "EndTime") if m in p}
        name = p["ScheduledActionName"]
        doc: dict[str, Any] = {
            **{m: target.doc[m] for m in ("ServiceNamespace", "ResourceId", "ScalableDimension")}, "ScheduledActionName": name,
            **kept, **given, **times, "CreationTime": old["CreationTime"] if old else now, "_serial": (old["_serial"] if old else 0) + 1, "_anchor": now,
        }
        for member in ("Schedule", "ScalableTargetAction"):
            if member not in doc:
                raise Invalid(f"{member} is required for a new scheduled action.")
        _check(doc)
        resource = f"scheduledAction:{uuid.uuid4()}:resource/sagemaker/{Scalable.of(p).resource}:scheduledActionName/{name}"
        doc["ScheduledActionARN"] = old["ScheduledActionARN"] if old else arn("autoscaling", call.region, call.account, resource)
        return doc

    def _timer(self, scope: str, key: str, doc: Mapping[str, Any], due: float) -> AddWork:
        serial = doc["_serial"]
        return AddWork(Work(f"{KIND}/{scope}/{key}/{serial}/{due:.0f}", KIND, scope, key, RUN, {"Serial": serial}, due))

    async def run(self, job: Job) -> None:
        """Change the target's bounds, and set the next timer. A time that passed without a server is made up for once."""
        doc, scope = job.doc, job.work.scope
        if job.args["Serial"] != doc["_serial"]:
            return
        event = Event("Scheduled", {"Name": doc["ScheduledActionName"], "Action": doc["ScalableTargetAction"]})
        await self.platform.reconciler.send(targets.KIND, scope, job.record.parent, event)
        due = next_due(doc, self.platform.clock())
        if due is not None:
            await self.platform.records.commit(self._timer(scope, job.work.key, doc, due))
            self.platform.reconciler.changed(KIND, scope, job.work.key)

    async def delete(self, call: Call) -> dict[str, Any]:
        what = Scalable.of(call.params)
        record = await self.platform.records.get(KIND, call.scope, f"{what.key}|{call.params['ScheduledActionName']}")
        if record is None:
            raise ServiceError("ObjectNotFoundException", f"No scheduled action found for name {call.params['ScheduledActionName']}.")
        await self.platform.records.commit(Delete(KIND, call.scope, record.key))
        return {}

    async def describe(self, call: Call) -> dict[str, Any]:
        p = call.params
        records = await self.platform.records.find(KIND, call.scope, Query(sort_by="name", descending=False, limit=1_000_000))
        names = p.get("ScheduledActionNames")
        found = [r for r in records if wanted(r.doc, p) and (names is None or r.doc["ScheduledActionName"] in names)]
        return page(p, found, "ScheduledActions", lambda r: {k: v for k, v in r.doc.items() if k[0] != "_"})


def next_due(doc: Mapping[str, Any], now: float) -> float | None:
    """When the action runs next. Pure."""
    schedule = schedules.parse(doc["Schedule"], doc.get("Timezone", "UTC"))
    return schedules.following(schedule, now, anchor=doc["_anchor"], start=doc.get("StartTime"), end=doc.get("EndTime"))


def _check(doc: Mapping[str, Any]) -> None:
    try:
        schedules.parse(doc["Schedule"], doc.get("Timezone", "UTC"))
    except schedules.BadSchedule as error:
        raise Invalid(f"Invalid schedule expression {doc['Schedule']}: {error}.") from None
    action = doc["ScalableTargetAction"]
    if not any(m in action for m in BOUNDS):
        raise Invalid("ScalableTargetAction needs MinCapacity, MaxCapacity, or both.")
    if any(action.get(m, 0) < 0 for m in BOUNDS):
        raise Invalid("Capacities must not be negative.")
    if all(m in action for m in BOUNDS) and action["MaxCapacity"] < action["MinCapacity"]:
        raise Invalid("Maximum capacity cannot be less than minimum capacity")
    if "StartTime" in doc and "EndTime" in doc and doc["EndTime"] <= doc["StartTime"]:
        raise Invalid("EndTime must be after StartTime.")

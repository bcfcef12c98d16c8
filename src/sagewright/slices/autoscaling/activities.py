"""Scaling activities: a capacity that was decided, on its way to being there.

Pending → InProgress → Successful or Failed. ``Details`` holds what the decision was made from (``decisions.replay``). A decision that changes nothing leaves an activity too, shown on demand, with its
reasons.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

from ...resources.platform import Platform
from ...runtime.lifecycle import Event, Instruction, Lifecycle, Move, ignore
from ...runtime.reconciler import Job
from ...stores.records import Change, Delete, Put, Query, Record
from ...wire.errors import DomainError
from ...wire.types import Call
from .decisions import Decision, Inputs
from .dimensions import WORDS, Capacity, Dimensions, Scalable
from .pages import page, wanted
from .targets import KIND as TARGET

KIND = "ScalingActivity"
APPLY = "Apply"
PENDING, IN_PROGRESS, SUCCESSFUL, FAILED = "Pending", "InProgress", "Successful", "Failed"
KEPT = 6 * 7 * 86400.0
"""Seconds that activities are remembered."""
LOOK = 60.0
"""Seconds after which a resource is looked at again if nothing was heard of it."""
MESSAGE = 1024


def entered(doc: dict[str, Any], before: str, move: Move, now: float) -> dict[str, Any]:
    if before == move.state:
        return {}
    return {"StatusCode": move.state, **({"EndTime": now} if move.state in (SUCCESSFUL, FAILED) else {})}


def began(doc: dict[str, Any], event: Event, now: float) -> Move:
    words = _words(doc)
    return Move(IN_PROGRESS, {"StatusMessage": f"Successfully set {words} to {doc['_to']}. Waiting for change to be fulfilled by sagemaker."})


def fulfilled(doc: dict[str, Any], event: Event, now: float) -> Move:
    words = _words(doc)
    return Move(SUCCESSFUL, {"StatusMessage": f"Successfully set {words} to {doc['_to']}. Change successfully fulfilled by sagemaker."})


def failed(doc: dict[str, Any], event: Event, now: float) -> Move:
    message = f"Failed to set {_words(doc)} to {doc['_to']}. Reason: {event.data['Reason']}"
    return Move(FAILED, {"StatusMessage": message[:MESSAGE]})


def _words(doc: Mapping[str, Any]) -> str:
    return WORDS[doc["ScalableDimension"]]


LIFECYCLE = Lifecycle(
    KIND,
    start=PENDING,
    final=(SUCCESSFUL, FAILED),
    entered=entered,
    table={
        (PENDING, "Began"): began,
        (PENDING, "Fulfilled"): fulfilled,
        (IN_PROGRESS, "Fulfilled"): fulfilled,
        ((PENDING, IN_PROGRESS), "Failed"): failed,
        ((PENDING, IN_PROGRESS), "Fault"): failed,
        ((SUCCESSFUL, FAILED), "Fault"): ignore,
    },
)


class Activities:
    """Makes, carries out and shows activities on one platform."""

    def __init__(self, platform: Platform, dimensions: Dimensions) -> None:
        self.platform, self.dimensions = platform, dimensions

    def install(self) -> None:
        self.platform.reconciler.executor(KIND, APPLY, self.apply)
        self.platform.operations.bind("application-autoscaling", "DescribeScalingActivities", self.describe)

    # -- making them: changes to be committed with the decision

    async def start(self, target: Record, inputs: Inputs, decision: Decision, cause: str) -> tuple[str, list[Change]]:
        """An activity that changes the capacity; its id, and what to commit."""
        about = {
            "Description": f"Setting {_words(target.doc)} to {decision.capacity}.", "Cause": cause,
            "_from": inputs.target.current, "_to": decision.capacity, "_policy": decision.policy, "_cooldown": decision.cooldown,
            "Details": json.dumps(inputs.record()),
        }
        activity, put = self._put(target, about)
        work = self.platform.reconciler.work(KIND, target.scope, activity, Instruction(APPLY))
        return activity, [put, work, *await self._expired(target)]

    def refuse(self, target: Record, inputs: Inputs, decision: Decision, cause: str) -> list[Change]:
        """An activity that says why nothing changes."""
        about = {
            "Description": "Attempting to scale due to alarm triggered", "Cause": cause, "NotScaledReasons": list(decision.reasons),
            "Details": json.dumps(inputs.record()),
        }
        return [self._put(target, about, FAILED)[1]]

    def _put(self, target: Record, about: dict[str, Any], status: str = "") -> tuple[str, Put]:
        now, activity = self.platform.clock(), str(uuid.uuid4())
        same = {m: target.doc[m] for m in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
        doc = LIFECYCLE.begin({"ActivityId": activity, **same, **about, "StartTime": now}, now)
        if status:
            doc |= {"_state": status, "StatusCode": status}
        return activity, Put(KIND, target.scope, activity, doc, 0, doc["StatusCode"], parent=target.key, created=now)

    async def _expired(self, target: Record) -> list[Change]:
        old = Query(parent=target.key, created_before=self.platform.clock() - KEPT, limit=100)
        return [Delete(KIND, r.scope, r.key) for r in await self.platform.records.find(KIND, target.scope, old)]

    # -- carrying them out

    async def apply(self, job: Job) -> None:
        """Set the capacity, wait until it is there, tell the target. Each part may run again."""
        record: Record | None = job.record
        if job.doc["_state"] == PENDING:
            await self._set(job)
        record = await self.platform.records.get(KIND, job.work.scope, job.work.key)
        if record is not None and record.doc["_state"] == IN_PROGRESS:
            await self._fulfil(job, record)
            record = await self.platform.records.get(KIND, job.work.scope, job.work.key)
        if record is None:
            return
        doc = record.doc
        past = None
        if doc["_state"] == SUCCESSFUL and doc["_policy"]:
            past = {"at": doc["EndTime"], "before": doc["_from"], "after": doc["_to"], "cooldown": doc["_cooldown"]}
        event = Event("Ended", {"Activity": job.work.key, "Past": past})
        await self.platform.reconciler.send(TARGET, job.work.scope, record.parent, event)

    async def _set(self, job: Job) -> None:
        what = Scalable.of(job.doc)
        try:
            now = await self.dimensions.read(job.work.scope, what)
            if now.desired != job.doc["_to"]:  # it is, if this ran before
                await self.dimensions.write(job.work.scope, what, job.doc["_to"])
        except DomainError as error:
            await job.send("Failed", Reason=error.message)
            return
        await job.send("Began")

    async def _fulfil(self, job: Job, record: Record) -> None:
        try:
            found = await self.rest(job.work.scope, Scalable.of(record.doc))
        except DomainError as error:
            await job.send("Failed", Reason=error.message)
            return
        if found.desired == record.doc["_to"]:
            await job.send("Fulfilled")
        else:
            await job.send("Failed", Reason=found.trouble or f"it was set to {found.desired} meanwhile")

    async def rest(self, scope: str, what: Scalable) -> Capacity:
        """The capacity once nothing is under way any more. Raises DomainError when the resource goes."""
        changes = self.platform.reconciler.changes
        kind, key = what.record
        while True:
            waiter = changes.waiter(kind, scope, key)
            try:
                found = await self.dimensions.read(scope, what)
            except BaseException:
                waiter.cancel()
                raise
            if found.reached:
                waiter.cancel()
                return found
            await changes.wait(waiter, LOOK)
            if changes.closed:  # the server goes down: the next one looks again
                await asyncio.Event().wait()

    # -- showing them

    async def describe(self, call: Call) -> dict[str, Any]:
        p = call.params
        parent = None
        if "ResourceId" in p and "ScalableDimension" in p:
            parent = f"{p['ResourceId']}|{p['ScalableDimension']}"
        records = await self.platform.records.find(KIND, call.scope, Query(parent=parent, limit=1_000_000))
        every = p.get("IncludeNotScaledActivities", False)
        found = [r for r in records if wanted(r.doc, p) and (every or "NotScaledReasons" not in r.doc)]
        return page(p, found, "ScalingActivities", lambda r: {k: v for k, v in r.doc.items() if k[0] != "_"})

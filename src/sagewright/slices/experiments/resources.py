"""What exists: experiments, their trials, and the trials' components. A component may belong to several trials.

A component's document keeps its trials in ``_trials``. Two further kinds of record are indexes for lists: ``TrialMember``
(parent: the trial) and ``ExperimentMember`` (parent: the experiment), each under ``<parent>/<component>``.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from ...resources import paging
from ...resources.arn import name_in
from ...resources.desk import Desk
from ...resources.platform import Platform
from ...resources.resource import Resource
from ...stores.records import Change, Conflict, Delete, Put, Query, Record
from ...wire.errors import AlreadyExists, Invalid, NotFound
from ...wire.types import Call

PARAMETERS, ARTIFACTS = 300, 60
TRIAL_MEMBER, EXPERIMENT_MEMBER = "TrialMember", "ExperimentMember"


class Tracked(Resource):
    """A noun of the experiments family: its ARN has another type than its name says, its Delete answers with the ARN."""

    def __init__(self, noun: str, slug: str, said: str, **more: Any) -> None:
        super().__init__(noun, verbs=(), prepare=prepare, **more)
        self.slug, self.said = slug, said

    def install(self, platform: Platform) -> TrackedDesk:
        """A desk; the verbs are bound by ``operations``."""
        desk = platform.nouns[self.slug] = TrackedDesk(self, platform)
        return desk


async def prepare(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    name = next(doc[m] for m in ("ExperimentName", "TrialName", "TrialComponentName") if f"{m[:-4]}Arn" in doc)
    doc.setdefault("DisplayName", name)
    doc["CreatedBy"] = who(call)
    check_numbers(doc)


def who(call: Call) -> dict[str, Any]:
    """CreatedBy and LastModifiedBy."""
    return {"IamIdentity": {"Arn": call.principal.arn, "PrincipalId": call.principal.user_id}}


def check_numbers(doc: dict[str, Any]) -> None:
    """Raises Invalid for a parameter that no JSON document can hold."""
    for name, value in doc.get("Parameters", {}).items():
        if not math.isfinite(value.get("NumberValue", 0.0)):
            raise Invalid(f"The parameter {name} has a NumberValue that is not a finite number.")


experiment = Tracked(
    "Experiment", "experiment", "Experiment", computed={"ExperimentSource": lambda doc, record: doc.get("Source")}
)
trial = Tracked(
    "Trial", "experiment-trial", "Trial", computed={"TrialSource": lambda doc, record: doc.get("Source")}
)
component = Tracked(
    "TrialComponent",
    "experiment-trial-component",
    "Trial Component",
    computed={
        "TrialComponentSource": lambda doc, record: doc.get("Source"),
        "Sources": lambda doc, record: doc.get("Sources") or ([doc["Source"]] if "Source" in doc else None),
    },
)


class TrackedDesk(Desk):
    """Errors in this family's words; pages of other kinds' records; updates that no writer loses."""

    resource: Tracked
    fresh: Callable[[], Awaitable[None]] | None = None
    """Awaited before a record is looked for: what is on its way is written first."""

    async def find(self, call: Call, name: str | None = None) -> Record:
        if self.fresh is not None:
            await self.fresh()
        return await super().find(call, name)

    def missing(self, call: Call, name: str) -> NotFound:
        return NotFound(f"{self.resource.said} '{self.arn(call, name)}' does not exist.")

    def exists(self, call: Call, name: str) -> AlreadyExists:
        said = self.resource.said
        return AlreadyExists(
            f"{said} names must be unique within an AWS account and region. {said} with name ({name}) already exists."
        )

    def arns(self, call: Call) -> list[str]:
        return [self.arn(call, name_in(call.params[self.resource.name_member]))]

    async def page(self, call: Call, kind: str, parent: str | None, load: Callable[[list[Record]], Awaitable[list[Record]]] | None = None) -> dict[str, Any]:
        """A page of a List operation over records of ``kind``, which ``load`` turns into those of this noun."""
        if self.fresh is not None:
            await self.fresh()
        shape = self.shapes.list(call.operation)
        query = self.query(call, shape.order, parent)
        records = await self.platform.records.find(kind, call.scope, query)
        loaded = records if load is None else await load(records)
        answer: dict[str, Any] = {shape.member: [self.view(record, shape.item) for record in loaded]}
        if len(records) == query.limit:
            answer["NextToken"] = paging.token(call.params, records[-1], query.sort_by)
        return answer

    def query(self, call: Call, order: str, parent: str | None) -> Query:
        query = paging.query(call.params, name_member=self.resource.name_member, order=order, parent=parent)
        return replace(query, created_after=call.params.get("CreatedAfter"), created_before=call.params.get("CreatedBefore"))

    async def change(self, call: Call, alter: Callable[[Record], dict[str, Any]], *also: Change) -> dict[str, Any]:
        """Replace the named document by ``alter(record)``; the answer with its ARN."""
        while True:
            record = await self.find(call)
            doc = {**alter(record), "LastModifiedTime": self.platform.clock(), "LastModifiedBy": who(call)}
            try:
                await self.platform.reconciler.commit(put(record, doc), *also)
            except Conflict:
                continue
            return {self.resource.arn_member: doc[self.resource.arn_member]}

    async def remove(self, record: Record, *also: Change) -> dict[str, Any] | None:
        """Delete a record as it was read; None if it has changed meanwhile."""
        try:
            await self.platform.reconciler.commit(Delete(record.kind, record.scope, record.key, record.version), *also)
        except Conflict:
            return None
        return {self.resource.arn_member: record.doc[self.resource.arn_member]}


def put(record: Record, doc: dict[str, Any] | None = None) -> Put:
    """Write a record again, as it was read or with another document; its version says that somebody did."""
    return Put(record.kind, record.scope, record.key, record.doc if doc is None else doc, record.version, record.status, record.name, record.parent)


def members(scope: str, component: Record | Put, trial_name: str, experiment_name: str) -> list[Change]:
    """The index records of a component in a trial."""
    name = component.name or component.key
    doc = {"TrialComponent": component.key}
    return [
        Put(kind, scope, f"{parent.lower()}/{component.key}", doc, None, name=name, parent=parent.lower(), created=component.created)
        for kind, parent in ((TRIAL_MEMBER, trial_name), (EXPERIMENT_MEMBER, experiment_name))
    ]

"""The verbs that are more than a document."""

from __future__ import annotations

from typing import Any

from ...resources import paging
from ...resources.desk import Desk
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Delete, Query, Record
from ...wire.types import Call
from . import trials

EVERY = 100_000
"""More trials than any tuning job has."""
OBJECTIVE = "FinalObjectiveMetricValue"


class TuningOperations:
    """Verbs of tuning jobs on one platform."""

    def __init__(self, jobs: Desk) -> None:
        self.jobs, self.platform = jobs, jobs.platform

    def install(self) -> None:
        bind, arns = self.platform.operations.bind, self.jobs.arns
        bind("sagemaker", "StopHyperParameterTuningJob", self.stop, resources=arns)
        bind("sagemaker", "DeleteHyperParameterTuningJob", self.delete, resources=arns)
        bind("sagemaker", "ListHyperParameterTuningJobs", self.jobs_by_name)
        bind("sagemaker", "ListTrainingJobsForHyperParameterTuningJob", self.trials, resources=arns)

    async def jobs_by_name(self, call: Call) -> dict[str, Any]:
        """By name unless the caller says otherwise."""
        call.params.setdefault("SortBy", "Name")
        return await self.jobs.list(call)

    async def stop(self, call: Call) -> None:
        """No further trials; those that run are stopped as by StopTrainingJob."""
        await self.jobs.send(await self.jobs.find(call), "Stop")

    async def delete(self, call: Call) -> None:
        """The tuning job and what it knows of its trials go; the training jobs stay."""
        record = await self.jobs.find(call)
        kept = await self._trials(record)
        gone = tuple(Delete(trials.KIND, record.scope, trial.key) for trial in kept)
        try:
            await self.platform.reconciler.send(record.kind, record.scope, record.key, Event("Delete"), also=gone)
        except ImpossibleTransition as error:
            raise self.jobs.refused(record, "Delete", error) from None

    async def trials(self, call: Call) -> dict[str, Any]:
        """A page of a tuning job's training jobs; sorted by objective, only those that have one."""
        record = await self.jobs.find(call)
        params = call.params
        params.setdefault("SortBy", "Name")
        if params["SortBy"] == OBJECTIVE:
            return await self._by_objective(record, params)
        query = paging.query(params, name_member="Name", order="Ascending", parent=record.key)
        found = await self.platform.records.find(trials.KIND, record.scope, query)
        answer: dict[str, Any] = {"TrainingJobSummaries": [trials.summary(t.doc) for t in found]}
        if len(found) == query.limit:
            answer["NextToken"] = paging.token(params, found[-1], query.sort_by)
        return answer

    async def _by_objective(self, record: Record, params: dict[str, Any]) -> dict[str, Any]:
        # the records cannot sort by it; the page and its token are those of a list by name, with the value for the name
        asked = {**params, "SortBy": "Name", "ByObjective": True}
        query = paging.query(asked, name_member="Name", order="Ascending", parent=record.key)
        found = [t for t in await self._trials(record, query.statuses) if trials.value_of(t.doc) is not None]
        found.sort(key=lambda t: (trials.value_of(t.doc), t.key), reverse=query.descending)
        keys = [t.key for t in found]
        start = keys.index(query.after[1]) + 1 if query.after and query.after[1] in keys else 0
        page = found[start : start + query.limit]
        answer: dict[str, Any] = {"TrainingJobSummaries": [trials.summary(t.doc) for t in page]}
        if start + query.limit < len(found):
            answer["NextToken"] = paging.token(asked, page[-1], "name")
        return answer

    async def _trials(self, record: Record, statuses: tuple[str, ...] = ()) -> list[Record]:
        query = Query(parent=record.key, statuses=statuses, descending=False, limit=EVERY)
        return await self.platform.records.find(trials.KIND, record.scope, query)

"""The verbs of experiments, trials and components that are more than a document."""

from __future__ import annotations

from typing import Any

from ...resources import paging
from ...resources.platform import Platform
from ...stores.records import Change, Conflict, Delete, Put, Query, Record
from ...wire.errors import Invalid
from ...wire.types import Call, Reply
from .resources import ARTIFACTS, EXPERIMENT_MEMBER, PARAMETERS, TRIAL_MEMBER, TrackedDesk, check_numbers, members, put
from .series import Series

TOMBSTONE = "TrialComponentTombstone"
"""A component of a job that somebody deleted: it is not made again. The document has the job's creation time."""


class ExperimentOperations:
    """The verbs of one platform."""

    def __init__(self, experiments: TrackedDesk, trials: TrackedDesk, components: TrackedDesk, series: Series) -> None:
        self.experiments, self.trials, self.components, self.series = experiments, trials, components, series
        self.platform: Platform = experiments.platform

    def install(self) -> None:
        bind = self.platform.operations.bind
        for desk, create, describe, update, delete in (
            (self.experiments, self.experiments.create, self.experiments.describe, self.update_experiment, self.delete_experiment),
            (self.trials, self.create_trial, self.trials.describe, self.update_trial, self.delete_trial),
            (self.components, self.components.create, self.describe_component, self.update_component, self.delete_component),
        ):
            for verb, handler in (("Create", create), ("Describe", describe), ("Update", update), ("Delete", delete)):
                bind("sagemaker", f"{verb}{desk.resource.noun}", handler, resources=desk.arns)
        bind("sagemaker", "ListExperiments", self.list_experiments)
        bind("sagemaker", "ListTrials", self.list_trials)
        bind("sagemaker", "ListTrialComponents", self.list_components)
        for name, handler in (("Associate", self.associate), ("Disassociate", self.disassociate)):
            bind("sagemaker", f"{name}TrialComponent", handler, resources=self._both)

    def _both(self, call: Call) -> list[str]:
        return [*self.components.arns(call), *self.trials.arns(call)]

    # -- experiments

    async def list_experiments(self, call: Call) -> dict[str, Any]:
        return await self.experiments.page(call, "Experiment", None)

    async def update_experiment(self, call: Call) -> dict[str, Any]:
        return await self.experiments.change(call, lambda record: {**record.doc, **_given(call, "DisplayName", "Description")})

    async def delete_experiment(self, call: Call) -> dict[str, Any]:
        while True:
            record = await self.experiments.find(call)
            if await self.platform.records.find("Trial", call.scope, Query(parent=record.key, limit=1)):
                raise Invalid(f"Experiment '{record.doc['ExperimentArn']}' is linked to 1 or more trials and cannot be deleted.")
            if answer := await self.experiments.remove(record):
                return answer

    # -- trials

    async def create_trial(self, call: Call) -> Reply:
        """A trial of an experiment that exists: the experiment's version says that it has one more."""
        experiment = await self.experiments.find(call, call.params["ExperimentName"])
        call.params["ExperimentName"] = experiment.name
        doc = {**call.params, "TrialArn": self.trials.arn(call, call.params["TrialName"])}
        await self.trials.resource.prepare(self.platform, call, doc)  # type: ignore[misc]
        result = {"TrialArn": doc["TrialArn"]}
        audit = self.platform.audit(call, result)
        while True:
            try:
                await self.trials.write_new(
                    call, doc["TrialName"], doc, put(experiment), *([audit] if audit else ()), parent=experiment.key
                )
            except Conflict as conflict:
                if conflict.kind == "Trial":
                    raise self.trials.exists(call, doc["TrialName"]) from None
                experiment = await self.experiments.find(call, experiment.name)
                continue
            return Reply(result, audited=audit is not None)

    async def list_trials(self, call: Call) -> dict[str, Any]:
        experiment, component = call.params.get("ExperimentName"), call.params.get("TrialComponentName")
        if component is None:
            parent = (await self.experiments.find(call, experiment)).key if experiment is not None else None
            return await self.trials.page(call, "Trial", parent)
        record = await self.components.find(call, component)

        if experiment is not None:
            await self.experiments.find(call, experiment)
        return await self._trials_of(call, record, (experiment or "").lower())

    async def _trials_of(self, call: Call, component: Record, experiment: str) -> dict[str, Any]:
        """Few by nature: read them all, then filter, sort and page."""
        shape = self.trials.shapes.list("ListTrials")
        query = self.trials.query(call, shape.order, None)
        found = [await self.platform.records.get("Trial", call.scope, t["TrialName"].lower()) for t in component.doc.get("_trials", ())]
        some = [
            r for r in found
            if r is not None and (not experiment or r.parent == experiment)
            and r.created >= (query.created_after or r.created) and (query.created_before is None or r.created < query.created_before)
        ]

        def key(r: Record) -> tuple[Any, str]:
            return (r.name if query.sort_by == "name" else r.created), r.key

        some.sort(key=key, reverse=query.descending)
        if query.after is not None:
            last = tuple(query.after)
            some = [r for r in some if (key(r) < last if query.descending else key(r) > last)]
        answer: dict[str, Any] = {shape.member: [self.trials.view(r, shape.item) for r in some[: query.limit]]}
        if len(some) > query.limit:
            answer["NextToken"] = paging.token(call.params, some[query.limit - 1], query.sort_by)
        return answer

    async def update_trial(self, call: Call) -> dict[str, Any]:
        return await self.trials.change(call, lambda record: {**record.doc, **_given(call, "DisplayName")})

    async def delete_trial(self, call: Call) -> dict[str, Any]:
        while True:
            record = await self.trials.find(call)
            if await self.platform.records.find(TRIAL_MEMBER, call.scope, Query(parent=record.key, limit=1)):
                raise Invalid(f"Trial '{record.doc['TrialArn']}' is linked to 1 or more trial components and cannot be deleted.")
            if answer := await self.trials.remove(record):
                return answer

    # -- components

    async def describe_component(self, call: Call) -> dict[str, Any]:
        record = await self.components.find(call)
        answer = self.components.view(record, self.components.shapes.output("DescribeTrialComponent"))
        if metrics := (await self.series.summaries([record])).get(record.key):
            answer["Metrics"] = metrics
        return answer

    async def list_components(self, call: Call) -> dict[str, Any]:
        given = [m for m in ("ExperimentName", "TrialName", "SourceArn") if m in call.params]
        if len(given) > 1:
            raise Invalid(f"You can filter by only one of ExperimentName, TrialName and SourceArn; got {', '.join(given)}.")
        if "SourceArn" in call.params:
            return await self.components.page(call, "TrialComponent", call.params["SourceArn"].lower() or "-")
        if "TrialName" in call.params:
            parent = (await self.trials.find(call, call.params["TrialName"])).key
            return await self.components.page(call, TRIAL_MEMBER, parent, self._members)
        if "ExperimentName" in call.params:
            parent = (await self.experiments.find(call, call.params["ExperimentName"])).key
            return await self.components.page(call, EXPERIMENT_MEMBER, parent, self._members)
        return await self.components.page(call, "TrialComponent", None)

    async def _members(self, members: list[Record]) -> list[Record]:
        scope = members[0].scope if members else ""
        return await self.platform.records.several("TrialComponent", scope, [m.doc["TrialComponent"] for m in members])

    async def update_component(self, call: Call) -> dict[str, Any]:
        def alter(record: Record) -> dict[str, Any]:
            doc = {**record.doc, **_given(call, "DisplayName", "Status", "StartTime", "EndTime")}
            for member, most in (("Parameters", PARAMETERS), ("InputArtifacts", ARTIFACTS), ("OutputArtifacts", ARTIFACTS)):
                gone = set(call.params.get(f"{member}ToRemove", ()))
                kept = {name: value for name, value in doc.get(member, {}).items() if name not in gone}
                kept |= call.params.get(member, {})
                if len(kept) > most:
                    raise Invalid(f"A trial component can have at most {most} {member}; it would have {len(kept)}.")
                doc[member] = kept
            return doc

        check_numbers(call.params)
        return await self.components.change(call, alter)

    async def delete_component(self, call: Call) -> dict[str, Any]:
        while True:
            record = await self.components.find(call)
            if record.doc.get("_trials"):
                arn = record.doc["TrialComponentArn"]
                raise Invalid(f"TrialComponent '{arn}' is linked to 1 or more trials and cannot be deleted.")
            also: list[Change] = []
            if "_job" in record.doc:
                also.append(Put(TOMBSTONE, record.scope, record.key, {"Created": record.doc["_job"]["Created"]}))
            if answer := await self.components.remove(record, *also):
                await self.series.forget(record)
                return answer

    async def associate(self, call: Call) -> dict[str, Any]:
        while True:
            component = await self.components.find(call)
            trial = await self.trials.find(call)
            changes = joined(component, trial)
            try:
                await self.platform.reconciler.commit(*changes)
            except Conflict:
                continue
            return _arns(component, trial)

    async def disassociate(self, call: Call) -> dict[str, Any]:
        while True:
            component = await self.components.find(call)
            trial = await self.trials.find(call)
            trials = component.doc.get("_trials", [])
            left = [t for t in trials if t["TrialName"] != trial.name]
            if len(left) < len(trials):
                doc = {**component.doc, "_trials": left}
                changes: list[Change] = [put(component, doc), Delete(TRIAL_MEMBER, call.scope, f"{trial.key}/{component.key}")]
                if all(t["ExperimentName"].lower() != trial.parent for t in left):
                    changes.append(Delete(EXPERIMENT_MEMBER, call.scope, f"{trial.parent}/{component.key}"))
                try:
                    await self.platform.reconciler.commit(*changes)
                except Conflict:
                    continue
            return _arns(component, trial)


def joined(component: Record, trial: Record) -> list[Change]:
    """What makes a component one of a trial; nothing if it is already. The trial's version says that it has one more."""
    trials = component.doc.get("_trials", [])
    if any(t["TrialName"] == trial.name for t in trials):
        return []
    parent = {"TrialName": trial.name, "ExperimentName": trial.doc["ExperimentName"]}
    doc = {**component.doc, "_trials": [*trials, parent]}
    return [put(component, doc), put(trial), *members(component.scope, component, trial.name, parent["ExperimentName"])]


def _given(call: Call, *names: str) -> dict[str, Any]:
    return {name: call.params[name] for name in names if name in call.params}


def _arns(component: Record, trial: Record) -> dict[str, Any]:
    return {"TrialComponentArn": component.doc["TrialComponentArn"], "TrialArn": trial.doc["TrialArn"]}

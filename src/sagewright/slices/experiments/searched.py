"""What Search must know of components beyond their documents: their parents, their metrics, and their source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...resources.arn import parse
from ...resources.platform import Platform
from ...stores.records import Query, Record
from .resources import EXPERIMENT_MEMBER, TRIAL_MEMBER, TrackedDesk
from .series import Series

ALL = 1_000_000
_SUMMARY = ("TrialComponentName", "TrialComponentArn", "CreatedBy", "CreationTime")
_DETAILS = {"training-job": "TrainingJob", "processing-job": "ProcessingJob", "transform-job": "TransformJob"}


class SearchedComponents:
    """``platform.searched["TrialComponent"]``."""

    def __init__(self, components: TrackedDesk, series: Series) -> None:
        self.components, self.series = components, series
        self.platform: Platform = components.platform

    async def candidates(self, scope: str, equal: Mapping[str, str]) -> list[Record] | None:
        if self.components.fresh is not None:
            await self.components.fresh()
        records = self.platform.records
        for name, kind in (("parents.trialname", TRIAL_MEMBER), ("parents.experimentname", EXPERIMENT_MEMBER)):
            if name in equal:
                members = await records.find(kind, scope, Query(parent=equal[name].lower() or "-", limit=ALL))
                return await records.several("TrialComponent", scope, [member.doc["TrialComponent"] for member in members])
        if (source := equal.get("source.sourcearn")) is not None:
            return await records.find("TrialComponent", scope, Query(parent=source.lower() or "-", limit=ALL))
        return None

    async def complete(self, records: Sequence[Record], properties: Sequence[str] | None) -> list[dict[str, Any]]:
        metrics: dict[str, list[dict[str, Any]]] = {}
        names = None if properties is None else [p for p in properties if p.lower().startswith("metrics.") or p.lower() == "metrics"]
        if names is None or names:
            # a metric's name may hold dots: ask for everything that it could be
            chosen = None if names is None or any("." not in n for n in names) else _prefixes(names)
            metrics = await self.series.summaries(records, chosen)
        docs = []
        for record in records:
            doc = {**record.doc, "Parents": record.doc.get("_trials", [])}
            if record.key in metrics:
                doc["Metrics"] = metrics[record.key]
            if properties is None and "Source" in doc:
                doc["SourceDetail"] = await self._detail(record)
            docs.append(doc)
        return docs

    async def _detail(self, record: Record) -> dict[str, Any]:
        arn = record.doc["Source"]["SourceArn"]
        detail: dict[str, Any] = {"SourceArn": arn}
        where = parse(arn)
        desk, member = self.platform.nouns.get(where.type), _DETAILS.get(where.type)
        if desk is not None and member is not None:
            job = await self.platform.records.get(desk.resource.noun, record.scope, where.name)
            if job is not None:
                shown = desk.shapes.output(f"Describe{desk.resource.noun}")
                detail[member] = desk.view(job, shown)
        return detail


class SearchedTrials:
    """``platform.searched["Trial"]``."""

    def __init__(self, trials: TrackedDesk, components: TrackedDesk) -> None:
        self.trials, self.components = trials, components
        self.platform: Platform = trials.platform

    async def candidates(self, scope: str, equal: Mapping[str, str]) -> list[Record] | None:
        if (experiment := equal.get("experimentname")) is not None:
            return await self.platform.records.find("Trial", scope, Query(parent=experiment.lower() or "-", limit=ALL))
        return None

    async def complete(self, records: Sequence[Record], properties: Sequence[str] | None) -> list[dict[str, Any]]:
        if properties is not None and not any(p.lower().startswith("trialcomponentsummaries") for p in properties):
            return [record.doc for record in records]
        return [{**record.doc, "TrialComponentSummaries": await self._summaries(record)} for record in records]

    async def _summaries(self, trial: Record) -> list[dict[str, Any]]:
        if self.components.fresh is not None:
            await self.components.fresh()
        found = await self.platform.records.find(TRIAL_MEMBER, trial.scope, Query(parent=trial.key, limit=ALL))
        records = await self.platform.records.several("TrialComponent", trial.scope, [m.doc["TrialComponent"] for m in found])
        return [
            {name: record.doc[name] for name in _SUMMARY if name in record.doc}
            | ({"TrialComponentSource": record.doc["Source"]} if "Source" in record.doc else {})
            for record in records
        ]


def _prefixes(properties: Sequence[str]) -> list[str]:
    """``Metrics.a.b.Max`` → ``a``, ``a.b``, ``a.b.Max``."""
    found = []
    for name in properties:
        parts = name.split(".")[1:]
        found += [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return found

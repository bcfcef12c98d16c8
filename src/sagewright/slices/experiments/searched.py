"""What Search must know of components beyond their documents: their parents, their metrics, and their source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...resources.arn import parse
from ...resources.platform import Platform
from ...resources.search import NOTHING, Search, sort_value
from ...stores.records import Query, Record
from .resources import EXPERIMENT_MEMBER, TRIAL_MEMBER, TrackedDesk
from .series import Series

ALL = 1_000_000
SLICE = 1_000
"""Components looked at without a pause."""
Place = tuple[tuple[int, Any], str]
"""(sort value, key)."""
_SUMMARY = ("TrialComponentName", "TrialComponentArn", "CreatedBy", "CreationTime")
_DETAILS = {"training-job": "TrainingJob", "processing-job": "ProcessingJob", "transform-job": "TransformJob"}


class SearchedComponents:
    """``platform.searched["TrialComponent"]``."""

    def __init__(self, components: TrackedDesk, series: Series) -> None:
        self.components, self.series = components, series
        self.platform: Platform = components.platform

    async def candidates(self, scope: str, among: Mapping[str, Sequence[str]]) -> list[Record] | None:
        if self.components.fresh is not None:
            await self.components.fresh()
        records = self.platform.records
        if (names := among.get("trialcomponentname")) is not None:
            return await records.several("TrialComponent", scope, list(dict.fromkeys(name.lower() for name in names)))
        for name, kind in (("parents.trialname", TRIAL_MEMBER), ("parents.experimentname", EXPERIMENT_MEMBER)):
            if name in among:
                found = [await records.find(kind, scope, Query(parent=one.lower() or "-", limit=ALL)) for one in among[name]]
                keys = dict.fromkeys(member.doc["TrialComponent"] for members in found for member in members)
                return await records.several("TrialComponent", scope, list(keys))
        if (sources := among.get("source.sourcearn")) is not None:
            by_source = [await records.find("TrialComponent", scope, Query(parent=one.lower() or "-", limit=ALL)) for one in sources]
            return list({record.key: record for some in by_source for record in some}.values())
        return None

    async def page(self, scope: str, search: Search, sort_by: str, order: Query) -> tuple[list[Record], list[float], int] | None:
        """An experiment's components by their age: a screenful of thousands costs what a screenful does."""
        if search.only is None or search.only[0] != "parents.experimentname" or sort_by != "CreationTime":
            return None
        if self.components.fresh is not None:
            await self.components.fresh()
        records, parent = self.platform.records, search.only[1].lower() or "-"
        after = (order.after[0], f"{parent}/{order.after[1]}") if order.after is not None else None
        query = replace(order, parent=parent, after=after)
        members = await records.find(EXPERIMENT_MEMBER, scope, query)
        keys = [member.doc["TrialComponent"] for member in members]
        created = {key: member.created for key, member in zip(keys, members, strict=True)}
        found = await records.several("TrialComponent", scope, keys)
        total = await records.count(EXPERIMENT_MEMBER, scope, Query(parent=parent))
        return found, [created[record.key] for record in found], total

    async def places(self, scope: str, search: Search, sort_by: str) -> list[Place] | None:
        """An experiment's components by one of their metrics: the documents are read of those alone that none was kept of."""
        if search.only is None or search.only[0] != "parents.experimentname" or not sort_by.lower().startswith("metrics."):
            return None
        if self.components.fresh is not None:
            await self.components.fresh()
        records, names = self.platform.records, _prefixes([sort_by])
        members = await records.find(EXPERIMENT_MEMBER, scope, Query(parent=search.only[1].lower() or "-", limit=ALL))
        left: list[str] = [member.doc["TrialComponent"] for member in members]
        places: list[Place] = []
        for job in (False, True):  # what a caller wrote comes first: see Series.summaries
            missed: list[str] = []
            for at in range(0, len(left), SLICE):
                part = left[at : at + SLICE]
                metrics = await self.series.stored(scope, part, names, job=job)
                for key in part:
                    value = sort_value({"Metrics": metrics.get(key, [])}, sort_by)
                    if value[0] == NOTHING:
                        missed.append(key)
                    else:
                        places.append((value, key))
            left = missed
        # those of jobs that go on, and those without the metric
        for at in range(0, len(left), SLICE):
            some = await records.several("TrialComponent", scope, left[at : at + SLICE])
            docs = await self.complete(some, [sort_by])
            places += [(sort_value(doc, sort_by), record.key) for record, doc in zip(some, docs, strict=True)]
        return places

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

    async def candidates(self, scope: str, among: Mapping[str, Sequence[str]]) -> list[Record] | None:
        if (experiments := among.get("experimentname")) is not None:
            found = [await self.platform.records.find("Trial", scope, Query(parent=one.lower() or "-", limit=ALL)) for one in experiments]
            return list({record.key: record for some in found for record in some}.values())
        return None

    async def page(self, scope: str, search: Search, sort_by: str, order: Query) -> tuple[list[Record], list[float], int] | None:
        return None

    async def places(self, scope: str, search: Search, sort_by: str) -> list[Place] | None:
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

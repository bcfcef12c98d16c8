"""Every training, processing and transform job has a trial component, made and kept up to date from its document.

Nothing of this stands in a job's own way: the reconciler says that a job has changed, and a moment later what changed is
read and written, whatever number of steps lay between. Whoever asks for components first waits for what is on its way.
What a killed server did not get to is found by the next one: it looks at every job changed since the last time that
nothing was left to do.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from ...resources.arn import name_in
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...stores.records import Change, Conflict, Put, Query, Record
from ...wire.errors import Invalid
from ...wire.types import Call
from .jobs import FINAL, KINDS, LONGEST_MESSAGE, Captured, Kind
from .operations import TOMBSTONE
from .resources import TrackedDesk, members, put
from .series import Series

log = logging.getLogger(__name__)

SOON = 0.25
"""Seconds in which a job's changes come together."""
CURSOR = "TrialComponentCursor"
EVERY = 60.0
"""Seconds between writes of the cursor."""
SLACK = 60.0
"""Seconds before the cursor that are looked at again."""
PAGE = 500
Job = tuple[str, str, str]
"""(kind, scope, key)."""


class Capture:
    """The components of one platform's jobs."""

    def __init__(self, experiments: TrackedDesk, trials: TrackedDesk, components: TrackedDesk, series: Series) -> None:
        self.experiments, self.trials, self.components, self.series = experiments, trials, components, series
        self.platform: Platform = components.platform
        self._changed: dict[Job, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._written = 0.0

    def install(self) -> None:
        self.platform.admissions["ExperimentConfig"] = self.admit
        self.platform.reconciler.listen(self.heard)
        self.platform.starters.append(self.catch_up)
        self.platform.closers.append(self.close)
        self.components.fresh = self.flush

    # -- when a job is created

    async def admit(self, call: Call, doc: dict[str, Any]) -> None:
        """The experiment, trial and run that a job names exist and belong together."""
        config = doc["ExperimentConfig"]
        experiment = trial = None
        if "ExperimentName" in config:
            experiment = await self.experiments.find(call, config["ExperimentName"])
        if "TrialName" in config:
            trial = await self.trials.find(call, config["TrialName"])
            if experiment is not None and trial.parent != experiment.key:
                raise Invalid(
                    f"Trial '{trial.doc['TrialArn']}' is not part of Experiment '{experiment.doc['ExperimentArn']}'."
                )
        if "RunName" in config:
            await self.components.find(call, config["RunName"])

    # -- when a job changes

    async def heard(self, record: Record, event: Event) -> None:
        if record.kind in KINDS and event.name != "Metric":
            self._changed[record.kind, record.scope, record.key] = None
            if self._timer is None and self._task is None:
                self._timer = asyncio.get_running_loop().call_later(SOON, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.create_task(self.flush(), name="trial-components")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("trial components are not up to date", exc_info=error)

    async def flush(self) -> None:
        """Returns when every change heard of so far is written."""
        if not self._changed and not self._lock.locked():
            return
        async with self._lock:
            began = self.platform.clock()
            while self._changed:
                job = next(iter(self._changed))
                del self._changed[job]
                try:
                    await self._capture(*job)
                except Exception:
                    log.exception("the trial component of %s %s is not up to date", job[0], job[2])
            if began - self._written > EVERY:
                self._written = began
                await self.platform.records.commit(Put(CURSOR, "", "jobs", {"At": began}))

    async def catch_up(self) -> None:
        """What the last server did not get to."""
        cursor = await self.platform.records.get(CURSOR, "", "jobs")
        since = cursor.doc["At"] - SLACK if cursor is not None else None
        for kind in KINDS:
            after: tuple[Any, str, str] | None = None
            while True:
                query = Query(modified_after=since, sort_by="modified", descending=False, after=after, limit=PAGE)
                found = await self.platform.records.find(kind, None, query)
                for record in found:
                    self._changed[record.kind, record.scope, record.key] = None
                if len(found) < PAGE:
                    break
                after = found[-1].modified, found[-1].key, found[-1].scope
        if self._changed:
            self._begin()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self.flush()

    # -- one job

    async def _capture(self, noun: str, scope: str, key: str) -> None:
        kind = KINDS[noun]
        while True:
            job = await self.platform.records.get(noun, scope, key)
            if job is None:
                return
            name = kind.component(job.name)
            record = await self.platform.records.get("TrialComponent", scope, name)
            captured = kind.captured(job.doc)
            try:
                if record is None or record.doc.get("_job", {}).get("Created", job.created) != job.created:
                    if not await self._make(kind, job, name, captured, record):
                        return
                elif not record.doc.get("_live", False):
                    return
                else:
                    if captured.status in FINAL:
                        await self.series.keep(record)
                    if (doc := updated(record.doc, captured, self.platform.clock())) != record.doc:
                        await self.platform.reconciler.commit(put(record, doc))
                    return
            except Conflict:
                continue

    async def _make(self, kind: Kind, job: Record, name: str, captured: Captured, old: Record | None) -> bool:
        """Write the component of a job that has none, in the trial that the job names; False if somebody deleted it."""
        tombstone = await self.platform.records.get(TOMBSTONE, job.scope, name)
        if tombstone is not None and tombstone.doc["Created"] == job.created:
            return False
        arn, config, now = job.doc[f"{kind.noun}Arn"], job.doc.get("ExperimentConfig", {}), self.platform.clock()
        account, region = job.scope.split("/")
        doc = {
            "TrialComponentName": name, "TrialComponentArn": self.components.resource.arn(region, account, name),
            "DisplayName": config.get("TrialComponentDisplayName", name), "CreationTime": now,
            "Source": {"SourceArn": arn, "SourceType": kind.source_type}, "CreatedBy": _by(job),
            "Parameters": captured.parameters, "InputArtifacts": captured.inputs,
            "_job": {
                "Kind": kind.noun, "Key": job.key, "Created": job.created, "Metrics": captured.metrics,
                "Namespace": captured.namespace, "Dimensions": captured.dimensions,
            },
        }  # fmt: skip
        if run := config.get("RunName"):
            doc["RunName"] = run
            await self._add_source(job.scope, name_in(run).lower(), job)
        # live until its job's metrics are kept, whatever the job's status is by now
        doc = {**updated(doc, captured, now), "_live": True}
        version = old.version if old is not None else 0
        made = Put("TrialComponent", job.scope, name, doc, version, name=name, parent=arn.lower(), created=now)
        await self.platform.reconciler.commit(*await self._joined(job, made, config))
        return True

    async def _joined(self, job: Record, made: Put, config: dict[str, Any]) -> list[Change]:
        """A new component, and what makes it one of the trial that its job names, as far as that still exists."""
        if "ExperimentName" not in config and "TrialName" not in config:
            return [made]
        records, scope = self.platform.records, made.scope
        name = config.get("TrialName", f"{made.key}-trial"[:120])
        trial = await records.get("Trial", scope, name.lower())
        experiment = None
        if trial is None and "TrialName" not in config:
            experiment = await records.get("Experiment", scope, config["ExperimentName"].lower())
        if trial is not None:
            changes: list[Change] = [put(trial)]
            parent = {"TrialName": trial.name, "ExperimentName": trial.doc["ExperimentName"]}
        elif experiment is not None:
            changes = self._new_trial(job, name, experiment)
            parent = {"TrialName": name, "ExperimentName": experiment.name}
        else:
            log.warning("the trial or experiment that %s names is gone; its component belongs to none", job.key)
            return [made]
        joined = replace(made, doc={**made.doc, "_trials": [parent]})
        return [joined, *changes, *members(scope, joined, parent["TrialName"], parent["ExperimentName"])]

    def _new_trial(self, job: Record, name: str, experiment: Record) -> list[Change]:
        account, region = job.scope.split("/")
        now = self.platform.clock()
        doc = {
            "TrialName": name, "TrialArn": self.trials.resource.arn(region, account, name), "DisplayName": name,
            "ExperimentName": experiment.name, "CreationTime": now, "LastModifiedTime": now, "CreatedBy": _by(job),
        }  # fmt: skip
        return [Put("Trial", job.scope, name.lower(), doc, 0, name=name, parent=experiment.key, created=now), put(experiment)]

    async def _add_source(self, scope: str, run: str, job: Record) -> None:
        """A run is told of the jobs that ran for it."""
        kind = KINDS[job.kind]
        source = {"SourceArn": job.doc[f"{kind.noun}Arn"], "SourceType": kind.source_type}
        while (record := await self.platform.records.get("TrialComponent", scope, run)) is not None:
            sources = record.doc.get("Sources", [])
            if source in sources:
                return
            try:
                await self.platform.records.commit(put(record, {**record.doc, "Sources": [*sources, source]}))
                return
            except Conflict:
                continue


def updated(doc: dict[str, Any], captured: Captured, now: float) -> dict[str, Any]:
    """A component's document after its job went on. What callers wrote into it stays."""
    after = {
        **doc,
        "Status": {"PrimaryStatus": captured.status, "Message": captured.message[:LONGEST_MESSAGE]},
        "OutputArtifacts": {**doc.get("OutputArtifacts", {}), **captured.outputs},
        "_live": captured.status not in FINAL,
    }
    times = {"StartTime": captured.start, "EndTime": captured.end}
    after |= {member: time for member, time in times.items() if time is not None}
    return {**after, "LastModifiedTime": now} if after != doc else doc


def _by(job: Record) -> dict[str, Any]:
    return {"IamIdentity": {"Arn": job.doc.get("_principal", "")}}

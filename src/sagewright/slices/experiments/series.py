"""The metric series of components: those that callers wrote, and those that the component's job logged.

A job's metrics are found in the log by its agent, which writes them as CloudWatch metrics. While the job runs they are
read from there; when it has ended they are copied, once, to the store of runs under an owner of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ...resources.platform import Platform
from ...stores.metrics import Series as Logged
from ...stores.records import Record
from ...stores.runs import NO_STEP, Point, Summary, Track

JOB = "#job"
FOREVER = 1e12
"""Epoch seconds after everything."""


def owner(record: Record) -> str:
    """Of the points that callers wrote."""
    return _owner(record.scope, record.key)


def job_owner(record: Record) -> str:
    """Of the points that the component's job logged."""
    return _owner(record.scope, record.key) + JOB


def _owner(scope: str, key: str) -> str:
    return f"{scope}/{key}"


class Series:
    """The series of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.known: set[str] = set()
        """Owners whose component exists; what is deleted is taken out."""

    async def summaries(self, records: Sequence[Record], names: Sequence[str] | None = None) -> dict[str, list[dict[str, Any]]]:
        """Component key → its ``Metrics``."""
        owners = [owner(r) for r in records] + [job_owner(r) for r in records if "_job" in r.doc]
        found = await self.platform.runs.summaries(owners, names)
        shown: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            job = found.get(job_owner(record), [])
            if record.doc.get("_live"):
                job = await asyncio.to_thread(self._live_summaries, record, names)
            source = record.doc.get("Source", {}).get("SourceArn", "")
            some = [shown_summary(s, record.doc["TrialComponentArn"]) for s in found.get(owner(record), ())]
            some += [shown_summary(s, source) for s in job]
            if some:
                shown[record.key] = some
        return shown

    async def stored(self, scope: str, keys: Sequence[str], names: Sequence[str], *, job: bool) -> dict[str, list[dict[str, Any]]]:
        """Component key → the ``Metrics`` of these names that its callers wrote, or that its ``job`` did, as far as they are kept."""
        owners = {_owner(scope, key) + (JOB if job else ""): key for key in keys}
        found = await self.platform.runs.summaries(owners, names)
        return {owners[of]: [shown_summary(s, "") for s in some] for of, some in found.items()}

    async def tracks(self, wanted: Sequence[tuple[Record, str]]) -> list[Track]:
        """The whole series of (component, metric name)."""
        runs = self.platform.runs
        found = await runs.tracks([(owner(record), name) for record, name in wanted])
        jobs = [n for n, (record, _) in enumerate(wanted) if not found[n] and "_job" in record.doc]
        if jobs:
            stored = await runs.tracks([(job_owner(wanted[n][0]), wanted[n][1]) for n in jobs])
            for n, track in zip(jobs, stored, strict=True):
                record, name = wanted[n]
                found[n] = await asyncio.to_thread(self._live, record, name) if record.doc.get("_live") else track
        return found

    async def keep(self, record: Record) -> None:
        """Copy what the job logged; again does no harm."""
        points = await asyncio.to_thread(self._points, record)
        await self.platform.runs.replace(job_owner(record), points)

    async def forget(self, record: Record) -> None:
        """The component is gone."""
        self.known.discard(owner(record))
        await self.platform.runs.delete(owner(record))
        if "_job" in record.doc:
            await self.platform.runs.delete(job_owner(record))

    # -- what the job's agents have written so far; blocking

    def _live(self, record: Record, name: str) -> Track:
        job = record.doc["_job"]
        track = Track()
        if not job.get("Namespace"):
            return track
        logged = Logged(job["Namespace"], name, tuple(sorted(job["Dimensions"].items())))
        for sample in self.platform.metrics.samples(logged, job["Created"], FOREVER):
            track.steps.append(NO_STEP)
            track.times.append(sample.timestamp)
            track.values.append(sample.value / sample.count)
        track.climbing = False
        return track

    def _points(self, record: Record) -> list[Point]:
        points = []
        for name in record.doc["_job"].get("Metrics", ()):
            track = self._live(record, name)
            points += [Point(name, NO_STEP, time, value) for time, value in zip(track.times, track.values, strict=True)]
        return points

    def _live_summaries(self, record: Record, names: Sequence[str] | None) -> list[Summary]:
        found = []
        for name in record.doc["_job"].get("Metrics", ()):
            if names is None or name in names:
                track = self._live(record, name)
                if track:
                    found.append(summary(name, track))
        return found


def summary(name: str, track: Track) -> Summary:
    """Of a track in order of time, with at least one point."""
    values = track.values
    mean = sum(values) / len(values)
    deviation = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
    return Summary(name, len(values), min(values), max(values), mean, deviation, values[-1], track.times[-1])


def shown_summary(s: Summary, source: str) -> dict[str, Any]:
    """A TrialComponentMetricSummary."""
    return {
        "MetricName": s.name, "SourceArn": source, "TimeStamp": s.time, "Max": s.maximum, "Min": s.minimum, "Last": s.last,
        "Count": s.count, "Avg": s.mean, "StdDev": s.deviation,
    }  # fmt: skip

"""Carries out a job's instructions: plan its benchmarks, have so many at a time, gather what came of them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ...resources import jobs
from ...resources.arn import arn, s3_location
from ...resources.platform import Platform
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...runtime.reconciler import Job
from ...stores.logs import LogEvent
from ...stores.objects import NoSuchBucket, NoSuchKey
from ...stores.records import Conflict, Put, Query, Record
from . import results
from .names import endpoint_name
from .states import ADVANCE, EXPIRE, FINAL, GROUP, HALT, JOB, PENDING, PLAN, STEP, STOPPED, stream

OVER = "JobDurationInSeconds was over before the benchmark had begun."


class JobExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        for name, run in ((PLAN, self.plan), (ADVANCE, self.advance), (EXPIRE, self.expire), (HALT, self.halt)):
            self.platform.reconciler.executor(JOB, name, run)

    async def plan(self, job: Job) -> None:
        """Refuse what the role may not do, else write the benchmarks down."""
        doc = job.doc
        if reason := await self._refusal(job.record):
            self._say(doc, reason)
            await job.send("Refused", Reason=reason)
            return
        for number, candidate in enumerate(doc["_plan"]["Candidates"]):
            step = {
                "JobName": doc["JobName"], "StepType": "BENCHMARK", "_job": job.record.key, "_number": number, "_candidate": candidate,
                "_endpoint": candidate.get("Existing") or endpoint_name(doc, number),
            }
            put = Put(STEP, job.record.scope, f"{job.record.key}/{number:03}", step, 0, parent=job.record.key)
            with contextlib.suppress(Conflict):  # written down by a run that was cut short
                await self.platform.reconciler.create(put)
        self._say(doc, f"{len(doc['_plan']['Candidates'])} benchmarks are planned, {doc['_plan']['Parallel']} at a time.")
        if doc["_plan"]["Parallel"] > 1:
            self._say(doc, "Benchmarks at the same time share this machine's cores: each shows less than it would alone.")
        await job.send("Planned", Seconds=float(doc["_plan"]["Duration"]))

    async def advance(self, job: Job) -> None:
        """Begin the benchmarks that there is room for; end the job when all are over."""
        steps = await self._steps(job.record)
        if all(step.doc["_state"] in FINAL for step in steps):
            await self._end(job, steps)
            return
        room = job.doc["_plan"]["Parallel"] - sum(step.doc["_state"] not in (PENDING, *FINAL) for step in steps)
        for step in [step for step in steps if step.doc["_state"] == PENDING][: max(0, room)]:
            await self._send(step, "Begin")

    async def expire(self, job: Job) -> None:
        """The job's time is over: what has not begun never will; load tests end by themselves."""
        if job.doc["_state"] in FINAL:
            return
        for step in await self._steps(job.record):
            if step.doc["_state"] in (PENDING, "Creating"):
                await self._send(step, "Refused", Reason=f"ClientError: {OVER}")

    async def halt(self, job: Job) -> None:
        """Stop every benchmark; the job has stopped when all are over."""
        running = [step for step in await self._steps(job.record) if step.doc["_state"] not in FINAL]
        for step in running:
            await self._send(step, "Stop")
        if not running:
            await job.send("Halted")
            if job.doc["_state"] != STOPPED:
                self._say(job.doc, "The job has stopped.")

    # -- parts

    async def _refusal(self, record: Record) -> str:
        """Why the role cannot do the job, as a FailureReason; empty if it can."""
        doc, identity = record.doc, self.platform.identity
        url, role = doc["_plan"]["Payload"], doc["RoleArn"]
        if why := await jobs.read_refusal(self.platform, role, url):
            return f"ClientError: Unable to read the sample payload {url} (AccessDenied: {why})"
        try:
            await asyncio.to_thread(self.platform.objects.head, *s3_location(url))
        except (NoSuchBucket, NoSuchKey):
            return f"ClientError: Could not find the sample payload {url}."
        if identity is None:
            return ""
        account, region = record.scope.split("/", 1)
        for number, candidate in enumerate(doc["_plan"]["Candidates"][:1]):
            name = candidate.get("Existing") or endpoint_name(doc, number)
            where = arn("sagemaker", region, account, f"endpoint/{name.lower()}")
            if why := await identity.allowed(role, "sagemaker:InvokeEndpoint", where):
                return f"ClientError: The role cannot invoke the endpoints of the benchmarks (AccessDenied: {why})"
        return ""

    async def _end(self, job: Job, steps: list[Record]) -> None:
        docs = [step.doc for step in steps]
        found = results.recommendations(job.doc["JobName"], docs, job.doc["_plan"]["Limits"].get("MaxInvocations", 0))
        existing = results.performances(docs)
        reason = "" if found or existing else results.failure(docs)
        self._say(job.doc, reason or f"The job is completed: {len(found)} recommendations.")
        await job.send("Ended", Reason=reason, InferenceRecommendations=found, EndpointPerformances=existing)

    async def _steps(self, record: Record) -> list[Record]:
        query = Query(parent=record.key, descending=False, limit=1000)
        return await self.platform.records.find(STEP, record.scope, query)

    async def _send(self, step: Record, event: str, **data: Any) -> None:
        with contextlib.suppress(ImpossibleTransition):
            await self.platform.reconciler.send(step.kind, step.scope, step.key, Event(event, data))

    def _say(self, doc: dict[str, Any], text: str) -> None:
        event = LogEvent(int(self.platform.clock() * 1000), text)
        self.platform.logs.append(GROUP, stream(doc["JobName"]), [event])

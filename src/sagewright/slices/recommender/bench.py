"""Carries out a benchmark's instructions: create its endpoint, have the load test run, measure, and remove everything."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections import defaultdict
from typing import Any

from ...resources import jobs
from ...resources.instances import instance, machine, shortage
from ...resources.platform import Platform
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...runtime.reconciler import Job
from ...stores.logs import LogEvent
from ...stores.metrics import Sample, Series
from ...stores.records import Record
from ...wire.errors import DomainError, NotFound
from ...wire.types import Principal
from . import loadtest, prices, results
from .candidates import label
from .names import task_id
from .states import CREATE, CREATING, GROUP, JOB, LOAD, LOADING, MEASURE, RECORD, REMOVE, STEP, TELL, stream
from .steps import LIFECYCLE

EVERY = 5.0
"""Seconds between two samples of a container's use; the last of a load test that took that long is waited for, no other."""
LATE = 0.5
"""Seconds that it may take to be written."""
LOOK = 0.25
"""Seconds between two looks for it: another process writes it."""
UNITS = {"ClientInvocations": "Count", "ClientInvocationErrors": "Count", "ClientLatency": "Milliseconds", "NumberOfUsers": "Count"}
SETTLED = ("InService", "Failed", "UpdateRollbackFailed")


class Bench:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._locks: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        """Nothing is created for a benchmark while it is being removed."""

    def install(self) -> None:
        self.platform.reconciler.lifecycle(STEP, LIFECYCLE)
        for name, run in (
            (CREATE, self.create), (LOAD, self.load), (RECORD, self.record), (MEASURE, self.measure), (REMOVE, self.remove), (TELL, self.tell)
        ):
            self.platform.reconciler.executor(STEP, name, run)

    # -- the endpoint

    async def create(self, job: Job) -> None:
        """Create the endpoint as its owner would, and wait until it answers."""
        step = job.record
        owner = await self._owner(step)
        try:
            if reason := await self._created(job, owner):
                await job.send("Refused", Reason=reason)
                return
        except DomainError as error:
            await job.send("Refused", Reason=f"ClientError: The endpoint could not be created: {error.message}")
            return
        found = await self._endpoint_settled(step)
        if found is None:
            return  # stopped meanwhile
        if found["EndpointStatus"] != "InService":
            await job.send("Refused", Reason=found.get("FailureReason") or f"ClientError: The endpoint is {found['EndpointStatus']}.")
            return
        seconds = max(0.0, found["LastModifiedTime"] - found["CreationTime"])
        self._say(step, f"The endpoint {step.doc['_endpoint']} answers after {seconds:.2f} seconds.")
        await job.send("Served", Seconds=seconds)

    async def _created(self, job: Job, owner: Record) -> str:
        """Create what is not there yet; why it cannot be, or nothing."""
        step, candidate = job.record, job.doc["_candidate"]
        async with self._locks[step.scope, step.key]:
            now = await self.platform.records.get(STEP, step.scope, step.key)
            if now is None or now.doc["_state"] != CREATING:
                return ""
            who = await self._role(owner)
            name, region = job.doc["_endpoint"], step.scope.split("/", 1)[1]
            if "Existing" in candidate:
                await self.platform.api.call("sagemaker", "DescribeEndpoint", {"EndpointName": name}, who, region)
                return ""
            lent = "Serverless" in candidate or self.platform.settings.ray
            if lacking := "" if lent else shortage((candidate["InstanceType"], 1), gpus=self.platform.gpus):
                return f"CapacityError: This machine cannot stand for the instance: {lacking}."
            self._say(step, f"Creating an endpoint on {label(candidate)} {candidate['Environment'] or ''}".rstrip() + ".")
            for operation, request in await loadtest.requests(self.platform, owner, job.doc, who, region):
                with contextlib.suppress(_There):
                    await self._make(operation, request, who, region, owner.doc["JobArn"])
        return ""

    async def _make(self, operation: str, request: dict[str, Any], who: Principal, region: str, source: str) -> None:
        try:
            await self.platform.api.call("sagemaker", operation, request, who, region, source)
        except DomainError as error:
            if "already existing" in error.message:  # by a run that was cut short: the name is ours alone
                raise _There from None
            raise

    async def _endpoint_settled(self, step: Record) -> dict[str, Any] | None:
        """The endpoint's document once it rests; None when the benchmark has left the state meanwhile."""
        key = step.doc["_endpoint"].lower()
        changes, records = self.platform.reconciler.changes, self.platform.records
        while True:
            waiters = [changes.waiter("Endpoint", step.scope, key), changes.waiter(STEP, step.scope, step.key)]
            try:
                now = await records.get(STEP, step.scope, step.key)
                if now is None or now.doc["_state"] != CREATING:
                    return None
                endpoint = await records.get("Endpoint", step.scope, key)
                if endpoint is None:
                    return {"EndpointStatus": "Deleted", "FailureReason": "ClientError: The endpoint was deleted."}
                if endpoint.doc["EndpointStatus"] in SETTLED:
                    return endpoint.doc
                await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiter in waiters:
                    waiter.cancel()

    # -- the load

    async def load(self, job: Job) -> None:
        """Submit the load test's task."""
        step = job.record
        owner = await self._owner(step)
        task = task_id(job.doc["_endpoint"], owner.doc, job.doc["_number"])
        async with self._locks[step.scope, step.key]:
            seconds = loadtest.longest(owner.doc)
            env = await jobs.container_environment(
                self.platform, step, owner.doc["RoleArn"], isolated=False, session="SageMaker", seconds=seconds + 3600
            )
            now = await self.platform.reconciler.send(
                STEP, step.scope, step.key, Event("Submitting", {"Task": task, "AccessKey": env.get("AWS_ACCESS_KEY_ID")})
            )
            if now is None or now.doc["_state"] != LOADING:
                if self.platform.identity and (key := env.get("AWS_ACCESS_KEY_ID")):
                    await self.platform.identity.revoke(key)
                return
            await self.platform.tasks.submit(step, loadtest.task(task, owner.doc, job.doc, env, seconds))
        if (busy := os.getloadavg()[0]) > machine().cores:
            self._say(step, f"This machine has other work as well (load {busy:.1f}, {machine().cores} cores): the endpoint may do better than this.")

    async def record(self, job: Job) -> None:
        """What a window counted, by job and by endpoint."""
        where = ((("JobName", job.doc["JobName"]),), (("EndpointName", job.doc["_endpoint"]),))
        samples = [
            Sample(GROUP, m["MetricName"], dimensions, m["Timestamp"], m["Value"], UNITS[m["MetricName"]])
            for m in job.args["Metrics"] for dimensions in where
        ]
        await asyncio.to_thread(self.platform.metrics.put, samples)

    async def measure(self, job: Job) -> None:
        """Put together what the load test told and what the container used meanwhile."""
        doc, result = job.doc, job.doc["_result"]
        if "Existing" in doc["_candidate"]:
            await job.send("Measured", Metrics=results.metrics(result, 0.0, None, None, None))
            return
        kind = doc["_candidate"].get("InstanceType", "")
        setup = doc["_setup"] if kind else result["First"]  # serverless: until the first answer, which wakes it up
        try:
            price = prices.load(self.platform.settings.prices).get(kind)
        except prices.BadTable as error:
            self._say(job.record, str(error))
            price = None
        cpu, memory = await self._used(doc["_endpoint"], result)
        if cpu is not None:
            cpu = min(cpu, 100.0 * instance(kind).cores)
        else:
            self._say(job.record, "The load test was too short to see the use of cores and memory.")
        found = results.metrics(result, setup, price, cpu, memory)
        self._say(job.record, f"{label(doc['_candidate'])}: " + ", ".join(f"{name} {value:g}" for name, value in found.items()) + ".")
        await job.send("Measured", Metrics=found)

    async def _used(self, endpoint: str, result: dict[str, Any]) -> tuple[float | None, float | None]:
        """(CPUUtilization, MemoryUtilization) of the container at its peak; if need be, the next sample is waited for."""
        begin, end = result["PeakBegin"], result["PeakEnd"]
        while True:
            found = [await self._series(endpoint, name, begin, end) for name in ("CPUUtilization", "MemoryUtilization")]
            if None not in found or result["End"] - result["Begin"] < EVERY or self.platform.clock() > end + EVERY + LATE:
                return found[0], found[1]
            await asyncio.sleep(LOOK)

    async def _series(self, endpoint: str, name: str, begin: float, end: float) -> float | None:
        series = Series("/aws/sagemaker/Endpoints", name, (("EndpointName", endpoint), ("VariantName", endpoint)))
        samples = await asyncio.to_thread(self.platform.metrics.samples, series, 0.0, math.inf)
        return results.used([(s.timestamp, s.value) for s in samples], begin, end)

    # -- the end

    async def remove(self, job: Job) -> None:
        """Stop the load, delete endpoint, configuration and model, and wait until they are gone."""
        step, doc = job.record, job.doc
        async with self._locks[step.scope, step.key]:
            if task := doc.get("_task"):
                await self.platform.tasks.forget(task)
            if self.platform.identity and (key := doc.get("_access_key")):
                await self.platform.identity.revoke(key)
            if "Existing" not in doc["_candidate"]:
                await self._delete(step, doc["_endpoint"])
        self._locks.pop((step.scope, step.key), None)
        if "_failure" in doc:
            self._say(step, f"The benchmark failed: {doc['_failure']}")
        await job.send("Removed")

    async def _delete(self, step: Record, name: str) -> None:
        account, region = step.scope.split("/", 1)
        service = Principal(arn=f"arn:aws:iam::{account}:role/aws-service-role/sagemaker.amazonaws.com", account=account, kind="service")
        changes = self.platform.reconciler.changes
        while True:
            waiter = changes.waiter("Endpoint", step.scope, name.lower())
            try:
                endpoint = await self.platform.records.get("Endpoint", step.scope, name.lower())
                if endpoint is None:
                    break
                # one that is still being created cannot be deleted yet; one that is being deleted is waited for
                if endpoint.doc["EndpointStatus"] in SETTLED:
                    with contextlib.suppress(DomainError):
                        await self.platform.api.call("sagemaker", "DeleteEndpoint", {"EndpointName": name}, service, region)
                        continue
                await waiter
            finally:
                waiter.cancel()
        for operation, member in (("DeleteEndpointConfig", "EndpointConfigName"), ("DeleteModel", "ModelName")):
            with contextlib.suppress(DomainError):  # never made, or gone
                await self.platform.api.call("sagemaker", operation, {member: name}, service, region)

    async def tell(self, job: Job) -> None:
        """Tell the job that this benchmark is over."""
        with contextlib.suppress(ImpossibleTransition):
            await self.platform.reconciler.send(JOB, job.record.scope, job.doc["_job"], Event("StepEnded"))

    # -- parts

    async def _owner(self, step: Record) -> Record:
        """The job that a benchmark belongs to; there is no deleting it."""
        found = await self.platform.records.get(JOB, step.scope, step.doc["_job"])
        assert found is not None
        return found

    async def _role(self, owner: Record) -> Principal:
        """Who creates endpoints: the job's role."""
        if self.platform.identity is None:
            raise NotFound("there are no roles without the identity capability")
        who: Principal = await self.platform.identity.role_principal(owner.doc["RoleArn"], "SageMaker")
        return who

    def _say(self, step: Record, text: str) -> None:
        event = LogEvent(int(self.platform.clock() * 1000), f"[{step.doc['_endpoint']}] {text}")
        self.platform.logs.append(GROUP, stream(step.doc["JobName"]), [event])


class _There(Exception):
    """What was to be created exists."""

"""Carries out a transform job's instructions: serve its model, pump its records, clean up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...gateway import model as models
from ...gateway.answer import Broken
from ...gateway.client import Worker
from ...gateway.instances import instance as several
from ...gateway.pipeline import worker_at
from ...resources import hosts, jobs
from ...resources.instances import instance
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.compute import Task
from ...stores.logs import LogEvent
from ...stores.objects import NoSuchBucket, NoSuchKey
from .engine.capture import capture, manifests
from .engine.inputs import NoInput, base, sources, target
from .engine.plan import complete, plan, read_parameters
from .engine.pump import MARK, Pump
from .engine.sending import Instance
from .engine.threads import aside
from .lifecycle import CLEAN, GROUP, HALT, LAUNCH, PUMP, STOPPING, TRANSFORMING, WIPE, log_stream

PARAMETERS = 10.0
"""Seconds that a container has to answer /execution-parameters."""


class TransformExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.hosts = platform, hosts.HostTasks(platform)
        self._pumps: dict[tuple[str, str], asyncio.Task[str]] = {}

    def install(self) -> None:
        for name, run in (
            (LAUNCH, self.launch), (PUMP, self.pump), (HALT, self.hosts.halt), (WIPE, self.wipe), (CLEAN, self.hosts.clean)
        ):
            self.platform.reconciler.executor("TransformJob", name, run)

    async def launch(self, job: Job) -> None:
        """Check what only the platform can know, then submit a serving task an instance."""
        doc = job.doc
        if reason := await self._refusal(doc):
            await job.send("Refused", Reason=reason)
            return
        count = doc["TransformResources"]["InstanceCount"]
        tasks = hosts.task_ids("transform", doc["TransformJobName"], doc["CreationTime"], hosts.names(count))
        about = doc["_model"]
        env = await jobs.container_environment(
            self.platform, job.record, about["Role"], isolated=about["Isolated"], session="SageMaker", seconds=models.FOREVER
        )

        def make(host: str, task: str) -> Task:
            return self._task(doc, task, env)

        await self.hosts.launch(job, tasks, make, stopping=STOPPING, access_key=env.get("AWS_ACCESS_KEY_ID", ""))

    async def pump(self, job: Job) -> None:
        """Pump until everything is done or the job leaves the state."""
        where = job.record.scope, job.record.key
        pumping = asyncio.create_task(self._pump(job.doc), name=f"pump {job.record.key}")
        leaving = asyncio.create_task(self._left(job))
        self._pumps[where] = pumping
        try:
            await asyncio.wait({pumping, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                leaving.result()
                return
            await job.send("Pumped", Reason=pumping.result())
        finally:
            pumping.cancel()
            leaving.cancel()
            await asyncio.gather(pumping, leaving, return_exceptions=True)
            self._pumps.pop(where, None)

    async def wipe(self, job: Job) -> None:
        """Remove what a stopped job has written."""
        if pumping := self._pumps.get((job.record.scope, job.record.key)):
            await asyncio.gather(pumping, return_exceptions=True)
        await aside(self._wipe, job.doc)
        await job.send("Wiped")

    # -- parts

    async def _refusal(self, doc: dict[str, Any]) -> str:
        about, source, output = doc["_model"], doc["TransformInput"]["DataSource"]["S3DataSource"], doc["TransformOutput"]
        if reason := jobs.capacity_refusal(self.platform, doc["TransformResources"]) or await models.refusal(self.platform, about):
            return reason
        reads, writes = [source["S3Uri"]], [output["S3OutputPath"]]
        if "DataCaptureConfig" in doc:
            writes.append(doc["DataCaptureConfig"]["DestinationS3Uri"])
        for uri in reads:
            if why := await jobs.read_refusal(self.platform, about["Role"], uri):
                return f"ClientError: Unable to read {uri} (AccessDenied: {why})"
            if source["S3DataType"] == "ManifestFile" and uri is source["S3Uri"]:  # what it names is read with the same role
                try:
                    reads.append(await aside(base, self.platform.objects, source))
                except NoInput as error:
                    return f"ClientError: {error}"
        for uri in writes:
            if why := await jobs.write_refusal(self.platform, about["Role"], uri):
                return f"ClientError: Unable to write to {uri} ({why})"
        return ""

    def _task(self, doc: dict[str, Any], task: str, env: dict[str, str]) -> Task:
        about, instance_type = doc["_model"], doc["TransformResources"]["InstanceType"]
        more = doc.get("Environment", {}) | _batch(doc)
        given = models.environment(about["Container"]) | more
        workers = models.workers(given, instance_type)
        if concurrent := doc.get("MaxConcurrentTransforms"):
            workers = min(workers, concurrent)
        # numerical libraries take every core for each process unless told, and then wait for one another
        threads = {"OMP_NUM_THREADS": str(max(1, instance(instance_type).cores // workers))} if workers > 1 else {}
        stream = log_stream(doc, task)
        made = Task(
            id=task,
            kind="serve",
            image=about["Container"]["Image"],
            argv=["serve"],
            env=threads | env | given,
            directories=[models.MODEL],
            inputs=models.inputs(about["Container"]),
            limits=jobs.limits(instance_type, seconds=0.0, grace=30.0),
            isolated=about["Isolated"],
            hostname=about["Container"].get("ContainerHostname", "container-1"),
            log_group=GROUP,
            log_stream=stream,
            usage_namespace=GROUP,
            usage_host=stream,
            workers=workers,
        )
        return several(made, about, instance_type, env=threads | env, more=more, most=doc.get("MaxConcurrentTransforms", 0))

    async def _pump(self, doc: dict[str, Any]) -> str:
        """One run of the pump; empty, or the job's FailureReason."""
        workers = {task: [worker_at(path) for path in about["Sockets"]] for task, about in doc["_tasks"].items()}
        objects = self.platform.objects
        try:
            first = next(iter(workers.values()))[0]
            made = plan(doc, {} if complete(doc) else await self._parameters(first))
            instances = [Instance(found, made, self._log(doc, task)) for task, found in workers.items()]
            for instance in instances:
                await aside(instance.say, str(made))
            pump = Pump(objects, instances, made, _mark(doc))
            reason = await pump.run(doc["TransformInput"]["DataSource"]["S3DataSource"], doc["TransformOutput"]["S3OutputPath"])
            if "DataCaptureConfig" in doc:
                await aside(capture, objects, doc, _mark(doc))
        except NoInput as error:
            return f"ClientError: {error}"
        finally:
            for worker in (worker for found in workers.values() for worker in found):
                worker.close()
        if not reason:
            return ""
        streams = f"{doc['TransformJobName']}/*/data-log" if len(workers) > 1 else log_stream(doc, next(iter(workers))) + "/data-log"
        where = f" See the log group {GROUP}, stream {streams}."
        return f"{_kind(reason)}: {reason}"[: jobs.REASON - len(where)] + where

    def _log(self, doc: dict[str, Any], task: str) -> Callable[[str], None]:
        """Writes to the data log of a task's instance."""
        stream = log_stream(doc, task) + "/data-log"

        def say(text: str) -> None:
            event = LogEvent(int(self.platform.clock() * 1000), f"[sagemaker logs]: {text}")
            self.platform.logs.append(GROUP, stream, [event])

        return say

    async def _parameters(self, worker: Worker) -> dict[str, Any]:
        try:
            answer = await worker.request("GET", "/execution-parameters", {}, seconds=PARAMETERS)
        except (Broken, TimeoutError):
            return {}
        return read_parameters(answer.status, answer.body)

    async def _left(self, job: Job) -> None:
        """Returns when the job is no longer to be pumped."""
        record = job.record
        while True:
            change = self.platform.reconciler.changes.waiter(record.kind, record.scope, record.key)
            now = await self.platform.records.get(record.kind, record.scope, record.key)
            if now is None or now.doc["_state"] != TRANSFORMING:
                change.cancel()
                return
            await change

    def _wipe(self, doc: dict[str, Any]) -> None:
        objects, mark = self.platform.objects, _mark(doc)

        def drop(bucket: str, key: str) -> None:
            try:
                if objects.head(bucket, key).metadata.get(MARK) == mark:
                    objects.delete(bucket, [key])
            except (NoSuchKey, NoSuchBucket):
                pass

        if "DataCaptureConfig" in doc and "TransformStartTime" in doc:
            for bucket, key in manifests(doc, mark).values():
                drop(bucket, key)
        try:
            for one in sources(objects, doc["TransformInput"]["DataSource"]["S3DataSource"]):
                drop(*target(doc["TransformOutput"]["S3OutputPath"], one.name))
        except NoInput:
            return


def _mark(doc: dict[str, Any]) -> str:
    return f"{doc['TransformJobArn']}#{int(doc['CreationTime'] * 1000)}"


def _kind(reason: str) -> str:
    return "AlgorithmError" if "Model server" in reason or "status received from algorithm: 5" in reason else "ClientError"


def _batch(doc: dict[str, Any]) -> dict[str, str]:
    env = {"SAGEMAKER_BATCH": "true"}
    if doc.get("MaxPayloadInMB"):  # 0 is no limit, which toolkits would read as nothing allowed
        env["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(doc["MaxPayloadInMB"])
    if "BatchStrategy" in doc:
        env["SAGEMAKER_BATCH_STRATEGY"] = {"SingleRecord": "SINGLE_RECORD"}.get(doc["BatchStrategy"], "MULTI_RECORD")
    if doc.get("MaxConcurrentTransforms"):
        env["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(doc["MaxConcurrentTransforms"])
    return env

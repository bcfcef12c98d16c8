"""Carries out a training job's instructions: launch its tasks, halt them, merge the hosts' archives, clean up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ...resources import jobs
from ...resources.arn import join, s3_location, s3_uri
from ...resources.hosts import EXTRA, HostTasks, task_ids
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.images import UnknownImage
from ...stores.objects import NoSuchBucket
from . import access, cluster, live
from .archives import BadPart, join_archives, parts_of
from .attempts import DELAYS, attempt, planned
from .request import output_base
from .states import (
    BETWEEN,
    CLEAN,
    CLOSE_POOL,
    EVICT,
    FINAL,
    FORGET,
    HALT,
    INTERRUPT,
    LAUNCH,
    MERGE,
    OPEN_POOL,
    STARTING,
    STOPPING,
    WAIT,
)
from .task import script_archive, task
from .warm_pools import WarmPools


class TrainingExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.hosts = HostTasks(platform)
        self.pools = WarmPools(platform)

    def install(self) -> None:
        hosts = self.hosts
        for name, run in (
            (LAUNCH, self.launch), (HALT, hosts.halt), (MERGE, self.merge), (CLEAN, hosts.clean), (EVICT, hosts.evict),
            (FORGET, self.forget), (INTERRUPT, self.interrupt), (WAIT, self.give_up), (OPEN_POOL, self.pools.open),
            (CLOSE_POOL, self.pools.close),
        ):  # fmt: skip
            self.platform.reconciler.executor("TrainingJob", name, run)

    async def launch(self, job: Job) -> None:
        """Check what only the platform can know, then submit a task a host.

        One that was broken off between two hosts goes on, wherever the job has got meanwhile: nobody else would submit the
        others, and a host that is never submitted never says that it has ended.
        """
        doc = job.doc
        if doc["_state"] in FINAL:
            await self.hosts.clean(job)
            return
        if doc["_state"] != STARTING and not _unsubmitted(doc):
            await self.hosts.heed(job, doc.get("_tasks", ()), stopping=STOPPING, evicting=BETWEEN)
            return
        wait = planned(doc, DELAYS)
        if wait is not None and doc.get("_delayed") != attempt(doc):
            await job.send("Wait", Seconds=wait)
            return
        reason, versions = await self._refusal(doc)
        if reason:
            await job.send("Refused", Reason=reason)
            return
        await self.pools.take(job)
        hosts = cluster.hosts(doc)
        named = [host.name for host in hosts]
        tasks = task_ids(f"train{attempt(doc) or ''}", doc["TrainingJobName"], doc["CreationTime"], named)
        env, key = await self._environment(job)
        code, grace = await self._code(doc), self.platform.settings.stop_grace
        erase = await self._erases(doc)
        await self.hosts.launch(
            job,
            tasks,
            lambda host, task_id: task(doc, task_id, hosts, named.index(host), env, grace, code, versions, erase=erase),
            stopping=STOPPING,
            evicting=BETWEEN,
            access_key=key,
            Attempt=attempt(doc),
        )

    async def interrupt(self, job: Job) -> None:
        """A planned interruption is due."""
        await job.send("Interrupt", **job.args)

    async def give_up(self, job: Job) -> None:
        """MaxWaitTimeInSeconds is over."""
        await job.send("WaitOver")

    async def merge(self, job: Job) -> None:
        """One archive of the hosts' archives; on a clash of names the last host's file stays.

        The parts go once it is written down that the whole is there: a merge that began anew without some of them would put
        what is left in its place.
        """
        doc = job.doc
        if parts := parts_of(doc):
            if "_joined" not in doc:
                base = output_base(doc, doc["TrainingJobName"])
                try:
                    for name, some in parts.items():
                        await asyncio.to_thread(join_archives, self.platform.objects, some, join(base, name))
                except BadPart as error:
                    await job.send("Fault", Reason=f"ClientError: The hosts' archives could not be joined: {error}")
                    return
                await job.send("Joined")
            await self._drop(parts)
        await job.send("Merged")

    async def forget(self, job: Job) -> None:
        """Nothing of an attempt that is over is left for the next: a host may have stored its archive before another was lost."""
        if len(job.args["Tasks"]) > 1 and job.args["Attempt"] == attempt(job.doc):
            await self._drop(parts_of(job.doc))
        await self.hosts.forget(job)

    async def _drop(self, parts: dict[str, list[str]]) -> None:
        places = [s3_location(uri) for some in parts.values() for uri in some]
        if places:
            with contextlib.suppress(NoSuchBucket):
                await asyncio.to_thread(self.platform.objects.delete, places[0][0], [key for _, key in places])

    # -- parts of launch

    async def _refusal(self, doc: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """Why the job cannot begin, as a FailureReason, empty if it can; and each manifest's ETag by channel."""
        image = doc["AlgorithmSpecification"]["TrainingImage"]
        try:
            self.platform.images.resolve(image)
        except UnknownImage as error:
            return f"ClientError: Cannot pull {image}: {error}", {}
        if reason := jobs.capacity_refusal(self.platform, doc["ResourceConfig"]):
            return reason, {}
        reason, versions = await access.check(self.platform, doc)
        if reason:
            return reason, {}
        for uri in (s3_uri(doc["OutputDataConfig"]["S3OutputPath"]), *live.uris(doc)):
            if why := await jobs.write_refusal(self.platform, doc["RoleArn"], uri):
                return f"ClientError: Artifact upload would fail:Unable to write to {uri} ({why})", {}
        return "", versions

    async def _erases(self, doc: dict[str, Any]) -> bool:
        """Whether what the job deletes of the checkpoints that it found is deleted in S3 too."""
        uri = live.CHECKPOINTS.prefix(doc)
        return bool(uri) and not await jobs.delete_refusal(self.platform, doc["RoleArn"], uri)

    async def _code(self, doc: dict[str, Any]) -> str:
        """The script archive, as an s3:// URI, if the job's role may read it; the toolkit reports whatever is amiss."""
        uri = script_archive(doc)
        return uri if uri and not await jobs.read_refusal(self.platform, doc["RoleArn"], uri) else ""

    async def _environment(self, job: Job) -> tuple[dict[str, str], str]:
        """The containers' variables, and the access key among them."""
        doc = job.doc
        env = await jobs.container_environment(
            self.platform,
            job.record,
            doc["RoleArn"],
            isolated=doc.get("EnableNetworkIsolation", False),
            session="SageMaker",
            seconds=doc["StoppingCondition"]["MaxRuntimeInSeconds"] + EXTRA,
        )
        named = {"TRAINING_JOB_NAME": doc["TrainingJobName"], "TRAINING_JOB_ARN": doc["TrainingJobArn"]}
        if "_token" in doc:
            named["SAGEWRIGHT_CLUSTER_TOKEN"] = doc["_token"]
        return env | named | doc.get("Environment", {}), env.get("AWS_ACCESS_KEY_ID", "")


def _unsubmitted(doc: dict[str, Any]) -> bool:
    """Whether a host that the job has may not have been submitted."""
    return any(task["Phase"] == "Waiting" for task in doc.get("_tasks", {}).values())

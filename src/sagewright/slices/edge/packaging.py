"""Edge packaging jobs: the verbs, and the task that makes the package."""

from __future__ import annotations

import json
from typing import Any

from ...resources import jobs
from ...resources.arn import s3_uri
from ...resources.desk import Desk
from ...resources.hosts import HostTasks, names, task_ids
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.compute import Input, Output, Task
from ...stores.images import UnknownImage
from ...wire.types import Call
from .listing import listed
from .package_lifecycle import CLEAN, HALT, LAUNCH, STOPPING
from .package_request import package_name

IMAGE, SIZE, SECONDS = "sagewright-neo:1", "ml.m5.large", 900.0
MODEL, CONFIG, ARTIFACT = "/opt/ml/model", "/opt/ml/config/packaging.json", "/opt/ml/output/artifact"
GROUP = "/aws/sagemaker/EdgePackagingJobs"


class PackagingOperations:
    """Verbs of edge packaging jobs on one platform."""

    def __init__(self, jobs: Desk) -> None:
        self.jobs = jobs

    def install(self) -> None:
        bind = self.jobs.platform.operations.bind
        bind("sagemaker", "ListEdgePackagingJobs", self.list)
        bind("sagemaker", "StopEdgePackagingJob", self.stop, resources=self.jobs.arns)

    async def list(self, call: Call) -> dict[str, Any]:
        return await listed(self.jobs, call, {"ModelNameContains": "ModelName"}, {"MODEL_NAME": "ModelName"})

    async def stop(self, call: Call) -> None:
        await self.jobs.send(await self.jobs.find(call), "Stop")


class PackagingExecutor:
    """Executors of edge packaging jobs on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.hosts = HostTasks(platform)

    def install(self) -> None:
        for name, run in ((LAUNCH, self.launch), (HALT, self.hosts.halt), (CLEAN, self.hosts.clean)):
            self.platform.reconciler.executor("EdgePackagingJob", name, run)

    async def launch(self, job: Job) -> None:
        """Check what the role may do, then submit the task."""
        doc, role = job.doc, job.doc["RoleArn"]
        source, target = doc["_source"], s3_uri(doc["OutputConfig"]["S3OutputLocation"])
        try:
            self.platform.images.resolve(IMAGE)
        except UnknownImage as error:
            await job.send("Refused", Reason=f"InternalServerError: {error}")
            return
        if why := await jobs.read_refusal(self.platform, role, source):
            await job.send("Refused", Reason=f"ClientError: Unable to access {source} (AccessDenied: {why})")
            return
        if why := await jobs.write_refusal(self.platform, role, target):
            await job.send("Refused", Reason=f"ClientError: Unable to write to {target} ({why})")
            return
        tasks = task_ids("package", doc["EdgePackagingJobName"], doc["CreationTime"], names(1))
        await self.hosts.launch(job, tasks, lambda host, task: self._task(doc, source, target, task), stopping=STOPPING)

    def _task(self, doc: dict[str, Any], source: str, target: str, task_id: str) -> Task:
        config = {"ModelName": doc["ModelName"], "ModelVersion": doc["ModelVersion"], "Artifact": package_name(doc)}
        return Task(
            id=task_id,
            kind="run",
            image=IMAGE,
            argv=["package"],
            files={CONFIG: json.dumps(config)},
            directories=[ARTIFACT],
            inputs=[Input(MODEL, source, type="S3Object", unpack=True, label="CompilationJob")],
            outputs=[Output(ARTIFACT, target, on_failure=False)],
            limits=jobs.limits(SIZE, seconds=SECONDS, grace=self.platform.settings.stop_grace),
            isolated=True,
            log_group=GROUP,
            log_stream=f"{doc['EdgePackagingJobName']}/algo-1-{int(doc['CreationTime'])}",
            message_file="/opt/ml/output/message",
        )

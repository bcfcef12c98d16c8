"""Carries out the instructions of servers and apps: start the task, stop it, and erase the store in the end."""

from __future__ import annotations

from typing import Any

from ...gateway.model import FOREVER
from ...resources import jobs, servings
from ...resources.arn import s3_uri
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.compute import Limits, Task
from ...stores.images import UnknownImage
from ...stores.logs import LogEvent
from .lifecycle import APPLY, DEPLOY, ERASE, FORGET, REGISTER, RETIRE
from .register import Registrar, log_place
from .resources import IMAGE, KINDS, arn_of
from .servers import Servers

STORE = "/opt/ml/store"
DRAIN = 10.0
"""Seconds that requests under way get before their server is stopped."""
GRACE = 20.0
"""Seconds between SIGTERM and SIGKILL."""
STARTUP = 300.0
"""Seconds until the first answered ping; a new store is filled with its tables meanwhile."""
CORES = {"Small": 2.0, "Medium": 4.0, "Large": 8.0}
MEMORY = 4 * 2**30
"""Bytes a pair of cores."""


class MlflowExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform, servers: Servers, registrar: Registrar) -> None:
        self.platform, self.servers, self.registrar = platform, servers, registrar

    def install(self) -> None:
        for kind in KINDS:
            for name, run in (
                (DEPLOY, self.deploy), (RETIRE, self.retire), (FORGET, self.forget), (ERASE, self.erase), (APPLY, self.apply),
                (REGISTER, self.registrar.register),
            ):
                self.platform.reconciler.executor(kind, name, run)

    async def deploy(self, job: Job) -> None:
        """Check what only the platform can know, then submit the task."""
        doc, task = job.doc, job.doc.get("_task")
        if not task or doc.get("_sockets"):
            return
        if reason := await self._refusal(doc):
            self._say(doc, reason)
            await job.send("Refused", Reason=reason)
            return
        made = await self._task(job, task)
        if key := made.env.get("AWS_ACCESS_KEY_ID"):
            await job.send("Keyed", Task=task, Key=key)
        await servings.submit(self.platform, job, made, GRACE)

    async def retire(self, job: Job) -> None:
        """Let requests under way end, then stop the tasks that have to go."""
        retiring: dict[str, list[str]] = job.doc.get("_retiring", {})
        await self.servers.leave([path for sockets in retiring.values() for path in sockets or ()], DRAIN)
        await servings.stop(self.platform, job, retiring, GRACE)

    async def forget(self, job: Job) -> None:
        await servings.forget(self.platform, job)

    async def erase(self, job: Job) -> None:
        """Experiments, runs and models go with their server; the artifacts in S3 stay, they are the user's."""
        await self.platform.compute.erase(job.doc["_id"])
        await job.send("Erased")

    async def apply(self, job: Job) -> None:
        await job.send("Applied")

    # -- parts

    async def _refusal(self, doc: dict[str, Any]) -> str:
        try:
            self.platform.images.resolve(f"{IMAGE}:{doc['MlflowVersion']}")
        except UnknownImage as error:
            return f"ClientError: {error}"
        if why := await jobs.write_refusal(self.platform, doc["RoleArn"], doc["ArtifactStoreUri"]):
            return f"ClientError: {doc['RoleArn']} cannot write to {doc['ArtifactStoreUri']} ({why})"
        return ""

    def _say(self, doc: dict[str, Any], reason: str) -> None:
        """Descriptions have no member for a reason: the server's log does."""
        group, stream = log_place(doc)
        self.platform.logs.append(group, stream, [LogEvent(int(self.platform.clock() * 1000), reason)])

    async def _task(self, job: Job, task: str) -> Task:
        doc = job.doc
        env = await jobs.container_environment(
            self.platform, job.record, doc["RoleArn"], isolated=False, session="MlflowServer", seconds=FOREVER
        )
        group, stream = log_place(doc)
        cores = CORES[doc.get("TrackingServerSize", "Small")]
        return Task(
            id=task,
            kind="serve",
            beside=True,
            image=f"{IMAGE}:{doc['MlflowVersion']}",
            argv=["serve"],
            env=env | {
                "SAGEWRIGHT_MLFLOW_STORE": f"sqlite:///{STORE}/mlflow.db",
                "SAGEWRIGHT_MLFLOW_ARTIFACTS": s3_uri(doc["ArtifactStoreUri"]).rstrip("/"),
            },
            volumes={STORE: doc["_id"]},
            limits=Limits(memory=int(cores / 2 * MEMORY), cpus=cores, grace=GRACE),
            hostname="mlflow",
            log_group=group,
            log_stream=stream,
            usage_namespace=group,
            usage_dimensions={"Server": arn_of(doc).rsplit("/", 1)[-1]},
            startup_seconds=STARTUP,
        )


"""Carries out the instructions of notebook instances: their task, and in the end their volume."""

from __future__ import annotations

from ....resources import jobs, servings
from ....resources.platform import Platform
from ....runtime.reconciler import Job
from ....wire.errors import DomainError
from .. import lab
from ..keys import Keys
from ..repositories import CodeRepositories, named
from .lifecycle import APPLY, ERASE, FORGET, NOUN, RETIRE, START, WATCH
from .resources import BASE, CONFIG, script

HOME, FOLDER = "/home/sagewright", "/home/ec2-user/SageMaker"
"""The folder persists, the home does not."""
LOGS = "/aws/sagemaker/NotebookInstances"
SESSION = "SageMaker"
EVERY = 60.0
"""Seconds between two looks at the keys of an instance."""


class InstanceExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform, keys: Keys, repositories: CodeRepositories) -> None:
        self.platform, self.keys, self.repositories = platform, keys, repositories

    def install(self) -> None:
        for name, run in (
            (START, self.start), (RETIRE, self.retire), (FORGET, self.forget), (WATCH, self.watch), (APPLY, self.apply), (ERASE, self.erase),
        ):
            self.platform.reconciler.executor(NOUN, name, run)

    async def start(self, job: Job) -> None:
        doc, task = job.doc, job.doc.get("_task")
        if not task or doc.get("_sockets"):
            return
        env = await jobs.container_environment(self.platform, job.record, None, isolated=False, session="", seconds=0.0)
        try:
            env |= self.repositories.environment(await self.repositories.meant(job.record.scope, named(doc)), FOLDER)
            files = self.repositories.files() | await self.keys.files(job, task, doc["NotebookInstanceArn"], doc["RoleArn"], SESSION)
            scripts = await self._scripts(job)
        except DomainError as error:
            await job.send("Refused", Reason=f"ClientError: {error.message}")
            return
        made = lab.task(
            task, tag="latest", instance_type=doc["InstanceType"], env=env, files=files, home=HOME, root=FOLDER, base=BASE,
            metadata={"ResourceArn": doc["NotebookInstanceArn"], "ResourceName": doc["NotebookInstanceName"]},
            volumes={FOLDER: doc["_prefix"]}, group=LOGS, stream=doc["NotebookInstanceName"], main="jupyter.log", scripts=scripts,
        )
        await servings.submit(self.platform, job, made, lab.GRACE)

    async def retire(self, job: Job) -> None:
        await servings.stop(self.platform, job, list(job.doc.get("_retiring", {})), lab.GRACE)

    async def forget(self, job: Job) -> None:
        await servings.forget(self.platform, job)

    async def watch(self, job: Job) -> None:
        task = job.args["Task"]
        if task == job.doc.get("_task"):
            await self.keys.renew(job, task, job.doc["NotebookInstanceArn"], job.doc["RoleArn"], SESSION)
            await job.send("Watch", Task=task, After=EVERY)

    async def apply(self, job: Job) -> None:
        await job.send("Applied")

    async def erase(self, job: Job) -> None:
        self.keys.forget(job.doc["NotebookInstanceArn"])
        await self.platform.compute.erase(job.doc["_prefix"])
        await job.send("Erased")

    async def _scripts(self, job: Job) -> list[lab.Script]:
        """OnCreate until the instance has come into service once, OnStart each time."""
        name = job.doc.get("NotebookInstanceLifecycleConfigName")
        config = await self.platform.records.get(CONFIG, job.record.scope, name.lower()) if name else None
        hooks = ["OnStart"] if job.doc.get("_created") else ["OnCreate", "OnStart"]
        texts = {hook: script(config.doc.get(hook, [])) for hook in hooks} if config else {}
        return [lab.Script(f"LifecycleConfig{hook}", text, cwd="/") for hook, text in texts.items() if text]

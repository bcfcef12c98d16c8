"""Carries out a tuning job's instructions, and brings what happens to its training jobs to its driver."""

from __future__ import annotations

from ...resources.platform import Platform
from ...runtime.box import Box
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.records import Query, Record
from ...wire.errors import DomainError
from ...wire.types import Principal
from . import trials
from .driver import Driver
from .lifecycle import CLEAN, RELEASE, RUN, SAMPLE
from .sampler import sample

NOUN = "HyperParameterTuningJob"


class TuningExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._boxes: dict[str, Box] = {}
        """By the tuning job's ARN."""

    def install(self) -> None:
        for name, run in ((RUN, self.run), (SAMPLE, self.sample), (RELEASE, self.release), (CLEAN, self.clean)):
            self.platform.reconciler.executor(NOUN, name, run)
        self.platform.reconciler.listen(self.heard)

    async def heard(self, record: Record, event: Event) -> None:
        """After every transition of this server."""
        if record.kind == "TrainingJob":
            arn = record.doc.get("_source", "")
        elif record.kind == NOUN and event.name != "Tally":
            arn = record.doc["HyperParameterTuningJobArn"]
        else:
            return
        if box := self._boxes.get(arn):
            box.put(record, event)

    async def run(self, job: Job) -> None:
        """From a start of the server to the tuning job's end. The box is there before anything is read: nothing is missed."""
        arn = job.doc["HyperParameterTuningJobArn"]
        box = self._boxes[arn] = Box()
        try:
            fresh = await self.platform.records.get(job.record.kind, job.record.scope, job.record.key)
            if fresh is None or self.platform.reconciler.settled(fresh):
                return
            await Driver(self.platform, Job(job.work, fresh, job.reconciler), box).run()
        finally:
            del self._boxes[arn]

    async def sample(self, job: Job) -> None:
        await sample(self.platform, job)

    async def release(self, job: Job) -> None:
        await self.platform.tasks.forget(job.args["Task"])

    async def clean(self, job: Job) -> None:
        """The sampler goes. Trials still run only where the driver itself has failed: they are stopped."""
        if task := job.doc.get("_sampler", {}).get("Task"):
            await self.platform.tasks.forget(task)
        record = job.record
        query = Query(parent=record.key, statuses=("InProgress", "Stopping"), limit=100_000)
        for trial in await self.platform.records.find(trials.KIND, record.scope, query):
            account, region = record.scope.split("/", 1)
            service = Principal(arn=f"arn:aws:iam::{account}:root", account=account, kind="service")
            try:
                await self.platform.api.call("sagemaker", "StopTrainingJob", {"TrainingJobName": trial.name}, service, region)
            except DomainError:
                continue

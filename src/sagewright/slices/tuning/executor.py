"""Carries out a tuning job's instructions, and brings what happens to its training jobs to its driver."""

from __future__ import annotations

from ...resources.platform import Platform
from ...runtime.box import Boxes
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
        self._boxes = Boxes()

    def install(self) -> None:
        for name, run in ((RUN, self.run), (SAMPLE, self.sample), (RELEASE, self.release), (CLEAN, self.clean)):
            self.platform.reconciler.executor(NOUN, name, run)
        self.platform.reconciler.listen(self.heard)

    async def heard(self, record: Record, event: Event) -> None:
        """After every transition of this server."""
        if record.kind == "TrainingJob":
            self._boxes.put(record.doc.get("_source", ""), record, event)
        elif record.kind == NOUN and event.name != "Tally":
            self._boxes.put(record.doc["HyperParameterTuningJobArn"], record, event)

    async def run(self, job: Job) -> None:
        """From a start of the server to the tuning job's end. The box is there before anything is read: nothing is missed."""
        with self._boxes.opened(job.doc["HyperParameterTuningJobArn"]) as box:
            if (fresh := await job.fresh()) is not None:
                await Driver(self.platform, fresh, box).run()

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

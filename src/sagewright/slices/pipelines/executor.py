"""Carries out executions, and brings what happens to their jobs to their drivers."""

from __future__ import annotations

import contextlib

from ...resources.platform import Platform
from ...runtime.box import Boxes
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.records import Conflict, Put, Query, Record
from ...wire.errors import DomainError
from .driver import Driver, service
from .kinds import KINDS, UPDATED, Made
from .lifecycle import ABANDON, FAILED, RUN
from .plan import ACTIVE
from .records import EXECUTION, STEP


class PipelineExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._boxes = Boxes()

    def install(self) -> None:
        self.platform.reconciler.executor(EXECUTION, RUN, self.run)
        self.platform.reconciler.executor(EXECUTION, ABANDON, self.abandon)
        self.platform.reconciler.listen(self.heard)

    async def heard(self, record: Record, event: Event) -> None:
        """After every transition of this server."""
        if record.kind == EXECUTION:
            if event.name != "Tally":
                self._boxes.put(record.doc["PipelineExecutionArn"], record, event)
        elif record.kind in UPDATED:  # whoever made it, another execution may be waiting for its update, or for one that is deleted
            self._boxes.put_all(record, event)
        elif self.platform.reconciler.settled(record):
            self._boxes.put(record.doc.get("_source", ""), record, event)

    async def run(self, job: Job) -> None:
        """From a start of the server to the execution's end. The box is there before anything is read: nothing is missed."""
        with self._boxes.opened(job.doc["PipelineExecutionArn"]) as box:  # a retry may begin before this one is closed
            if (fresh := await job.fresh()) is not None:
                await Driver(self.platform, fresh, box).run()

    async def abandon(self, job: Job) -> None:
        """End the steps of an execution that its driver has left, unless it is in another round since."""
        record, records = job.record, self.platform.records
        account, region = record.scope.split("/", 1)
        for step in await records.find(STEP, record.scope, Query(parent=record.key, statuses=ACTIVE, limit=100_000)):
            fresh = await records.get(record.kind, record.scope, record.key)
            if fresh is None or fresh.doc["_round"] != job.args["Round"]:
                return
            kind = KINDS[step.doc["_type"]]
            if isinstance(kind, Made) and kind.stops:
                with contextlib.suppress(DomainError):  # one that has ended, or never was
                    request = {kind.name: step.doc["_made"]}
                    await self.platform.api.call("sagemaker", f"Stop{kind.noun}", request, service(account), region, record.doc["PipelineExecutionArn"])
            doc = {k: v for k, v in step.doc.items() if k != "_again"} | {
                "StepStatus": FAILED, "EndTime": self.platform.clock(), "FailureReason": record.doc.get("FailureReason", ""),
            }
            put = Put(STEP, step.scope, step.key, doc, step.version, FAILED, step.name, step.parent, step.created)
            with contextlib.suppress(Conflict):  # a retry has taken it away
                await self.platform.reconciler.commit(put)

"""Carries out executions, and brings what happens to their jobs to their drivers."""

from __future__ import annotations

from ...resources.platform import Platform
from ...runtime.box import Box
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.records import Record
from .driver import Driver
from .kinds import UPDATED
from .lifecycle import RUN
from .records import EXECUTION


class PipelineExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._boxes: dict[str, Box] = {}
        """By the execution's ARN."""

    def install(self) -> None:
        self.platform.reconciler.executor(EXECUTION, RUN, self.run)
        self.platform.reconciler.listen(self.heard)

    async def heard(self, record: Record, event: Event) -> None:
        """After every transition of this server."""
        if record.kind == EXECUTION:
            arns = [record.doc["PipelineExecutionArn"]] if event.name != "Tally" else []
        elif record.kind in UPDATED:  # whoever made it, another execution may be waiting for its update, or for one that is deleted
            arns = list(self._boxes)
        elif not self.platform.reconciler.settled(record):
            arns = []
        else:
            arns = [record.doc.get("_source", "")]
        for arn in arns:
            if box := self._boxes.get(arn):
                box.put(record, event)

    async def run(self, job: Job) -> None:
        """From a start of the server to the execution's end. The box is there before anything is read: nothing is missed."""
        arn = job.doc["PipelineExecutionArn"]
        box = self._boxes[arn] = Box()
        try:
            fresh = await self.platform.records.get(job.record.kind, job.record.scope, job.record.key)
            if fresh is None or self.platform.reconciler.settled(fresh):
                return
            await Driver(self.platform, Job(job.work, fresh, job.reconciler), box).run()
        finally:
            if self._boxes.get(arn) is box:  # a retry may have begun since
                del self._boxes[arn]

"""The verbs that are more than a document."""

from __future__ import annotations

from ...resources.desk import Desk
from ...wire.types import Call


class ProcessingOperations:
    """Verbs of processing jobs on one platform."""

    def __init__(self, jobs: Desk) -> None:
        self.jobs = jobs

    def install(self) -> None:
        bind = self.jobs.platform.operations.bind
        bind("sagemaker", "StopProcessingJob", self.stop, resources=self.jobs.arns)

    async def stop(self, call: Call) -> None:
        """SIGTERM to every host's processes, SIGKILL 120 s later; what the outputs' folders hold is stored."""
        await self.jobs.send(await self.jobs.find(call), "Stop")

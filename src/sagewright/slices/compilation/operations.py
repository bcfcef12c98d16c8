"""The verbs that are more than a document."""

from __future__ import annotations

from ...resources.desk import Desk
from ...wire.types import Call


class CompilationOperations:
    """Verbs of compilation jobs on one platform."""

    def __init__(self, jobs: Desk) -> None:
        self.jobs = jobs

    def install(self) -> None:
        bind = self.jobs.platform.operations.bind
        bind("sagemaker", "StopCompilationJob", self.stop, resources=self.jobs.arns)

    async def stop(self, call: Call) -> None:
        """SIGTERM to the compiler, SIGKILL 120 s later; nothing is stored."""
        await self.jobs.send(await self.jobs.find(call), "Stop")

"""The verbs that are more than a document."""

from __future__ import annotations

from ...resources.desk import Desk
from ...wire.types import Call


class TrainingOperations:
    """Verbs of training jobs on one platform."""

    def __init__(self, jobs: Desk) -> None:
        self.jobs = jobs

    def install(self) -> None:
        bind = self.jobs.platform.operations.bind
        bind("sagemaker", "StopTrainingJob", self.stop, resources=self.jobs.arns)

    async def stop(self, call: Call) -> None:
        """SIGTERM to every host's processes, SIGKILL 120 s later; what is in /opt/ml/model is kept."""
        await self.jobs.send(await self.jobs.find(call), "Stop")

"""The verbs that are more than a document."""

from __future__ import annotations

from ...resources.desk import Desk
from ...wire.types import Call


class TransformOperations:
    """Verbs of transform jobs on one platform."""

    def __init__(self, jobs: Desk) -> None:
        self.jobs = jobs

    def install(self) -> None:
        self.jobs.platform.operations.bind("sagemaker", "StopTransformJob", self.stop, resources=self.jobs.arns)

    async def stop(self, call: Call) -> None:
        """Stop the pump and the containers; the job's results so far are removed, as AWS keeps none either."""
        await self.jobs.send(await self.jobs.find(call), "Stop")

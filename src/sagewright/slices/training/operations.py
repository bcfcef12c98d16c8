"""The verbs that are more than a document."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Any

from ...resources.desk import Desk
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Query
from ...wire.types import Call

UPDATED = ("ProfilerConfig", "ProfilerRuleConfigurations", "ResourceConfig", "RemoteDebugConfig")


class TrainingOperations:
    """Verbs of training jobs on one platform."""

    def __init__(self, jobs: Desk) -> None:
        self.jobs = jobs
        self._kept: set[asyncio.Task[None]] = set()

    def install(self) -> None:
        bind = self.jobs.platform.operations.bind
        self.jobs.platform.starters.append(self.watch)
        bind("sagemaker", "StopTrainingJob", self.stop, resources=self.jobs.arns)
        bind("sagemaker", "UpdateTrainingJob", self.update, resources=self.jobs.arns)

    async def stop(self, call: Call) -> None:
        """SIGTERM to every host's processes, SIGKILL 120 s later; what is in /opt/ml/model is kept."""
        await self.jobs.send(await self.jobs.find(call), "Stop")

    async def update(self, call: Call) -> dict[str, Any]:
        """The warm pool's time, the profiler and remote debugging, nothing else."""
        record = await self.jobs.find(call)
        changes = {member: value for member, value in call.params.items() if member in UPDATED}
        await self.jobs.send(record, "Update", Changes=changes)
        return {"TrainingJobArn": record.doc["TrainingJobArn"]}

    # -- interruptions that an operator makes

    async def watch(self) -> None:
        """SIGUSR1 interrupts every spot job that runs."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(RuntimeError, ValueError):  # a server inside another program does not own its signals
            loop.add_signal_handler(signal.SIGUSR1, self._signalled)

    def _signalled(self) -> None:
        task = asyncio.create_task(self.interrupt_all(), name="interrupt spot jobs")
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def interrupt_all(self) -> None:
        """Reclaim the capacity of every spot job."""
        running = Query(statuses=("InProgress",), limit=100_000)
        for record in await self.jobs.platform.records.find("TrainingJob", None, running):
            with contextlib.suppress(ImpossibleTransition):
                await self.jobs.platform.reconciler.send(record.kind, record.scope, record.key, Event("Interrupt"))

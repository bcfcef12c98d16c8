"""Carries out the instructions of apps: start the task that runs one, end it, look after it meanwhile.

What a task is, a runner of the app's type says (``resources/apps.py``); how it begins and ends is the same for all.
"""

from __future__ import annotations

from ...resources import servings
from ...resources.apps import APP, REFUSED, AppRunner
from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...wire.errors import DomainError
from .lifecycle import CLEAR, EXPIRE, FORGET, RETIRE, START, WATCH

GRACE = 20.0
"""Seconds between SIGTERM and SIGKILL: notebooks save meanwhile."""


class AppExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        for name, run in (
            (START, self.start), (RETIRE, self.retire), (FORGET, self.forget), (WATCH, self.watch), (CLEAR, self.clear),
            (EXPIRE, self.expire),
        ):
            self.platform.reconciler.executor(APP, name, run)

    async def start(self, job: Job) -> None:
        task = job.doc.get("_task")
        if not task or job.doc.get("_sockets"):
            return
        runner = self._runner(job)
        if runner is None:
            await job.send(REFUSED, Reason=f"ClientError: apps of type {job.doc['AppType']} cannot run on this server: nothing here runs them.")
            return
        try:
            made = await runner.task(job, task)
        except DomainError as error:
            await job.send(REFUSED, Reason=f"ClientError: {error.message}")
            return
        if key := made.env.get("AWS_ACCESS_KEY_ID"):
            await job.send("Keyed", Task=task, Key=key)
        await servings.submit(self.platform, job, made, GRACE)

    async def retire(self, job: Job) -> None:
        await servings.stop(self.platform, job, list(job.doc.get("_retiring", {})), GRACE)

    async def forget(self, job: Job) -> None:
        await servings.forget(self.platform, job)

    async def watch(self, job: Job) -> None:
        runner = self._runner(job)
        if runner is None or job.args["Task"] != job.doc.get("_task"):
            return
        again = await runner.watch(job)
        if again is not None:
            await job.send("Watch", Task=job.args["Task"], After=again)

    async def clear(self, job: Job) -> None:
        if runner := self._runner(job):
            await runner.clear(job)
        await job.send("Cleared")

    async def expire(self, job: Job) -> None:
        await job.send("Expire", Serial=job.args["Serial"])

    def _runner(self, job: Job) -> AppRunner | None:
        return self.platform.app_runners.get(job.doc["AppType"])

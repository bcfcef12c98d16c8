"""How serving tasks of any resource begin and end: stopped and heard of, then forgotten with their keys."""

from __future__ import annotations

from collections.abc import Collection

from ..runtime.reconciler import Job
from ..stores.compute import Task
from .platform import Platform
from .tasks import LAST


async def stop(platform: Platform, job: Job, tasks: Collection[str], grace: float) -> None:
    """SIGTERM to tasks that nobody asks any more, SIGKILL after ``grace`` seconds; each is told as ``Finished``."""
    for task in tasks:
        await platform.tasks.stop(task, grace)
    for task in tasks:
        reports = await platform.compute.reports(task)
        if not reports or reports[-1].name in LAST:
            # it never began, or its last report came before it had to go
            await job.send("Finished", Task=task)


async def submit(platform: Platform, job: Job, task: Task, grace: float) -> None:
    """Start the task of a resource; one that the resource has given up meanwhile is ended again."""
    await platform.tasks.submit(job.record, task)
    record = await platform.records.get(job.record.kind, job.record.scope, job.record.key)
    if record is None:
        await platform.tasks.forget(task.id)
    elif task.id in record.doc.get("_retiring", {}):
        await platform.tasks.stop(task.id, grace)


async def forget(platform: Platform, job: Job) -> None:
    """Remove the task that the instruction names, and the keys that the record's ``_keys`` has of it."""
    task = job.args["Task"]
    await platform.tasks.forget(task)
    if platform.identity:
        for key in job.doc.get("_keys", {}).get(task, ()):
            await platform.identity.revoke(key)
    await job.send("Forgotten", Task=task)

"""How serving tasks of any resource end: stopped and heard of, then forgotten with their keys."""

from __future__ import annotations

from collections.abc import Collection

from ..runtime.reconciler import Job
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


async def forget(platform: Platform, job: Job) -> None:
    """Remove the task that the instruction names, and the keys that the record's ``_keys`` has of it."""
    task = job.args["Task"]
    await platform.tasks.forget(task)
    if platform.identity:
        for key in job.doc.get("_keys", {}).get(task, ()):
            await platform.identity.revoke(key)
    await job.send("Forgotten", Task=task)

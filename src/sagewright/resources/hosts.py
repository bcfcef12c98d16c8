"""Jobs that run one task a host: what their lifecycles keep of the hosts, and the executors they share.

The document keeps its hosts in ``_tasks``: task id → {"Host", "Phase", ...}, with the phases
Waiting → Staging → Running → Exited → Ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..runtime.lifecycle import Event, Rule
from ..runtime.reconciler import Job
from ..stores.compute import Task
from ..stores.records import Record
from .platform import Platform

Hosts = dict[str, dict[str, Any]]

EXTRA = 3 * 86_400.0
"""Seconds that a job's keys stay good beyond its runtime limit, which begins with its program: it may wait for room on a cluster,
and what it reads and leaves may be large. They end with the job."""


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a job."""

    name: str
    instance_type: str
    group: str
    """Of the instance group that it belongs to."""


# -- for lifecycles: pure


def submitted(event: Event) -> Hosts:
    """``_tasks`` of a Submitting event, whose ``Tasks`` is {host: task id}."""
    return {task: {"Host": host, "Phase": "Waiting"} for host, task in event.data["Tasks"].items()}


def keyed(doc: dict[str, Any], event: Event) -> dict[str, Any]:
    """``_access_keys`` after a Submitting event: those that Clean revokes.

    A launch that runs again after a crash has made another key, and the tasks that were submitted before go on with theirs.
    """
    key = event.data.get("AccessKey")
    return {"_access_keys": [*doc.get("_access_keys", ()), key]} if key else {}


def moved(doc: dict[str, Any], event: Event, phase: str, **more: Any) -> Hosts:
    """``_tasks`` after a report of the event's task."""
    tasks = {k: dict(v) for k, v in doc.get("_tasks", {}).items()}
    tasks[event.data["Task"]].update(Phase=phase, **more)
    return tasks


def of_its_own(rule: Rule) -> Rule:
    """The rule for reports of the job's tasks alone: one of an attempt that is over may still come late."""
    return lambda doc, event, now: rule(doc, event, now) if event.data["Task"] in doc.get("_tasks", {}) else None


def everywhere(tasks: Hosts, *phases: str) -> bool:
    """Whether every host is in one of the phases."""
    return all(t["Phase"] in phases for t in tasks.values())


# -- for executors


def names(count: int) -> list[str]:
    """algo-1 … algo-N."""
    return [f"algo-{n + 1}" for n in range(count)]


def task_ids(prefix: str, name: str, created: float, hosts: list[str]) -> dict[str, str]:
    """Host → task id. A job's name may be used again once it is deleted; a task's may not, so the id has the time."""
    return {host: f"{prefix}-{name.lower()}-{int(created * 1000)}-{host}" for host in hosts}


def _among(task: Task, tasks: dict[str, str]) -> Task:
    """The task with its peers, if it has any."""
    return replace(task, peers=list(tasks), meeting=next(iter(tasks.values()))) if len(tasks) > 1 else task


class HostTasks:
    """The executors Launch (its second half), Halt and Clean on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def launch(
        self, job: Job, tasks: dict[str, str], make: Callable[[str, str], Task], *, stopping: str, access_key: str = "",
        evicting: tuple[str, ...] = (), **about: Any,
    ) -> None:
        """Write down which tasks the job has, then submit ``make(host, task id)`` of each.

        A job that was stopped meanwhile gets no task, or has the ones it got stopped at once.

        Args:
            stopping: the lifecycle's state while a stop is carried out.
            access_key: of the job's temporary keys, which Clean revokes.
            evicting: the states in which these tasks are being given up, whatever they have made.
            about: what the event Submitting says besides.
        """
        await job.send("Submitting", Tasks=tasks, AccessKey=access_key or None, **about)
        record = await self._record(job)
        if access_key and (record is None or access_key not in record.doc.get("_access_keys", ())):
            await self._revoke([access_key])  # nobody would: the job was stopped, or has got on, meanwhile
        for host, task in tasks.items():
            if record is None or self._over(record, tasks.values()):
                break
            if record.doc["_tasks"][task].get("Phase", "Waiting") != "Waiting":
                continue  # an earlier launch has submitted it; it may have ended since, and be removed by now
            await self.platform.tasks.submit(job.record, _among(make(host, task), tasks), [access_key] if access_key else [])
            record = await self._record(job)
        await self.heed(job, tasks.values(), stopping=stopping, evicting=evicting)

    async def heed(self, job: Job, tasks: Iterable[str], *, stopping: str, evicting: tuple[str, ...] = ()) -> None:
        """See to it that tasks know of what has become of their job while they were submitted: nobody else has told them.

        A launch that was killed before this does it when it is carried out again.
        """
        record, tasks = await self._record(job), list(tasks)
        for task in tasks:
            if record is None or self._over(record, tasks):
                await self.platform.tasks.forget(task)
            elif (state := record.doc["_state"]) == stopping or state in evicting or record.doc.get("_failure"):
                # a host that failed before the last was submitted: that one has not heard of it
                await self.platform.tasks.stop(task, self.platform.settings.stop_grace, discard=state in evicting)

    async def _record(self, job: Job) -> Record | None:
        return await self.platform.records.get(job.record.kind, job.record.scope, job.record.key)

    def _over(self, record: Record | None, tasks: Iterable[str]) -> bool:
        """Whether the job has no use for these tasks any more: it has ended, or is at another attempt."""
        return record is None or self.platform.reconciler.settled(record) or set(record.doc.get("_tasks", ())) != set(tasks)

    async def halt(self, job: Job) -> None:
        """Stop what still runs; a job of which nothing is left hears Withdrawn."""
        tasks: Hosts = job.doc.get("_tasks", {})
        if everywhere(tasks, "Ended"):
            await job.send("Withdrawn")
        for task, about in tasks.items():
            if about["Phase"] not in ("Exited", "Ended"):
                await self.platform.tasks.stop(task, self.platform.settings.stop_grace)

    async def evict(self, job: Job) -> None:
        """Have the tasks of ``Tasks`` end within the grace of a stop; only what they store while they run is kept."""
        for task in job.args["Tasks"]:
            await self.platform.tasks.stop(task, self.platform.settings.stop_grace, discard=True)

    async def forget(self, job: Job) -> None:
        """Remove the tasks of ``Tasks`` and end their keys, then tell of it: Cleared, with the same ``Attempt``."""
        await self._remove(job.args["Tasks"], job.args["AccessKeys"])
        await job.send("Cleared", Attempt=job.args["Attempt"])

    async def clean(self, job: Job) -> None:
        """Remove the tasks and end the job's keys."""
        await self._remove(job.doc.get("_tasks", ()), job.doc.get("_access_keys", ()))

    async def _remove(self, tasks: Iterable[str], access_keys: Iterable[str]) -> None:
        for task in tasks:
            await self.platform.tasks.forget(task)
        await self._revoke(access_keys)

    async def _revoke(self, access_keys: Iterable[str]) -> None:
        if self.platform.identity:
            for key in access_keys:
                await self.platform.identity.revoke(key)

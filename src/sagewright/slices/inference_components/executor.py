"""Carries out a component's instructions: place its copies, start them, watch an update's batches, drain and stop what goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...gateway import model as models
from ...resources import jobs, servings
from ...resources.alarms import Alarms
from ...resources.instances import instance
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.compute import Limits, Task
from ...stores.records import Record
from .balancer import KIND, Balancer
from .copies import BAKING
from .lifecycle import BAKE, EXPIRE, FORGET, PLACE, RETIRE, START, WATCH, alarm_names, expected, log_group, log_stream
from .pool import STARTING, specification
from .request import startup
from .routing import Router

DRAIN = 60.0
"""Seconds that requests under way get before their copy is stopped: an invocation's own limit."""
GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL for a serving container."""


class ComponentExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform, balancer: Balancer, router: Router, alarms: Alarms) -> None:
        self.platform, self.balancer, self.router, self.alarms = platform, balancer, router, alarms

    def install(self) -> None:
        for name, run in (
            (PLACE, self.place), (START, self.start), (RETIRE, self.retire), (FORGET, self.forget),
            (WATCH, self.watch), (BAKE, self.bake), (EXPIRE, self.expire),
        ):
            self.platform.reconciler.executor(KIND, name, run)

    async def place(self, job: Job) -> None:
        """Find places for the copies that wait."""
        await self.balancer.balance(job.record.scope, job.doc["EndpointName"].lower())
        await job.send("Looked")

    async def start(self, job: Job) -> None:
        """Check what only the platform can know, then submit the copies that have a place and do not run yet."""
        record = await self._now(job)
        if record is None:
            return
        refused: set[str] = set()
        for task, about in record.doc["_copies"].items():
            revision = about["Revision"]
            if about["Phase"] != STARTING or revision in refused:
                continue
            spec = specification(record.doc["_specs"][revision], about["Type"])
            assert spec is not None  # pool.balance places no other
            if reason := await models.refusal(self.platform, spec["_about"]):
                refused.add(revision)
                await job.send("Refused", Revision=revision, Reason=reason)
                continue
            made = await self._task(record, task, about["Type"], spec)
            if key := made.env.get("AWS_ACCESS_KEY_ID"):
                await job.send("Keyed", Task=task, Key=key)
            await self.platform.tasks.submit(record, made)
        await self._withdraw(job, record)

    async def retire(self, job: Job) -> None:
        """Let requests under way end, then stop the copies that have to go."""
        record = await self._now(job)
        if record is None:
            return
        self.router.apply(record)  # this may run before the change that asked for it is told to the router
        retiring: dict[str, dict[str, Any]] = record.doc.get("_retiring", {})
        await self.router.routes.retire([path for about in retiring.values() for path in about["Sockets"]], DRAIN)
        await servings.stop(self.platform, job, retiring, GRACE)

    async def forget(self, job: Job) -> None:
        await servings.forget(self.platform, job)

    # -- an update's steps

    async def watch(self, job: Job) -> None:
        """Look at the alarms from a batch's beginning until its time is over."""
        while (record := await self._watched(job)) is not None:
            if reason := await self._alarmed(record):
                await job.send("Tripped", Reason=reason, **job.args)
                return
            await self.alarms.change()

    async def bake(self, job: Job) -> None:
        """A batch's time is over: one more look at the alarms decides."""
        if (record := await self._watched(job)) is None:
            return
        if reason := await self._alarmed(record):
            await job.send("Tripped", Reason=reason, **job.args)
        else:
            await job.send("Baked", **job.args)

    async def expire(self, job: Job) -> None:
        reason = "The update took longer than MaximumExecutionTimeoutInSeconds. It was rolled back."
        await job.send("Tripped", Reason=reason, **job.args)

    # -- parts

    async def _now(self, job: Job) -> Record | None:
        return await self.platform.records.get(job.record.kind, job.record.scope, job.record.key)

    async def _watched(self, job: Job) -> Record | None:
        """The component as it is now; None if it is not at the step that the instruction is about any more."""
        record = await self._now(job)
        if record is None or not expected(record.doc, Event("", job.args)):
            return None
        return record if record.doc["_update"]["Phase"] == BAKING else None

    async def _alarmed(self, record: Record) -> str:
        """Why an update's alarms want it to be rolled back; empty if they do not."""
        update = record.doc["_update"]
        region = record.scope.split("/", 1)[1]
        reason = await self.alarms.gone_off(alarm_names(update["Config"]), update["Caller"] or {}, region)
        return f"{reason} The update was rolled back." if reason else ""

    async def _withdraw(self, job: Job, before: Record) -> None:
        """The component may have been changed or deleted meanwhile: stop what nobody wants any more."""
        record = await self._now(job)
        doc: dict[str, Any] = record.doc if record else {}
        for task in before.doc["_copies"]:
            if task in doc.get("_retiring", {}):
                await self.platform.tasks.stop(task, GRACE)
            elif task not in doc.get("_copies", {}):
                await self.platform.tasks.forget(task)

    async def _task(self, record: Record, task: str, kind: str, spec: Mapping[str, Any]) -> Task:
        doc, about = record.doc, spec["_about"]
        container = about["Container"]
        given = models.environment(container)
        env = await jobs.container_environment(
            self.platform, record, about["Role"], isolated=about["Isolated"],
            session=models.instance_id(task), seconds=models.FOREVER,
        )
        limits = limited(jobs.limits(kind, seconds=0.0, grace=GRACE), spec["ComputeResourceRequirements"])
        return Task(
            id=task,
            kind="serve",
            image=container["Image"],
            argv=["serve"],
            env=env | given,
            directories=[models.MODEL],
            inputs=models.inputs(container),
            limits=limits,
            isolated=about["Isolated"],
            hostname=container.get("ContainerHostname", "container-1"),
            log_group=log_group(doc),
            log_stream=log_stream(doc, task),
            usage_namespace="/aws/sagemaker/InferenceComponents",
            usage_dimensions={"InferenceComponentName": doc["InferenceComponentName"]},
            workers=workers(given, kind, limits),
            startup_seconds=startup(spec),
        )


def limited(whole: Limits, needs: Mapping[str, Any]) -> Limits:
    """What a copy may use of an instance: the cores and accelerators it reserves, and memory up to its maximum.

    Without a maximum a copy may use what the instance has, as it can where nothing else runs; what it reserves is a promise to
    it, no limit.
    """
    most = needs.get("MaxMemoryRequiredInMb")
    return replace(
        whole,
        cpus=min(float(needs.get("NumberOfCpuCoresRequired", whole.cpus)), whole.cpus),
        memory=min(most << 20, whole.memory) if most else whole.memory,
        gpus=round(needs.get("NumberOfAcceleratorDevicesRequired", 0)),
    )


def workers(env: Mapping[str, str], kind: str, limits: Limits) -> int:
    """How many processes a copy has: SAGEMAKER_MODEL_SERVER_WORKERS, else one a core that it reserves."""
    said = env.get("SAGEMAKER_MODEL_SERVER_WORKERS", "")
    return max(1, int(said)) if said.isdigit() else max(1, min(int(limits.cpus), instance(kind).cores))

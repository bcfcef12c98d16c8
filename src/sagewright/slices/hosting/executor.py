"""Carries out an endpoint's instructions: start a deployment's tasks, watch its steps, replace lost ones, drain and stop old ones."""

from __future__ import annotations

from typing import Any

from ...gateway import model as models
from ...gateway import multimodel
from ...gateway.instances import instance as several
from ...resources import jobs, servings
from ...resources.alarms import Alarms
from ...resources.platform import Platform
from ...runtime.lifecycle import Event
from ...runtime.reconciler import Job
from ...stores.compute import Task
from ...stores.records import Record
from . import policy, rollout, serverless
from .fleet import WAITING, Fleet, variant_of
from .lifecycle import log_group, log_stream
from .routing import Router
from .states import BAKE, DEPLOY, EXPIRE, FORGET, LEAVE, RESTORE, RETIRE, ROLLBACK_FAILED, SETTLE, UPDATING, WATCH

DRAIN = 60.0
"""Seconds that requests under way get before their instance is stopped: an invocation's own limit."""
GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL for a serving container."""


class EndpointExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform, router: Router, alarms: Alarms) -> None:
        self.platform, self.router, self.alarms = platform, router, alarms

    def install(self) -> None:
        for name, run in (
            (DEPLOY, self.deploy), (RESTORE, self.restore), (RETIRE, self.retire), (FORGET, self.forget), (WATCH, self.watch),
            (BAKE, self.bake), (EXPIRE, self.expire), (LEAVE, self.leave), (SETTLE, self.settle),
        ):
            self.platform.reconciler.executor("Endpoint", name, run)

    async def deploy(self, job: Job) -> None:
        """Check what only the platform can know, then submit the tasks that do not run yet."""
        after: Fleet | None = job.doc.get("_next")
        if not after:
            return
        if job.doc["_state"] == UPDATING and not rollout.current(job.doc)["Step"] and (reason := await self._alarmed(job.record)):
            await job.send("Refused", Reason=f"{reason} The deployment was not started.")
            return
        for variant in after["Variants"]:
            if "Components" in variant:
                if reason := await models.uncaptured(self.platform, variant):
                    await job.send("Refused", Reason=f"{reason} (production variant {variant['Name']})")
                    return
                continue
            size = {"InstanceType": variant["InstanceType"], "InstanceCount": variant["Count"]}
            if reason := jobs.capacity_refusal(self.platform, size) or await models.refusal(self.platform, variant):
                await job.send("Refused", Reason=f"{reason} (production variant {variant['Name']})")
                return
        await self._submit(job, after)
        await job.send("Submitted")
        await self._withdraw(job, after)

    async def restore(self, job: Job) -> None:
        """Submit what takes the place of lost or stopped instances."""
        mixed = "_next" if job.doc["_state"] == ROLLBACK_FAILED else "_mixed"
        for member in ("_fleet", mixed):
            if serving := job.doc.get(member):
                await self._submit(job, serving)
                await self._withdraw(job, serving)

    async def retire(self, job: Job) -> None:
        """Let requests under way end, then stop the tasks that have to go."""
        retiring: dict[str, list[str]] = job.doc.get("_retiring", {})
        record = await self.platform.records.get(job.record.kind, job.record.scope, job.record.key)
        if record is not None:
            self.router.apply(record)  # this may run before the change that asked for it is told to the router
            for servant in self.platform.servants.values():
                await servant.drain(record, [path for sockets in retiring.values() for path in sockets], DRAIN)
        await self.router.routes.retire([path for sockets in retiring.values() for path in sockets], DRAIN)
        await servings.stop(self.platform, job, retiring, GRACE)

    async def forget(self, job: Job) -> None:
        await servings.forget(self.platform, job)

    # -- a deployment's steps

    async def watch(self, job: Job) -> None:
        """Look at the alarms from a step's beginning until it is over."""
        while (record := await self._watched(job)) is not None:
            if reason := await self._alarmed(record):
                await job.send("Tripped", Reason=_rolled_back(reason), **job.args)
                return
            await self.alarms.change()

    async def bake(self, job: Job) -> None:
        """A step's time is over: one more look at the alarms decides."""
        if (record := await self._watched(job)) is None:
            return
        if reason := await self._alarmed(record):
            await job.send("Tripped", Reason=_rolled_back(reason), **job.args)
        else:
            await job.send("Baked", **job.args)

    async def expire(self, job: Job) -> None:
        await job.send("TimedOut", **job.args)

    async def leave(self, job: Job) -> None:
        await job.send("Left", **job.args)

    async def settle(self, job: Job) -> None:
        """Every request goes to the old fleet as soon as the route says so."""
        await job.send("Settled", **job.args)

    # -- parts

    async def _watched(self, job: Job) -> Record | None:
        """The endpoint as it is now; None if it is not at the step that the instruction is about any more."""
        record = await self.platform.records.get(job.record.kind, job.record.scope, job.record.key)
        if record is None or record.doc["_state"] != UPDATING or not rollout.expected(record.doc, Event("", job.args)):
            return None
        return record if rollout.current(record.doc)["Phase"] == rollout.BAKING else None

    async def _alarmed(self, record: Record) -> str:
        """Why the deployment's alarms want it to be rolled back; empty if they do not."""
        deployment = rollout.current(record.doc)
        names = policy.alarm_names(deployment["Config"])
        return await self.alarms.gone_off(names, deployment["Caller"] or {}, record.scope.split("/", 1)[1])

    async def _submit(self, job: Job, deployment: Fleet) -> None:
        """Start the waiting tasks of a deployment."""
        for task, about in deployment["Tasks"].items():
            if about["Phase"] == WAITING:
                made = await self._task(job.record, deployment, task)
                if key := made.env.get("AWS_ACCESS_KEY_ID"):
                    await job.send("Keyed", Task=task, Key=key)
                await self.platform.tasks.submit(job.record, made)

    async def _withdraw(self, job: Job, deployment: Fleet) -> None:
        """The endpoint may have been changed or deleted meanwhile: stop what nobody wants any more."""
        record = await self.platform.records.get(job.record.kind, job.record.scope, job.record.key)
        doc: dict[str, Any] = record.doc if record else {}
        wanted = {t for member in ("_fleet", "_next", "_mixed") if doc.get(member) for t in doc[member]["Tasks"]}
        wanted |= set(doc.get("_leaving", ()))
        for task in deployment["Tasks"]:
            if task in doc.get("_retiring", {}):
                await self.platform.tasks.stop(task, GRACE)
            elif task not in wanted:
                await self.platform.tasks.forget(task)

    async def _task(self, record: Record, deployment: Fleet, task: str) -> Task:
        doc, variant = record.doc, variant_of(deployment, task)
        container, instance = variant["Container"], variant["InstanceType"]
        given = models.environment(container)
        env = await jobs.container_environment(
            self.platform, record, variant["Role"], isolated=variant["Isolated"],
            session=models.instance_id(task), seconds=models.FOREVER,
        )
        made = Task(
            id=task,
            kind="serve",
            image=container["Image"],
            argv=["serve"],
            env=env | given,
            directories=[models.MODEL],
            inputs=models.inputs(container),
            limits=jobs.limits(instance, seconds=0.0, grace=GRACE),
            isolated=variant["Isolated"],
            hostname=container.get("ContainerHostname", "container-1"),
            log_group=log_group(doc),
            log_stream=log_stream(variant["Name"], task),
            usage_namespace="/aws/sagemaker/Endpoints",
            usage_dimensions={"EndpointName": doc["EndpointName"], "VariantName": variant["Name"]},
            workers=models.workers(given, instance),
            models=multimodel.models(container, instance),
            startup_seconds=float(variant["Startup"]),
        )
        made = several(made, variant, instance, env=env)
        return serverless.task(made, variant, self.platform.settings.serverless_idle) if "Serverless" in variant else made


def _rolled_back(reason: str) -> str:
    return f"{reason} The deployment was rolled back."

"""Carries out an experiment's instructions: through the public API, with the rights of its role.

Each may run again after a crash in its middle: configurations have names that follow from the experiment, and whether an
update is still needed is read from the endpoint itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ...resources.platform import Platform
from ...runtime.reconciler import Job
from ...stores.records import Record
from ...wire.errors import DomainError
from . import plans
from .states import BEGIN, DEPLOY, FINISH, PREPARE, RESTORE, RUNNING, SCALE, UPDATING, WATCH

SETTLED = ("InService", "Failed", "OutOfService", "UpdateRollbackFailed")
LOOK = 3600.0
"""Seconds between two looks at an endpoint that does not change."""


class Gone(Exception):
    """The endpoint does not exist any more."""


class ExperimentExecutor:
    """Executors of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def install(self) -> None:
        for name, run in (
            (PREPARE, self.prepare), (BEGIN, self.begin), (DEPLOY, self.deploy), (WATCH, self.watch), (SCALE, self.scale),
            (FINISH, self.finish), (RESTORE, self.restore),
        ):
            self.platform.reconciler.executor("InferenceExperiment", name, run)

    async def prepare(self, job: Job) -> None:
        await job.send("Prepared")

    async def begin(self, job: Job) -> None:
        await job.send("Begin", **job.args)

    async def finish(self, job: Job) -> None:
        await job.send("Finish", **job.args)

    async def deploy(self, job: Job) -> None:
        """Give the endpoint its shadow."""
        config = plans.running(job.doc)
        try:
            endpoint = await self._settled(job.record)
        except (DomainError, Gone) as error:
            await job.send("Ended", Reason=f"The experiment could not begin: {error}")
            return
        before, now = job.doc["_before"], endpoint["EndpointConfigName"]
        if now not in (before["Config"], config["EndpointConfigName"]):
            reason = f"The endpoint was updated from the endpoint configuration {before['Config']} to {now} before the experiment began."
            await job.send("Ended", Reason=reason)
            return
        if not before["Given"]:  # it may have been scaled since
            source = next(v for v in endpoint["ProductionVariants"] if v["VariantName"] == plans.source(job.doc))
            config["ProductionVariants"][0]["InitialInstanceCount"] = max(1, source["DesiredInstanceCount"])
        reason = await self._move(job.record, config["EndpointConfigName"], config, {})
        if reason:
            await job.send("Ended", Reason=f"The shadow variant could not be deployed: {reason}")
        else:
            await job.send("Deployed")

    async def scale(self, job: Job) -> None:
        """Another share of the requests."""
        weights = [{"VariantName": plans.shadow(job.doc), "DesiredWeight": plans.weight(job.doc)}]
        try:
            await self._settled(job.record)
            await self._ask(job.record, "UpdateEndpointWeightsAndCapacities", DesiredWeightsAndCapacities=weights)
            await self._settled(job.record)
        except (DomainError, Gone) as error:
            await job.send("Ended", Reason=f"The share of the shadow variant could not be changed: {error}")
            return
        await job.send("Scaled")

    async def restore(self, job: Job) -> None:
        """Leave the endpoint as the experiment's end wants it."""
        doc = job.doc
        if plans.stays(doc):
            await job.send("Restored")
            return
        config = plans.stopped(doc)
        if config is None and not await self._exists(job.record, doc["_before"]["Config"]):
            config = {**plans.running(doc), "EndpointConfigName": plans.config_name(doc, "end")}
            config.pop("ShadowProductionVariants")
            config.pop("DataCaptureConfig", None)
            if capture := doc["_before"].get("Capture"):
                config["DataCaptureConfig"] = capture
        more: dict[str, Any] = {}
        if config is None:  # what was scaled before or meanwhile stays so, unless the experiment itself said how many
            excluded = ["DataCaptureConfig", *(["DesiredInstanceCount"] if doc["_before"]["Given"] else [])]
            more = {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": one} for one in excluded],
            }
        reason = await self._move(job.record, config["EndpointConfigName"] if config else doc["_before"]["Config"], config, more)
        if reason:
            await job.send("Ended", Reason=f"The endpoint could not be updated at the end of the experiment: {reason}")
        else:
            await job.send("Restored")

    async def watch(self, job: Job) -> None:
        """See that the endpoint stays the experiment's, from its start to its end."""
        changes, mine = self.platform.reconciler.changes, plans.config_name(job.doc, "run")
        record = job.record
        while True:
            waiters = [changes.waiter("Endpoint", record.scope, job.doc["EndpointName"].lower()), changes.waiter(record.kind, record.scope, record.key)]
            try:
                fresh = await self.platform.records.get(record.kind, record.scope, record.key)
                if fresh is None or fresh.doc["_state"] not in (RUNNING, UPDATING):
                    return
                try:
                    endpoint = await self._look(record)
                except Gone:
                    await job.send("Ended", Reason="The endpoint of the experiment was deleted.")
                    return
                if endpoint["EndpointStatus"] in SETTLED and endpoint["EndpointConfigName"] != mine:
                    other = endpoint["EndpointConfigName"]
                    await job.send("Ended", Reason=f"The endpoint was updated to the endpoint configuration {other} from outside the experiment.")
                    return
                await asyncio.wait(waiters, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for waiter in waiters:
                    waiter.cancel()
            if changes.closed:  # the server goes down: the next one watches on
                await asyncio.Event().wait()

    # -- parts

    async def _move(self, record: Record, name: str, config: dict[str, Any] | None, more: dict[str, Any]) -> str:
        """Bring the endpoint to a configuration, which is made first if it is given; why that failed, empty if it did not."""
        try:
            endpoint = await self._settled(record)
            if endpoint["EndpointConfigName"] != name:
                if config is not None and not await self._exists(record, name):
                    await self._call(record, "CreateEndpointConfig", config)
                await self._ask(record, "UpdateEndpoint", EndpointConfigName=name, **more)
                endpoint = await self._settled(record)
        except Gone:
            return f"Endpoint {record.doc['EndpointName']} does not exist any more."
        except DomainError as error:
            return error.message
        if endpoint["EndpointConfigName"] == name and endpoint["EndpointStatus"] == "InService":
            return ""
        return str(endpoint.get("FailureReason") or f"The endpoint is {endpoint['EndpointStatus']}.")

    async def _settled(self, record: Record) -> dict[str, Any]:
        """The endpoint once nothing is under way with it. Raises Gone."""
        changes = self.platform.reconciler.changes
        while True:
            waiter = changes.waiter("Endpoint", record.scope, record.doc["EndpointName"].lower())
            try:
                endpoint = await self._look(record)
            except BaseException:
                waiter.cancel()
                raise
            if endpoint["EndpointStatus"] in SETTLED:
                waiter.cancel()
                return endpoint
            await changes.wait(waiter, LOOK)
            if changes.closed:  # the server goes down: the next one looks again
                await asyncio.Event().wait()

    async def _look(self, record: Record) -> dict[str, Any]:
        try:
            return await self._ask(record, "DescribeEndpoint")
        except DomainError as error:
            if "Could not find" in error.message:
                raise Gone(error.message) from None
            raise

    async def _exists(self, record: Record, config: str) -> bool:
        try:
            await self._call(record, "DescribeEndpointConfig", {"EndpointConfigName": config})
        except DomainError as error:
            if "Could not find" in error.message:
                return False
            raise
        return True

    async def _ask(self, record: Record, operation: str, **params: Any) -> dict[str, Any]:
        return await self._call(record, operation, {"EndpointName": record.doc["EndpointName"], **params})

    async def _call(self, record: Record, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        assert self.platform.identity is not None
        who = await self.platform.identity.role_principal(record.doc["RoleArn"], "InferenceExperiment")
        region = record.scope.split("/", 1)[1]
        return await self.platform.api.call("sagemaker", operation, params, who, region, source=record.doc["Arn"])

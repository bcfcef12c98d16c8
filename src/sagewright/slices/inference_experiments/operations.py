"""The verbs that are more than a document."""

from __future__ import annotations

import contextlib
from typing import Any

from ...resources.desk import Desk
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Record
from ...wire.errors import DomainError, InUse, Invalid
from ...wire.types import Call
from . import plans, request
from .states import COMPLETED, CREATED

EDITABLE = ("Description", "Schedule", "ModelVariants", "DataStorageConfig", "ShadowModeConfig")


class ExperimentOperations:
    """Verbs of experiments on one platform."""

    def __init__(self, experiments: Desk) -> None:
        self.experiments, self.platform = experiments, experiments.platform

    def install(self) -> None:
        for name, verb in (
            ("DescribeInferenceExperiment", self.describe), ("StartInferenceExperiment", self.start), ("StopInferenceExperiment", self.stop),
            ("UpdateInferenceExperiment", self.update), ("DeleteInferenceExperiment", self.delete),
        ):
            self.platform.operations.bind("sagemaker", name, verb, resources=self.experiments.arns)

    async def describe(self, call: Call) -> dict[str, Any]:
        """The experiment, and how its endpoint is."""
        view = await self.experiments.describe(call)
        doc = (await self.experiments.find(call)).doc
        metadata = {"EndpointName": doc["EndpointName"]}
        if self.platform.identity is not None:
            with contextlib.suppress(DomainError):  # it is gone, or the role may not look at it: the experiment is told all the same
                who = await self.platform.identity.role_principal(doc["RoleArn"], "InferenceExperiment")
                found = await self.platform.api.call("sagemaker", "DescribeEndpoint", dict(metadata), who, call.region)
                metadata |= {m: found[m] for m in ("EndpointConfigName", "EndpointStatus", "FailureReason") if m in found}
        return {**view, "EndpointMetadata": metadata}

    async def start(self, call: Call) -> dict[str, Any]:
        """Do not wait for the scheduled time."""
        return await self._send(await self.experiments.find(call), "Start")

    async def stop(self, call: Call) -> dict[str, Any]:
        """Leave the endpoint with what the actions say."""
        params, record = call.params, await self.experiments.find(call)
        doc = record.doc
        actions, desired = params["ModelVariantActions"], params.get("DesiredModelVariants", [])
        source, shadow = plans.source(doc), plans.shadow(doc)
        if unknown := set(actions) - {source, shadow}:
            raise Invalid(f"ModelVariantActions names {min(unknown)}, which is no variant of the experiment: those are {source} and {shadow}.")
        actions = {source: "Retain", shadow: "Remove", **actions}
        if actions[source] == "Promote":
            raise Invalid(f"Variant {source} is the production variant: it can be retained or removed, not promoted.")
        if (actions[source] == "Remove") != (actions[shadow] == "Promote"):
            raise Invalid(
                f"Of {source} and {shadow} one must be the production variant: promote the shadow and remove the production variant, "
                "or retain the production variant and remove or retain the shadow."
            )
        for variant in desired:
            known = next((v for v in doc["ModelVariants"] if v["VariantName"] == variant["VariantName"]), None)
            if known is None or actions[variant["VariantName"]] == "Remove":
                raise Invalid(f"DesiredModelVariants describes {variant['VariantName']}, which does not stay.")
            if known["ModelName"] != variant["ModelName"]:
                raise Invalid(f"Variant {variant['VariantName']} has model {known['ModelName']}, not {variant['ModelName']}.")
            if variant["InfrastructureConfig"]["RealTimeInferenceConfig"]["InstanceCount"] < 1:
                raise Invalid(f"Variant {variant['VariantName']}: InstanceCount must be at least 1.")
        state = params.get("DesiredState", COMPLETED)
        return await self._send(record, "Stop", Actions=actions, Desired=desired, State=state, Reason=params.get("Reason", ""))

    async def update(self, call: Call) -> dict[str, Any]:
        """Anything before it begins; description, end and share while it runs."""
        params, record = call.params, await self.experiments.find(call)
        changes = {member: params[member] for member in EDITABLE if member in params}
        doc = {**record.doc, **changes}
        now, waiting = self.platform.clock(), record.doc["_state"] == CREATED
        if "Schedule" in changes:
            changes["Schedule"] = self._schedule(record, changes["Schedule"], waiting, now)
        if waiting:
            request.check_storage(doc)
            if {"ModelVariants", "ShadowModeConfig"} & changes.keys():
                await request.check_variants(self.platform, call, doc)
                changes |= {member: doc[member] for member in ("ModelVariants", "_before")}
        else:
            for member in ("ModelVariants", "DataStorageConfig"):
                if member in changes and changes[member] != record.doc.get(member):
                    raise Invalid(f"{member} of an inference experiment cannot be changed once it has begun.")
                changes.pop(member, None)
            if "ShadowModeConfig" in changes:
                request.check_share(doc)
                if (plans.source(doc), plans.shadow(doc)) != (plans.source(record.doc), plans.shadow(record.doc)):
                    raise Invalid("The variants of an inference experiment cannot be changed once it has begun; SamplingPercentage can.")
        return await self._send(record, "Change", Changes=changes)

    def _schedule(self, record: Record, given: dict[str, Any], waiting: bool, now: float) -> dict[str, float]:
        old = record.doc["Schedule"]
        if not waiting and abs(float(given.get("StartTime") or old["StartTime"]) - old["StartTime"]) >= 1:
            raise Invalid("The StartTime of an inference experiment cannot be changed once it has begun.")
        merged = {**old, **given} if waiting else {**old, **given, "StartTime": old["StartTime"]}
        return request.schedule(merged, now)

    async def delete(self, call: Call) -> dict[str, Any]:
        """What is known of the experiment goes; its endpoint and models stay."""
        return await self._send(await self.experiments.find(call), "Delete")

    async def _send(self, record: Record, event: str, **data: Any) -> dict[str, Any]:
        try:
            await self.platform.reconciler.send(record.kind, record.scope, record.key, Event(event, data))
        except ImpossibleTransition as error:
            verb = {"Start": "started", "Stop": "stopped", "Change": "updated", "Delete": "deleted"}[event]
            raise InUse(f"The inference experiment {record.doc['Arn']} is {error.state} and cannot be {verb}.") from None
        return {"InferenceExperimentArn": record.doc["Arn"]}

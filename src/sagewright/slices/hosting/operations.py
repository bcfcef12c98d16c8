"""The verbs that are more than a document."""

from __future__ import annotations

from typing import Any

from ...resources.alarms import Alarms, caller
from ...resources.desk import Desk
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Query, Record
from ...wire.errors import Invalid
from ...wire.types import Call
from . import components, policy, serverless
from .fleet import asynchronous
from .fleet import retain as retained
from .request import deployment, unique


class EndpointOperations:
    """Verbs of endpoints on one platform."""

    def __init__(self, endpoints: Desk, alarms: Alarms) -> None:
        self.endpoints, self.platform, self.alarms = endpoints, endpoints.platform, alarms

    def install(self) -> None:
        for name, verb in (
            ("UpdateEndpoint", self.update),
            ("UpdateEndpointWeightsAndCapacities", self.scale),
            ("DeleteEndpoint", self.delete),
        ):
            self.platform.operations.bind("sagemaker", name, verb, resources=self.endpoints.arns)

    async def update(self, call: Call) -> dict[str, Any]:
        """Deploy another configuration as the DeploymentConfig says; without one, beside what serves, then all at once."""
        params = call.params
        record = await self.endpoints.find(call)
        excluded = [one["VariantPropertyType"] for one in params.get("ExcludeRetainedVariantProperties", ())]
        retain = params.get("RetainAllVariantProperties", False)
        if excluded and not retain:
            raise Invalid("ExcludeRetainedVariantProperties needs RetainAllVariantProperties.")
        config = params["EndpointConfigName"]
        variants = await deployment(self.platform, call, config, "UpdateEndpoint")
        if record.doc["_state"] == "InService" and record.doc["EndpointConfigName"].lower() == config.lower():
            raise Invalid(
                f'Cannot update endpoint "{record.doc["EndpointArn"]}" to endpoint configuration "{config}", which it uses already. '
                "Create another endpoint configuration."
            )
        given = params.get("DeploymentConfig")
        if params.get("RetainDeploymentConfig"):
            if given:
                raise Invalid("Specify either DeploymentConfig or RetainDeploymentConfig, not both.")
            given = record.doc.get("LastDeploymentConfig")
        serving = record.doc.get("_fleet")
        serverless.check_update(record.doc["EndpointArn"], serving, variants, given)
        components.check_update(record.doc["EndpointArn"], serving, variants, {doc["VariantName"] for doc in await self._held(record)})
        policy.check(given, retained(variants, serving, excluded) if retain and serving else variants)
        await self.alarms.check(call, policy.alarm_names(given))
        return await self._change(
            record, "Update", Config=config, Variants=variants, Retain=retain, Excluded=excluded, Given=given, Caller=caller(call.principal)
        )

    async def scale(self, call: Call) -> dict[str, Any]:
        """Other weights at once; other counts as soon as the new instances answer."""
        desired = call.params["DesiredWeightsAndCapacities"]
        record = await self.endpoints.find(call)
        unique((d["VariantName"] for d in desired), "variant name")
        known = {v["Name"]: v for v in record.doc["_fleet"]["Variants"]} if record.doc.get("_fleet") else None
        for one in desired:
            if known is not None and one["VariantName"] not in known:
                raise Invalid(f'Variant "{one["VariantName"]}" does not exist on endpoint "{record.doc["EndpointArn"]}".')
            if known is not None:
                serverless.check_scale(known[one["VariantName"]], one)
            if one.get("DesiredInstanceCount") == 0 and not asynchronous(record.doc) and not components.composed(record.doc.get("_fleet")):
                raise Invalid("DesiredInstanceCount must be at least 1 for a real-time variant.")
            if not one.keys() & {"DesiredInstanceCount", "DesiredWeight", "ServerlessUpdateConfig"}:
                raise Invalid("Specify DesiredWeight or DesiredInstanceCount.")
        return await self._change(record, "Scale", Desired=desired)

    async def delete(self, call: Call) -> None:
        """The endpoint answers no more; its instances are drained and stopped, then it is gone."""
        record = await self.endpoints.find(call)
        if held := await self._held(record):
            names = ", ".join(sorted(doc["InferenceComponentName"] for doc in held)[:5])
            raise Invalid(
                f'Cannot delete endpoint "{record.doc["EndpointArn"]}": it has inference components ({names}). Delete them first.'
            )
        await self._change(record, "Delete")

    async def _held(self, record: Record) -> list[dict[str, Any]]:
        """The documents of the endpoint's inference components."""
        found = await self.platform.records.find(components.KIND, record.scope, Query(parent=record.key, limit=1_000))
        return [component.doc for component in found]

    async def _change(self, record: Record, event: str, **data: Any) -> dict[str, Any]:
        where = record.doc["EndpointArn"]
        try:
            await self.platform.reconciler.send(record.kind, record.scope, record.key, Event(event, data))
        except ImpossibleTransition as error:
            if error.state == "Failed":
                raise Invalid(f'Cannot update failed endpoint "{where}". Delete it and create it anew.') from None
            verb = "delete" if event == "Delete" else "update"
            raise Invalid(f'Cannot {verb} in-progress endpoint "{where}": it is in status {error.state}.') from None
        return {"EndpointArn": where}

"""The verbs that are more than a document."""

from __future__ import annotations

from typing import Any

from ...resources.alarms import Alarms, caller
from ...resources.desk import Desk
from ...runtime.lifecycle import Event, ImpossibleTransition
from ...stores.records import Conflict, Record
from ...wire.errors import Invalid
from ...wire.types import Call, Reply
from .lifecycle import alarm_names
from .request import check_component, check_deployment, place, specifications


class ComponentOperations:
    """Verbs of components on one platform."""

    def __init__(self, components: Desk, alarms: Alarms) -> None:
        self.components, self.platform, self.alarms = components, components.platform, alarms

    def install(self) -> None:
        for name, verb in (
            ("CreateInferenceComponent", self.create),
            ("UpdateInferenceComponent", self.update),
            ("UpdateInferenceComponentRuntimeConfig", self.scale),
            ("DeleteInferenceComponent", self.delete),
        ):
            self.platform.operations.bind("sagemaker", name, verb, resources=self.components.arns)

    async def create(self, call: Call) -> Reply:
        """As the generic verb does; the component belongs to its endpoint, so that those of one endpoint are found."""
        name = call.params["InferenceComponentName"]
        doc = {**call.params, "InferenceComponentArn": self.components.arn(call, name)}
        taken = await self.platform.records.get("InferenceComponent", call.scope, name.lower())
        if taken is not None:
            raise self.components.exists(call, name)
        await check_component(self.platform, call, doc)
        result = {"InferenceComponentArn": doc["InferenceComponentArn"]}
        audit = self.platform.audit(call, result)
        try:
            await self.components.write_new(call, name, doc, *([audit] if audit else ()), parent=doc["EndpointName"].lower())
        except Conflict:
            raise self.components.exists(call, name) from None
        return Reply(result, audited=audit is not None)

    async def update(self, call: Call) -> dict[str, Any]:
        """Another specification, batch by batch if a DeploymentConfig says so; another count of copies."""
        params, record = call.params, await self.components.find(call)
        doc, config = record.doc, params.get("DeploymentConfig")
        wanted = params.get("RuntimeConfig", {}).get("CopyCount")
        if "Specification" not in params and "Specifications" not in params:
            if wanted is None:
                raise Invalid("Specify Specification, Specifications or RuntimeConfig.")
            if config:
                raise Invalid("DeploymentConfig needs a Specification: copies are added and removed at once.")
            return await self._change(record, "Scale", CopyCount=wanted)
        _, variant = await place(self.platform, call, doc)
        specs = await specifications(self.platform, call, self._completed(params, doc), variant, "UpdateInferenceComponent")
        want = doc["_want"] if wanted is None else wanted
        sizes = check_deployment(config, want)
        await self.alarms.check(call, alarm_names(config))
        return await self._change(
            record, "Update", Specifications=specs, Config=config, CopyCount=want, **sizes, Caller=caller(call.principal), Id=call.request_id,
        )

    async def scale(self, call: Call) -> dict[str, Any]:
        """Another count of copies."""
        return await self._change(await self.components.find(call), "Scale", CopyCount=call.params["DesiredRuntimeConfig"]["CopyCount"])

    async def delete(self, call: Call) -> None:
        """The component answers no more; its copies are drained and stopped, then it is gone."""
        await self._change(await self.components.find(call), "Delete")

    def _completed(self, params: dict[str, Any], doc: dict[str, Any]) -> dict[str, Any]:
        """The parameters; what a single specification leaves out stays as it is."""
        before = doc["_specs"][doc["_revision"]]
        if "Specification" not in params or len(before) > 1:
            return params
        kept = {k: v for k, v in before[0].items() if k[0] != "_"}
        if {"ModelName", "Container"} & params["Specification"].keys():
            kept = {k: v for k, v in kept.items() if k not in ("ModelName", "Container")}
        return {**params, "Specification": {**kept, **params["Specification"]}}

    async def _change(self, record: Record, event: str, **data: Any) -> dict[str, Any]:
        where = record.doc["InferenceComponentArn"]
        try:
            await self.platform.reconciler.send(record.kind, record.scope, record.key, Event(event, data))
        except ImpossibleTransition as error:
            if error.state == "Failed":
                raise Invalid(f'Cannot update failed inference component "{where}". Delete it and create it anew.') from None
            verb = "delete" if event == "Delete" else "update"
            raise Invalid(f'Cannot {verb} in-progress inference component "{where}": it is in status {error.state}.') from None
        return {"InferenceComponentArn": where}



"""InvokeEndpointAsync: a request is on disk before its caller hears of it."""

from __future__ import annotations

from ...resources.arn import arn
from ...resources.platform import Platform
from ...stores.records import Conflict
from ...wire.errors import ServiceError
from ...wire.types import Call, Reply
from .endpoints import Endpoints
from .request import made, said


class Operations:
    """The runtime verb of asynchronous endpoints on one platform."""

    def __init__(self, platform: Platform, endpoints: Endpoints) -> None:
        self.platform, self.endpoints = platform, endpoints

    def install(self) -> None:
        self.platform.operations.bind("sagemaker-runtime", "InvokeEndpointAsync", self.invoke, resources=_arns)

    async def invoke(self, call: Call) -> Reply:
        """Raises ServiceError with the runtime's codes."""
        name = call.params["EndpointName"]
        endpoint = self.endpoints.get(call.scope, name)
        if endpoint is None or not endpoint.accepts:
            raise await self._refusal(call, name)
        now = self.endpoints.moment()
        key, doc = made({**call.params, "EndpointName": endpoint.name}, endpoint.crew.output, endpoint.backlog.id, now)
        try:
            await endpoint.backlog.add(key, doc, now)
        except Conflict:
            return Reply(said(doc), 202)  # it is here already, waiting or answered
        self.endpoints.kick(endpoint)
        return Reply(said(doc), 202)

    async def _refusal(self, call: Call, name: str) -> ServiceError:
        record = await self.platform.records.get("Endpoint", call.scope, name.lower())
        if record is not None and record.doc.get("_fleet"):
            return ServiceError("ValidationError", f"Endpoint {name} is not asynchronous: invoke it by InvokeEndpoint.")
        return ServiceError("ValidationError", f"Endpoint {name} of account {call.account} not found.")


def _arns(call: Call) -> list[str]:
    return [arn("sagemaker", call.region, call.account, f"endpoint/{call.params['EndpointName'].lower()}")]

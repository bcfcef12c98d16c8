"""What can be scaled, read and changed through the API as the service's own role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...resources.platform import Platform
from ...wire.errors import DomainError, Invalid, NotImplementedHere
from ...wire.types import Principal

ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
PROVISIONED = "sagemaker:variant:DesiredProvisionedConcurrency"
COPIES = "sagemaker:inference-component:DesiredCopyCount"
WORDS = {INSTANCES: "desired instance count", PROVISIONED: "desired provisioned concurrency", COPIES: "desired copy count"}
_VARIANT = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_COMPONENT = re.compile(r"inference-component/([^/]+)")
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a resource has been told to have, and whether it has it."""

    desired: int
    reached: bool
    """Nothing is under way, and another capacity would be accepted."""
    least: int = 1
    """The smallest capacity that it can have."""
    trouble: str = ""
    """Why the last change failed."""


@dataclass(frozen=True, slots=True)
class Scalable:
    """One resource in one dimension. Raises Invalid from ``of`` for a name that does not fit the dimension."""

    dimension: str
    resource: str
    endpoint: str = ""
    variant: str = ""
    component: str = ""

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Scalable:
        if params["ServiceNamespace"] != "sagemaker":
            raise NotImplementedHere(f"Scaling of {params['ServiceNamespace']} is not implemented; the namespace sagemaker is.")
        dimension, resource = params["ScalableDimension"], params["ResourceId"]
        if dimension not in WORDS:
            raise Invalid(f"Unsupported scalable dimension for service namespace sagemaker: {dimension}")
        if dimension == COPIES:
            if match := _COMPONENT.fullmatch(resource):
                return cls(dimension, resource, component=match[1])
        elif match := _VARIANT.fullmatch(resource):
            return cls(dimension, resource, endpoint=match[1], variant=match[2])
        raise Invalid(f"Unsupported resource id for scalable dimension {dimension}: {resource}")

    @property
    def key(self) -> str:
        return f"{self.resource}|{self.dimension}"

    @property
    def record(self) -> tuple[str, str]:
        """(kind, key) of the record whose changes say that the capacity may have changed."""
        return ("InferenceComponent", self.component.lower()) if self.component else ("Endpoint", self.endpoint.lower())


class Dimensions:
    """Reads and changes capacities on one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def principal(self, scope: str) -> Principal:
        account = scope.split("/", 1)[0]
        arn = f"arn:aws:sts::{account}:assumed-role/{ROLE}/AutoScaling-UpdateDesiredCapacity"
        return Principal(arn, account, "service", name="application-autoscaling.amazonaws.com")

    async def call(self, scope: str, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """As the service-linked role. Raises DomainError as the operation does."""
        return await self.platform.api.call(service, operation, params, self.principal(scope), scope.split("/", 1)[1])

    async def read(self, scope: str, what: Scalable) -> Capacity:
        """Raises DomainError: there is no such resource, or it has no capacity in this dimension."""
        if what.component:
            about = await self.call(scope, "sagemaker", "DescribeInferenceComponent", {"InferenceComponentName": what.component})
            runtime = about.get("RuntimeConfig", {})
            desired, status = int(runtime.get("DesiredCopyCount", 0)), about["InferenceComponentStatus"]
            return Capacity(desired, status not in MOVING, 0, about.get("FailureReason", "") if status == "InService" else "")
        about = await self.call(scope, "sagemaker", "DescribeEndpoint", {"EndpointName": what.endpoint})
        variant = next((v for v in about.get("ProductionVariants", ()) if v["VariantName"] == what.variant), None)
        status = about["EndpointStatus"]
        if variant is None:
            if status in MOVING:
                return Capacity(0, False, _least(about))
            raise Invalid(f"Endpoint {what.endpoint} has no production variant {what.variant}.")
        return _variant(what, about, variant, status)

    async def write(self, scope: str, what: Scalable, capacity: int) -> None:
        """Raises DomainError: it is refused."""
        if what.component:
            params: dict[str, Any] = {"InferenceComponentName": what.component, "DesiredRuntimeConfig": {"CopyCount": capacity}}
            await self.call(scope, "sagemaker", "UpdateInferenceComponentRuntimeConfig", params)
            return
        desired: dict[str, Any] = {"VariantName": what.variant}
        if what.dimension == INSTANCES:
            desired["DesiredInstanceCount"] = capacity
        else:
            desired["ServerlessUpdateConfig"] = {"ProvisionedConcurrency": capacity}
        params = {"EndpointName": what.endpoint, "DesiredWeightsAndCapacities": [desired]}
        await self.call(scope, "sagemaker", "UpdateEndpointWeightsAndCapacities", params)

    async def check(self, scope: str, what: Scalable) -> Capacity:
        """The capacity of something that somebody wants to register. Raises Invalid."""
        try:
            return await self.read(scope, what)
        except NotImplementedHere:
            raise
        except DomainError as error:
            raise Invalid(f"{what.resource} cannot be scaled: {error.message}") from None


def _variant(what: Scalable, about: Mapping[str, Any], variant: Mapping[str, Any], status: str) -> Capacity:
    reached = status not in MOVING
    trouble = about.get("FailureReason", "")
    serverless = variant.get("DesiredServerlessConfig") or variant.get("CurrentServerlessConfig")
    if what.dimension == PROVISIONED:
        if not serverless:
            raise Invalid(f"Variant {what.variant} of endpoint {what.endpoint} is not serverless.")
        return Capacity(int(serverless.get("ProvisionedConcurrency", 0)), reached, 1, trouble)
    if serverless:
        raise Invalid(f"Variant {what.variant} of endpoint {what.endpoint} is serverless: it has no instances to scale.")
    return Capacity(int(variant["DesiredInstanceCount"]), reached, _least(about), trouble)


def _least(about: Mapping[str, Any]) -> int:
    """The fewest instances of a variant: what waits in a queue may wait for the first."""
    return 0 if "AsyncInferenceConfig" in about else 1

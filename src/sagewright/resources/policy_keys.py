"""What a policy may ask of a request besides who makes it and from where: its tags, the resource's tags, SageMaker's own keys.

The keys are those of AWS's "Actions, resources, and condition keys for Amazon SageMaker AI". Which members they are read from
is a table over names of members; maps, such as a job's environment, are the caller's own words and are not looked into.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..stores.records import Records
from ..wire.models import Models, Shape
from ..wire.types import Call, ConditionKeys
from .arn import arn
from .tags import resource_tags, tagged

if TYPE_CHECKING:
    from .desk import Desk

ANYWHERE = {
    "InstanceType": "InstanceTypes",
    "AcceleratorType": "AcceleratorTypes",
    "AcceleratorTypes": "AcceleratorTypes",
    "Subnets": "VpcSubnets",
    "SubnetId": "VpcSubnets",
    "SubnetIds": "VpcSubnets",
    "SecurityGroupIds": "VpcSecurityGroupIds",
    "SecurityGroups": "VpcSecurityGroupIds",
    "VolumeKmsKeyId": "VolumeKmsKey",
    "S3KmsKeyId": "DomainSharingOutputKmsKey",
    "EnableNetworkIsolation": "NetworkIsolation",
    "EnableInterContainerTrafficEncryption": "InterContainerTrafficEncryption",
    "MaxRuntimeInSeconds": "MaxRuntimeInSeconds",
    "RootAccess": "RootAccess",
    "DirectInternetAccess": "DirectInternetAccess",
    "SageMakerImageArn": "ImageArns",
    "ModelApprovalStatus": "ModelApprovalStatus",
}
"""Member, wherever it stands → key of the service."""
WITHIN = {
    ("", "KmsKeyId"): "VolumeKmsKey",
    ("FileSystemDataSource", "FileSystemId"): "FileSystemId",
    ("FileSystemDataSource", "FileSystemAccessMode"): "FileSystemAccessMode",
    ("FileSystemDataSource", "FileSystemType"): "FileSystemType",
    ("FileSystemDataSource", "DirectoryPath"): "FileSystemDirectoryPath",
    ("ModelLifeCycle", "Stage"): "ModelLifeCycle:stage",
    ("ModelLifeCycle", "StageStatus"): "ModelLifeCycle:stageStatus",
    ("ServerlessConfig", "MaxConcurrency"): "ServerlessMaxConcurrency",
    ("ServerlessConfig", "MemorySizeInMB"): "ServerlessMemorySize",
}
"""(Member that it stands in, empty for the request itself; member) → key."""
OF_MODELS = ("CreateEndpointConfig", "CreateTransformJob")
"""Operations whose ``ModelName`` says the key ``ModelArn``."""


class PolicyKeys:
    """Condition keys of calls, and what a call does besides its own action.

    Args:
        nouns: ARN type → desk, of the resources that can have tags.
    """

    def __init__(self, models: Models, nouns: Mapping[str, Desk], records: Records) -> None:
        self.models, self.nouns, self.records = models, nouns, records

    async def context(self, call: Call, where: str) -> ConditionKeys:
        """The keys of a call for the resource with an ARN, or ``*``."""
        return {**requested(call, self.models.operation(call.service, call.operation).input), **await self.tags(where)}

    async def tags(self, where: str) -> ConditionKeys:
        """The keys of a resource's own tags; none of what does not exist."""
        record = await tagged(self.nouns, self.records, where) if where.startswith("arn:aws:sagemaker:") else None
        return resource_tags(record.doc) if record else {}

    def besides(self, call: Call) -> tuple[str, ...]:
        """Actions that the caller needs on the same resources: tags given to what is created are ``AddTags``."""
        return ("sagemaker:AddTags",) if call.service == "sagemaker" and call.operation.startswith("Create") and call.params.get("Tags") else ()


def requested(call: Call, shape: Shape | None) -> ConditionKeys:
    """The keys that the request itself says. Pure."""
    keys: dict[str, str | tuple[str, ...]] = {}
    tags = _tags(call.params)
    keys |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if names := tuple(call.params.get("TagKeys", ())) or tuple(tags):
        keys["aws:TagKeys"] = names
    if call.service == "sagemaker" and shape is not None:
        found: dict[str, list[str]] = {}
        for key, value in _read(call, shape, call.params, ""):
            if value not in (values := found.setdefault(key, [])):
                values.append(value)
        keys |= {f"sagemaker:{key}": values[0] if len(values) == 1 else tuple(values) for key, values in found.items()}
    return keys


def _tags(params: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a request of any service, in either of the two forms that services have."""
    given = params.get("Tags") or params.get("tags") or ()
    if isinstance(given, Mapping):
        return {key: value for key, value in given.items() if isinstance(value, str)}
    return {tag["Key"]: tag.get("Value", "") for tag in given if isinstance(tag, Mapping) and "Key" in tag}


def _read(call: Call, shape: Shape, value: Any, inside: str) -> Iterator[tuple[str, str]]:
    if shape.type == "list" and shape.element is not None:
        for one in value:
            yield from _read(call, shape.element.shape, one, inside)
    if shape.type != "structure":
        return
    for name, given in value.items():
        if name not in shape.members:
            continue
        key = ANYWHERE.get(name) or WITHIN.get((inside, name)) or ("OutputKmsKey" if name == "KmsKeyId" and "Output" in inside else "")
        if key:
            yield from ((key, _word(one)) for one in (given if isinstance(given, list) else [given]))
        elif name == "ModelName" and call.operation in OF_MODELS:
            yield "ModelArn", arn("sagemaker", call.region, call.account, f"model/{given.lower()}")
        else:
            yield from _read(call, shape.members[name].shape, given, name)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

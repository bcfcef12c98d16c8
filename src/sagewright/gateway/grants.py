"""Who owns a key and whether he may invoke an endpoint, as a gateway asks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..resources.arn import arn
from ..wire.errors import DomainError
from ..wire.types import Authority, ConditionKeys

Tags = Callable[[str], Awaitable[ConditionKeys]]
"""The condition keys of the tags of the resource with an ARN."""


async def untagged(where: str) -> ConditionKeys:
    return {}


async def judged(authority: Authority | None, grant: tuple[str, ...] | list[str], tags: Tags) -> dict[str, Any]:
    """What ``Gate.told`` gets about a ``gate.Grant``; nothing when there is no such key."""
    key, region, endpoint, address, agent, target, model = grant
    found = authority.secret(key) if authority is not None else None
    if found is None or authority is None:
        return {}
    secret, token, who = found
    resource = arn("sagemaker", region, who.account, f"endpoint/{endpoint.lower()}")
    context = {
        "aws:RequestedRegion": region, "aws:SourceIp": address, "aws:UserAgent": agent,
        "aws:PrincipalArn": who.arn, "aws:PrincipalAccount": who.account,
        **({"sagemaker:TargetContainerHostname": target} if target else {}),
        **({"sagemaker:TargetModel": model} if model else {}),
        **(await tags(resource) if who.kind != "root" else {}),
    }
    allowed = True
    try:
        if who.kind != "root":
            authority.authorize(who, "sagemaker:InvokeEndpoint", resource, context)
    except DomainError:
        allowed = False
    principal = {"arn": who.arn, "account": who.account, "kind": who.kind, "access_key": who.access_key, "name": who.name}
    return {"secret": secret, "token": token, "allowed": allowed, "principal": principal}

"""What every kind of job shares: roles, the environment of its containers, names, and how a failure reads."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any

import regex

from ..stores.compute import Limits
from ..stores.records import Record
from ..wire.errors import Invalid
from ..wire.types import Call
from .arn import parse, s3_location
from .hosts import Host
from .instances import instance, shortage
from .platform import Platform

REASON = 1024
"""The longest FailureReason."""
_PREFIXED = re.compile(r"(?:ClientError|InternalServerError|CapacityError|AlgorithmError): ")
OUT_OF_MEMORY = (
    "OutOfMemory: Please use an instance type with more memory, or reduce the size of training data processed on an "
    "instance."
)


def check_role(platform: Platform, call: Call, role_arn: str) -> None:
    """The caller may pass the role to the service. Raises AccessDenied."""
    if platform.authority:
        context = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        platform.authority.authorize(call.principal, "iam:PassRole", role_arn, context)


async def check_assumable(platform: Platform, role_arn: str) -> None:
    """The role exists and trusts the service. Raises Invalid in AWS's wording."""
    if platform.identity:
        await platform.identity.role_principal(role_arn, "SageMaker")


def check_metrics(definitions: Iterable[dict[str, str]]) -> None:
    """Every metric definition's regular expression is one. Raises Invalid."""
    for definition in definitions:
        try:
            regex.compile(definition["Regex"])
        except regex.error as error:
            raise Invalid(f"The Regex of the metric definition {definition['Name']} is not a regular expression: {error}.") from None


def check_s3(*uris: str | None) -> None:
    """Every given URI is an S3 URI. Raises Invalid."""
    for uri in uris:
        if uri is not None:
            s3_location(uri)


def capacity_refusal(platform: Platform, resources: dict[str, Any]) -> str:
    """The CapacityError of instances that this machine does not have, when the setting ``capacity`` is strict."""
    if platform.settings.capacity != "strict" or platform.settings.ray:  # a cluster says itself what it has
        return ""
    groups = resources.get("InstanceGroups") or [resources]
    lacking = shortage(*((group["InstanceType"], group.get("InstanceCount", 1)) for group in groups), gpus=platform.gpus)
    return f"CapacityError: Unable to provision requested ML compute capacity: {lacking}." if lacking else ""


async def read_refusal(platform: Platform, role_arn: str, uri: str) -> str:
    """Why the role may not read what begins with the S3 URI; empty if it may."""
    return await _refusal(platform, role_arn, "s3:GetObject", uri)


async def object_refusal(platform: Platform, role_arn: str, uri: str) -> str:
    """Why the role may not read the one object of this S3 URI; empty if it may."""
    if platform.identity is None:
        return ""
    return await platform.identity.allowed(role_arn, "s3:GetObject", "arn:aws:s3:::{}/{}".format(*s3_location(uri)))


async def write_refusal(platform: Platform, role_arn: str, uri: str) -> str:
    """Why nothing could be stored below the S3 URI, as S3 would say it: the role may not, or there is no bucket. Empty if it can.

    Asked before a job begins: that its result cannot be stored is not to be found out when it is there.
    """
    if why := await _refusal(platform, role_arn, "s3:PutObject", uri):
        return f"AccessDenied: {why}"
    if await asyncio.to_thread(platform.objects.bucket, s3_location(uri)[0]) is None:
        return "NoSuchBucket: The specified bucket does not exist"
    return ""


async def delete_refusal(platform: Platform, role_arn: str, uri: str) -> str:
    """Why the role may not delete below the S3 URI; empty if it may."""
    return await _refusal(platform, role_arn, "s3:DeleteObject", uri)


async def _refusal(platform: Platform, role_arn: str, action: str, uri: str) -> str:
    if platform.identity is None:
        return ""
    bucket, key = s3_location(uri)
    whole = f"arn:aws:s3:::{bucket}/{key}"
    # a statement about the one object of that name says nothing about all that begins with it
    return await platform.identity.allowed(role_arn, action, f"{whole}*") or await platform.identity.allowed(role_arn, action, whole)


async def container_environment(
    platform: Platform, record: Record, role_arn: str | None, *, isolated: bool, session: str, seconds: float
) -> dict[str, str]:
    """Region, endpoint and, unless isolated, the role's temporary keys, as every container gets them."""
    region = record.scope.split("/", 1)[1]
    env = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    if isolated:
        return env
    env |= {
        "AWS_ENDPOINT_URL": platform.endpoint,
        "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": platform.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if role_arn and platform.identity:
        keys = await platform.identity.role_credentials(role_arn, session, seconds)
        env |= {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.session_token,
        }
    for member, variables in platform.variables.items():
        if member in record.doc:
            env |= await variables(record)
    return env


def limits(instance_type: str, *, seconds: float, grace: float) -> Limits:
    """What a container of an instance type may use."""
    size = instance(instance_type)
    return Limits(memory=size.memory, cpus=float(size.cores), gpus=size.gpus, seconds=seconds, grace=grace)


def resource_config(hosts: list[Host], current: Host) -> str:
    """``resourceconfig.json`` of one host; both spellings of the current group are in use among toolkits.

    Several hosts have an ``eth0`` each in a network of their own. One alone talks to itself, which ``lo`` does wherever it
    runs; the machine's interfaces have other names everywhere, and libraries that are told a wrong one fail.
    """
    members: dict[str, list[Host]] = {}
    for host in hosts:
        members.setdefault(host.group, []).append(host)
    return json.dumps(
        {
            "current_host": current.name,
            "current_instance_type": current.instance_type,
            "current_group_name": current.group,
            "current_instance_group": current.group,
            "hosts": sorted(host.name for host in hosts),
            "instance_groups": [
                {
                    "instance_group_name": group,
                    "instance_type": inside[0].instance_type,
                    "hosts": sorted(host.name for host in inside),
                }
                for group, inside in members.items()
            ],
            "network_interface_name": "eth0" if len(hosts) > 1 else "lo",
        }
    )


def exit_failure(data: dict[str, Any]) -> str:
    """The FailureReason of a container's non-zero exit, from its Exited report.

    The failure file's text when there is one, else the last log line says why; prefixes are AWS's.
    """
    code = data["ExitCode"]
    text = (data.get("Failure") or "").strip()
    if data.get("OutOfMemory"):
        return f"AlgorithmError: {OUT_OF_MEMORY}, exit code: {code}"[:REASON]
    if _PREFIXED.match(text):
        return text[:REASON]
    if text:
        ending = f", exit code: {code}"
        return f"AlgorithmError: {text}"[: REASON - len(ending)] + ending
    reason = f"AlgorithmError: , exit code: {code}"
    line = (data.get("LastLog") or "").strip()
    return (f'{reason}. Last log line: "{line}"' if line else reason)[:REASON]


def account_of(role_arn: str) -> str:
    return parse(role_arn).account



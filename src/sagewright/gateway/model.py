"""A deployable model: what hosting and batch transform need of a model's document to start its container."""

from __future__ import annotations

import hashlib
from typing import Any

from ..resources import jobs
from ..resources.arn import s3_uri
from ..resources.instances import instance
from ..resources.platform import Platform
from ..stores.compute import Input
from ..stores.images import UnknownImage
from ..wire.errors import NotImplementedHere
from . import containers as several
from . import multimodel
from .capture import enabled

MODEL = "/opt/ml/model"
MULTI_MODEL = ("CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint")
"""Operations that know containers of many models."""
ADDITIONAL = "/opt/ml/additional-model-data-sources"
FOREVER = 10 * 365 * 86_400.0
"""Seconds that the keys of a container are good which nothing ends by itself; they are revoked with its task."""


def deployable(model: dict[str, Any], operation: str) -> dict[str, Any]:
    """What a deployment keeps of a model's document, so that deleting the model changes nothing for it.

    Raises:
        NotImplementedHere: several models behind one endpoint.
    """
    containers = model.get("_containers") or model.get("Containers") or [model["PrimaryContainer"]]
    container = containers[0]
    if any(map(multimodel.multi, containers)) and operation not in MULTI_MODEL:
        raise NotImplementedHere(f"{operation} with a MultiModel container is not implemented.")
    return {
        "Model": model["ModelName"],
        "Container": container,
        "Role": model.get("ExecutionRoleArn"),
        "Isolated": model.get("EnableNetworkIsolation", False),
        **several.kept(model, containers),
    }


def instance_id(task: str) -> str:
    """The instance that a task stands for, as log streams name it."""
    return "i-" + hashlib.sha256(task.encode()).hexdigest()[:17]


def inputs(container: dict[str, Any]) -> list[Input]:
    """The model's files, staged before the container starts."""
    staged = []
    if (url := container.get("ModelDataUrl")) and not multimodel.multi(container):
        staged.append(Input(MODEL, s3_uri(url), type="S3Object", unpack=True, label="model"))
    elif source := container.get("ModelDataSource", {}).get("S3DataSource"):
        staged.append(_source(MODEL, source, "model"))
    more = container.get("AdditionalModelDataSources", ())
    return [*staged, *(_source(f"{ADDITIONAL}/{m['ChannelName']}", m["S3DataSource"], m["ChannelName"]) for m in more)]


def data_uris(container: dict[str, Any]) -> list[str]:
    """Every S3 location that the container's files come from."""
    uris = [staged.uri for staged in inputs(container)]
    return [multimodel.prefix(container), *uris] if multimodel.multi(container) else uris


def environment(container: dict[str, Any]) -> dict[str, str]:
    """The variables that the model itself sets."""
    env: dict[str, str] = dict(container.get("Environment", {}))
    return {**env, "SAGEMAKER_MULTI_MODEL": "true"} if multimodel.multi(container) else env


def workers(env: dict[str, str], instance_type: str) -> int:
    """How many processes serve on an instance: SAGEMAKER_MODEL_SERVER_WORKERS, else one a core."""
    said = env.get("SAGEMAKER_MODEL_SERVER_WORKERS", "")
    return max(1, int(said)) if said.isdigit() else instance(instance_type).cores


async def refusal(platform: Platform, about: dict[str, Any]) -> str:
    """Why a deployable model cannot start, as a FailureReason; empty if it can."""
    for container in several.containers(about):
        try:
            platform.images.resolve(container["Image"])
        except UnknownImage as error:
            return f"ClientError: Cannot pull {container['Image']}: {error}"
        for uri in data_uris(container) if about["Role"] else ():
            if why := await jobs.read_refusal(platform, about["Role"], uri):
                return f"ClientError: Could not access model data at {uri} (AccessDenied: {why})"
    if why := await uncaptured(platform, about):
        return why
    return await _silenced(platform, about["Role"], about["Async"]["OutputConfig"]) if "Async" in about else ""


async def uncaptured(platform: Platform, about: dict[str, Any]) -> str:
    """Why what a variant's requests leave behind could not be stored; empty if it can, or nothing is captured."""
    capture, role = about.get("Capture"), about["Role"]
    if capture is None or not enabled(capture):
        return ""
    if role is None:
        return "ClientError: Data capture needs a model with an ExecutionRoleArn."
    uri = s3_uri(capture["DestinationS3Uri"])
    why = await jobs.write_refusal(platform, role, uri)
    return f"ClientError: Could not write captured data to {uri} ({why})" if why else ""


async def _silenced(platform: Platform, role: str | None, output: dict[str, Any]) -> str:
    """Why an asynchronous endpoint could not tell its answers; empty if it can."""
    if role is None or platform.identity is None:
        return "" if role else "ClientError: An asynchronous endpoint needs a model with an ExecutionRoleArn."
    for uri in filter(None, (output.get("S3OutputPath"), output.get("S3FailurePath"))):
        if why := await jobs.write_refusal(platform, role, uri):
            return f"ClientError: Could not write answers to {uri} ({why})"
    topics = output.get("NotificationConfig", {})
    for topic in filter(None, (topics.get("SuccessTopic"), topics.get("ErrorTopic"))):
        if why := await platform.identity.allowed(role, "sns:Publish", topic):
            return f"ClientError: Could not publish to {topic} (AccessDenied: {why})"
    return ""


def died(data: dict[str, Any]) -> str:
    """What an Exited or Failed report of a serving task says, for a FailureReason."""
    if "Reason" in data:
        return str(data["Reason"]).strip()
    if data.get("OutOfMemory"):
        return f"{jobs.OUT_OF_MEMORY} (exit code {data.get('ExitCode')})"
    name = f" {data['Container']}" if "Container" in data else ""
    cause = f"The container{name} exited with code {data.get('ExitCode')}."
    for text in (data.get("Failure"), data.get("LastLog")):
        if text and text.strip():
            return f'{cause} Last log line: "{text.strip()}"'
    return cause


def _source(path: str, source: dict[str, Any], label: str) -> Input:
    uri = s3_uri(source["S3Uri"])
    if source["CompressionType"] == "Gzip":
        return Input(path, uri, type="S3Object", unpack=True, label=label)
    return Input(path, uri, type=source["S3DataType"], label=label)

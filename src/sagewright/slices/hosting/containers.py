"""Models of several containers: what their requests must mean, and how requests find a container."""

from __future__ import annotations

from typing import Any

from ...gateway.containers import DIRECT, SERIAL, containers
from ...gateway.multimodel import multi
from ...gateway.routes import Variant
from ...resources.platform import Platform
from ...stores.images import UnknownImage, unlabelled
from ...wire.errors import Invalid, NotImplementedHere, ServiceError

MOST = 15
"""Containers of a model."""
ENVIRONMENT = 32 << 10
"""Bytes that all variables of all containers may have."""


def check(platform: Platform, doc: dict[str, Any], resolved: list[dict[str, Any]]) -> None:
    """Check what CreateModel says of several containers, and fill in the mode.

    Args:
        resolved: the containers, with what their model packages say.

    Raises:
        Invalid: they cannot work together. NotImplementedHere: a multi-model container among those that requests name.
    """
    given = [c["ContainerHostname"] for c in resolved if "ContainerHostname" in c]
    if len(set(given)) < len(given):
        raise Invalid("Every ContainerHostname of a model must be unique.")
    config = doc.get("InferenceExecutionConfig")
    if len(resolved) < 2:
        if config and config["Mode"] == DIRECT:
            raise Invalid("InferenceExecutionConfig.Mode Direct needs at least two containers in Containers.")
        return
    if len(resolved) > MOST:
        raise Invalid(f"A model can have at most {MOST} containers; this one has {len(resolved)}.")
    mode = doc.setdefault("InferenceExecutionConfig", {"Mode": SERIAL})["Mode"]
    if mode == DIRECT and len(given) < len(resolved):
        raise Invalid("ContainerHostname is required for every container of a model whose InferenceExecutionConfig.Mode is Direct.")
    if given and len(given) < len(resolved):
        raise Invalid("ContainerHostname must be given for every container of an inference pipeline, or for none.")
    size = sum(len(name.encode()) + len(value.encode()) for c in resolved for name, value in c.get("Environment", {}).items())
    if size > ENVIRONMENT:
        raise Invalid(f"The Environment maps of all containers have {size} bytes together; {ENVIRONMENT} are the most.")
    many = sum(map(multi, resolved))
    if many and mode == DIRECT:
        raise NotImplementedHere("CreateModel with a MultiModel container and InferenceExecutionConfig.Mode Direct is not implemented.")
    if many > 1:
        raise Invalid(f"An inference pipeline can have one MultiModel container at most; this one has {many}.")
    for container in resolved:
        _check_image(platform, container["Image"])


def _check_image(platform: Platform, uri: str) -> None:
    """An image that is here says whether it can share an instance; one that is still to be pulled does so when it is."""
    try:
        reason = unlabelled(uri, platform.images.resolve(uri))
    except UnknownImage:
        return  # the deployment says so
    if reason:
        raise Invalid(reason)


def check_variant(config: dict[str, Any], variant: dict[str, Any], about: dict[str, Any]) -> None:
    """Raises Invalid: a variant cannot have this model of several containers."""
    name = variant["VariantName"]
    if about.get("Mode") == DIRECT and "AsyncInferenceConfig" in config:  # requests of a queue name no container
        raise Invalid(f"Variant {name}: a model whose InferenceExecutionConfig.Mode is Direct cannot be invoked asynchronously.")


def check_target(variant: Variant, endpoint: str, target: str | None) -> None:
    """Raises ServiceError: the request names a container where it cannot, or none where it must."""
    if not variant.direct:
        if target is None:
            return
        raise ServiceError(
            "ValidationError",
            f"TargetContainerHostname cannot be given: endpoint {endpoint} does not have containers that are invoked directly.",
        )
    known = ", ".join(variant.containers)
    if target is None:
        raise ServiceError("ValidationError", f"TargetContainerHostname is required: endpoint {endpoint} has the containers {known}.")
    if target not in variant.containers:
        raise ServiceError(
            "ValidationError", f"TargetContainerHostname {target} does not exist on endpoint {endpoint}; it has the containers {known}."
        )


def images(variant: dict[str, Any]) -> list[dict[str, Any]]:
    """DeployedImages of a variant."""
    return [
        {"SpecifiedImage": c["Image"], "ResolvedImage": variant.get("ResolvedImage", c["Image"]), "ResolutionTime": variant["Resolved"]}
        for c in containers(variant)
    ]

"""What hosting itself must know of serverless variants: who may have one, what a deployment keeps of it, how it is shown. Pure.

A serverless variant is one task on demand (``agent.pool``); who gets which of its instances is the serverless capability's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...stores.compute import Limits, Task
from ...wire.errors import Invalid

STEP = 1024
"""MemorySizeInMB comes in steps of this size."""
STARTUP = 180
"""Seconds until the first answered ping."""
IDLE = "SAGEWRIGHT_SERVERLESS_IDLE"
"""A model's own variable: seconds after which its idle instances stop, instead of the setting."""
NEEDS_INSTANCES = (
    "InstanceType", "InitialInstanceCount", "InstancePools", "ManagedInstanceScaling", "VolumeSizeInGB", "AcceleratorType",
    "CoreDumpConfig", "EnableSSMAccess", "CapacityReservationConfig", "InferenceAmiVersion", "RoutingConfig",
)
BESIDES = {
    "ShadowProductionVariants": "shadow variants", "AsyncInferenceConfig": "asynchronous inference", "ExplainerConfig": "explainers",
    "VpcConfig": "a VPC", "DataCaptureConfig": "data capture",
}
"""Members of CreateEndpointConfig that a serverless variant cannot have beside it, in words."""


def check(config: Mapping[str, Any], variant: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Whether a configuration's serverless variant can be deployed. ``model``: its document. Raises Invalid."""
    name, wanted = variant["VariantName"], variant["ServerlessConfig"]
    for member in NEEDS_INSTANCES:
        if member in variant:
            raise Invalid(f"Variant {name}: {member} cannot be given together with ServerlessConfig.")
    if len(config["ProductionVariants"]) > 1:
        raise Invalid(f"Variant {name} is serverless: a serverless endpoint has exactly one production variant.")
    for member, words in BESIDES.items():
        if member in config and (member != "DataCaptureConfig" or config[member].get("EnableCapture", True)):
            raise Invalid(f"Variant {name} is serverless: {words} ({member}) is not supported for serverless endpoints.")
    if config.get("EnableNetworkIsolation"):
        raise Invalid(f"Variant {name} is serverless: network isolation is not supported for serverless endpoints.")
    if wanted["MemorySizeInMB"] % STEP:
        raise Invalid(f"Variant {name}: MemorySizeInMB must be a multiple of {STEP}, from {STEP} to {6 * STEP}.")
    check_concurrency(name, wanted)
    _check_model(name, model)


def check_concurrency(name: str, wanted: Mapping[str, Any]) -> None:
    """Raises Invalid."""
    most, kept = wanted["MaxConcurrency"], wanted.get("ProvisionedConcurrency", 0)
    if kept > most:
        raise Invalid(f"Variant {name}: ProvisionedConcurrency ({kept}) cannot be greater than MaxConcurrency ({most}).")


def _check_model(name: str, model: Mapping[str, Any]) -> None:
    where = f"Variant {name} is serverless: model {model['ModelName']}"
    containers = model.get("_containers") or model.get("Containers") or [model["PrimaryContainer"]]
    if len(containers) > 1:
        raise Invalid(f"{where} has several containers, which serverless endpoints do not support.")
    if containers[0].get("Mode") == "MultiModel":
        raise Invalid(f"{where} is a multi-model container, which serverless endpoints do not support.")
    if containers[0].get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc":
        raise Invalid(f"{where} takes its image from a private registry, which serverless endpoints do not support.")
    if "VpcConfig" in model:
        raise Invalid(f"{where} has a VpcConfig, which serverless endpoints do not support.")
    if model.get("EnableNetworkIsolation"):
        raise Invalid(f"{where} has network isolation enabled, which serverless endpoints do not support.")


def check_update(arn: str, before: Mapping[str, Any] | None, after: Iterable[Mapping[str, Any]], policy: Any) -> None:
    """Whether an endpoint that serves with one fleet may get the variants of another. Raises Invalid."""
    was, will = serverless(before), any("Serverless" in v for v in after)
    if will and before is not None and not was:
        raise Invalid(
            f'Cannot update endpoint "{arn}": an endpoint with instances cannot become serverless. Create another endpoint.'
        )
    if (was or will) and policy:
        raise Invalid(f'Cannot update endpoint "{arn}" with a DeploymentConfig: it is serverless, and is updated all at once.')


def check_scale(variant: Mapping[str, Any], desired: Mapping[str, Any]) -> None:
    """Whether a variant can have what UpdateEndpointWeightsAndCapacities wants of it. Raises Invalid."""
    name, given = variant["Name"], desired.get("ServerlessUpdateConfig")
    if "Serverless" not in variant:
        if given is not None:
            raise Invalid(f"Variant {name} is not serverless: ServerlessUpdateConfig cannot be given.")
        return
    if "DesiredInstanceCount" in desired:
        raise Invalid(f"Variant {name} is serverless: it has no instances to scale. Specify ServerlessUpdateConfig.")
    if given is not None:
        if not given:
            raise Invalid(f"Variant {name}: specify MaxConcurrency or ProvisionedConcurrency in ServerlessUpdateConfig.")
        check_concurrency(name, variant["Serverless"] | given)


def serverless(fleet: Mapping[str, Any] | None) -> bool:
    """Whether a fleet's variant is serverless."""
    return any("Serverless" in v for v in (fleet or {}).get("Variants", ()))


def task(made: Task, variant: Mapping[str, Any], setting: float) -> Task:
    """The task of a serverless variant. ``setting``: seconds after which idle instances stop, unless the model says."""
    memory = variant["Serverless"]["MemorySizeInMB"]
    limits = Limits(memory=memory << 20, cpus=memory / STEP, grace=made.limits.grace)
    return replace(made, limits=limits, workers=1, on_demand=True, idle_seconds=variant.get("Idle", setting))


def kept(variant: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    """What a deployment keeps of a serverless variant: its configuration and, where the model says, its idle seconds."""
    said = container.get("Environment", {}).get(IDLE, "")
    own = {"Idle": float(said)} if re.fullmatch(r"\d+(\.\d+)?", said) else {}
    return {"Serverless": variant["ServerlessConfig"], **own}


def summary(variant: Mapping[str, Any], want: Mapping[str, Any]) -> dict[str, Any]:
    """Of a ProductionVariantSummary, what says how large the variant is."""
    return {
        "CurrentInstanceCount": 0, "CurrentServerlessConfig": variant["Serverless"], "DesiredServerlessConfig": want["Serverless"],
    }

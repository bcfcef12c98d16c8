"""What hosting itself must know of variants that hold inference components: what a deployment keeps of one, how it is shown. Pure.

Such a variant has instances, but no model and no tasks of its own: ``Components`` stands in the place of those, and the endpoint's
``_pool`` says which instances there are. What is on them is the inference components' matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...wire.errors import Invalid, NotImplementedHere

KIND = "InferenceComponent"
"""What records of components are, if somebody here has any; their parent is the endpoint's key."""
BESIDES = ("AsyncInferenceConfig", "ShadowProductionVariants")
MOST, COOLDOWN = 100, 20
"""Instances at most unless said; minutes between an endpoint's last operation and a consolidation."""


def bears(variant: Mapping[str, Any]) -> bool:
    """Whether a variant of an endpoint configuration is there for components."""
    return "ModelName" not in variant and "ServerlessConfig" not in variant


def check(config: Mapping[str, Any], known: bool) -> None:
    """Whether a configuration's variants can hold components, if they are to. ``known``: somebody here has components.

    Raises:
        Invalid, NotImplementedHere: they cannot.
    """
    bearing = [v for v in config["ProductionVariants"] if bears(v)]
    for variant in config["ProductionVariants"]:
        if "ManagedInstanceScaling" in variant and not bears(variant):
            raise Invalid(f"Variant {variant['VariantName']}: ManagedInstanceScaling is for variants of inference components, without ModelName.")
    if not bearing:
        return
    if not known:
        raise NotImplementedHere(
            f"CreateEndpointConfig without ModelName (variant {bearing[0]['VariantName']}, inference components) is not implemented."
        )
    if len(bearing) < len(config["ProductionVariants"]):
        raise Invalid(f"Variant {bearing[0]['VariantName']}: ModelName is required, unless no variant of the configuration has one.")
    if "ExecutionRoleArn" not in config:
        raise Invalid("ExecutionRoleArn is required when production variants have no ModelName.")
    for member in BESIDES:
        if member in config:
            raise Invalid(f"{member} cannot be given when production variants have no ModelName: they hold inference components.")
    for variant in bearing:
        _check_scaling(variant)


def _check_scaling(variant: Mapping[str, Any]) -> None:
    given, name = variant.get("ManagedInstanceScaling", {}), variant["VariantName"]
    least, most = given.get("MinInstanceCount", 1), given.get("MaxInstanceCount", MOST)
    if least > most:
        raise Invalid(f"Variant {name}: MinInstanceCount ({least}) cannot be greater than MaxInstanceCount ({most}).")
    first = variant.get("InitialInstanceCount", 1)
    if given.get("Status") == "ENABLED" and not least <= first <= most:
        raise Invalid(f"Variant {name}: InitialInstanceCount ({first}) must be between MinInstanceCount ({least}) and MaxInstanceCount ({most}).")


def kept(config: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    """What a deployment keeps of such a variant instead of a model."""
    given = variant.get("ManagedInstanceScaling", {})
    policy = given.get("ScaleInPolicy", {})
    return {
        "Role": config.get("ExecutionRoleArn"), "Isolated": config.get("EnableNetworkIsolation", False),
        "Components": {
            "Instances": variant.get("InitialInstanceCount", 1), "Managed": given.get("Status") == "ENABLED", "Given": given,
            "Least": given.get("MinInstanceCount", 1), "Most": given.get("MaxInstanceCount", MOST),
            "Strategy": policy.get("Strategy", "IDLE_RELEASE"), "Step": policy.get("MaximumStepSize", 1),
            "Cooldown": 60 * policy.get("CooldownInMinutes", COOLDOWN),
        },
    }


def composed(fleet: Mapping[str, Any] | None) -> bool:
    """Whether a fleet holds components."""
    return any("Components" in v for v in (fleet or {}).get("Variants", ()))


def resized(variant: Mapping[str, Any], count: int | None) -> dict[str, Any]:
    """``Components`` of a variant with another count of instances; the same if ``count`` is None."""
    about: dict[str, Any] = variant["Components"]
    return about if count is None else {**about, "Instances": count}


def check_update(arn: str, before: Mapping[str, Any] | None, after: Iterable[Mapping[str, Any]], holding: set[str]) -> None:
    """Whether an endpoint may get other variants. ``holding``: those that have components. Raises Invalid."""
    names = {v["Name"] for v in after if "Components" in v}
    if gone := sorted(holding - names):
        raise Invalid(f'Cannot update endpoint "{arn}": variant {gone[0]} has inference components. Delete them first.')
    if before is not None and composed(before) != bool(names):
        raise Invalid(f'Cannot update endpoint "{arn}": its variants {"hold" if composed(before) else "do not hold"} inference components.')


def summary(doc: Mapping[str, Any], variant: Mapping[str, Any], want: Mapping[str, Any]) -> dict[str, Any]:
    """Of a ProductionVariantSummary, what says how large the variant is."""
    about, pool = want["Components"], doc.get("_pool", {}).get(variant["Name"])
    instances = pool["Instances"] if pool else {}
    managed = sum(not one.get("Going") for one in instances.values()) if pool and about["Managed"] else None
    return {
        "CurrentInstanceCount": len(instances), "DesiredInstanceCount": about["Instances"] if managed is None else managed,
        "RoutingConfig": {"RoutingStrategy": variant["Strategy"]},
        **({"ManagedInstanceScaling": about["Given"]} if about["Given"] else {}),
    }

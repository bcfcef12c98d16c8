"""Shadow variants: what an endpoint configuration may say of them, and how much they get. Pure.

In a deployment a shadow is a variant like the others, with the production variant that it shadows as ``Shadow``.
"""

from __future__ import annotations

from typing import Any

from ...wire.errors import Invalid, NotImplementedHere


def check(doc: dict[str, Any]) -> None:
    """Raises Invalid or NotImplementedHere unless the configuration's shadow can be deployed."""
    shadows = doc.get("ShadowProductionVariants")
    if not shadows:
        doc.pop("ShadowProductionVariants", None)
        return
    variants = doc["ProductionVariants"]
    if len(shadows) > 1:
        raise Invalid("An endpoint configuration can have one shadow variant only.")
    if len(variants) > 1:
        raise Invalid("An endpoint configuration with a shadow variant can have one production variant only.")
    for variant in (*variants, *shadows):
        name = variant["VariantName"]
        if "ServerlessConfig" in variant:
            raise Invalid(f"Variant {name}: shadow variants are not supported together with serverless variants.")
        if "ModelName" not in variant:
            raise Invalid(f"Variant {name}: shadow variants are not supported together with inference components.")
    if "AsyncInferenceConfig" in doc:
        raise Invalid("Shadow variants are not supported for asynchronous endpoints.")
    if "ExplainerConfig" in doc:
        raise NotImplementedHere("CreateEndpointConfig with ShadowProductionVariants and ExplainerConfig is not implemented.")
    if not variants[0].get("InitialVariantWeight", 1.0):
        raise Invalid("A production variant with a shadow must have a weight greater than zero.")


def shadowed(config: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every variant of an endpoint configuration with what a deployment keeps of its being a shadow."""
    production = config["ProductionVariants"]
    found: list[tuple[dict[str, Any], dict[str, Any]]] = [(variant, {}) for variant in production]
    return [*found, *((v, {"Shadow": production[0]["VariantName"]}) for v in config.get("ShadowProductionVariants", ()))]


def productive(variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A deployment's variants that answer requests."""
    return [variant for variant in variants if "Shadow" not in variant]


def of(fleet: dict[str, Any], name: str) -> list[tuple[dict[str, Any], float]]:
    """The shadows of a production variant, each with its share of the variant's requests: the quotient of the weights."""
    weights = {variant["Name"]: variant["Weight"] for variant in fleet["Variants"]}
    return [
        (variant, min(1.0, variant["Weight"] / weights[name]) if weights[name] else 0.0)
        for variant in fleet["Variants"] if variant.get("Shadow") == name
    ]

"""What the requests of experiments must mean, beyond their shape."""

from __future__ import annotations

from typing import Any

from ...resources.arn import s3_location
from ...resources.jobs import check_assumable, check_role
from ...resources.platform import Platform
from ...stores.records import Query
from ...wire.errors import DomainError, InUse, Invalid
from ...wire.types import Call
from . import plans
from .states import CREATED, CREATING, OVER

LONGEST, USUAL = 30 * 86_400.0, 7 * 86_400.0
"""Seconds that an experiment may run, and does unless its schedule says."""


async def check_experiment(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Complete a new experiment's document. Raises Invalid, InUse or AccessDenied unless it can run."""
    now = platform.clock()
    doc["InferenceExperimentArn"], doc["CreationTime"] = doc["Arn"], now
    check_role(platform, call, doc["RoleArn"])
    await check_assumable(platform, doc["RoleArn"])
    doc["Schedule"] = schedule(doc.get("Schedule", {}), now)
    check_storage(doc)
    await check_variants(platform, call, doc)
    for other in await platform.records.find("InferenceExperiment", call.scope, Query(parent="", limit=1_000_000)):
        if other.doc["EndpointName"].lower() == doc["EndpointName"].lower() and other.doc["_state"] not in (*OVER, CREATING, CREATED):
            raise InUse(f"Endpoint {doc['EndpointName']} has an inference experiment already: {other.doc['Arn']}.")


def schedule(given: dict[str, Any], now: float) -> dict[str, float]:
    """Start and end, in seconds since 1970. Raises Invalid."""
    start = float(given.get("StartTime") or now)
    end = float(given.get("EndTime") or start + USUAL)
    if end <= max(start, now):
        raise Invalid("The EndTime of an inference experiment's schedule must be later than its StartTime, and in the future.")
    if end - start > LONGEST:
        raise Invalid("An inference experiment can run for 30 days at most.")
    return {"StartTime": start, "EndTime": end}


def check_storage(doc: dict[str, Any]) -> None:
    if storage := doc.get("DataStorageConfig"):
        s3_location(storage["Destination"])


def check_share(doc: dict[str, Any]) -> None:
    """Both variants have names of their own and are in ModelVariants."""
    source, shadow = plans.source(doc), plans.shadow(doc)
    if source == shadow:
        raise Invalid("The shadow variant must have another name than the production variant.")
    names = [variant["VariantName"] for variant in doc["ModelVariants"]]
    if len(set(names)) < len(names) or set(names) - {source, shadow} or shadow not in names:
        raise Invalid(f"ModelVariants must describe the shadow variant {shadow} and may describe the production variant {source}; it has {', '.join(names)}.")
    if doc["ShadowModeConfig"]["ShadowModelVariants"][0]["SamplingPercentage"] < 0:
        raise Invalid("SamplingPercentage must be between 0 and 100.")
    for variant in doc["ModelVariants"]:
        if variant["InfrastructureConfig"]["RealTimeInferenceConfig"]["InstanceCount"] < 1:
            raise Invalid(f"Variant {variant['VariantName']}: InstanceCount must be at least 1.")


async def check_variants(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Look at the endpoint, and keep what it had before. Raises Invalid."""
    check_share(doc)

    async def ask(operation: str, **params: Any) -> dict[str, Any]:
        return await platform.api.call("sagemaker", operation, params, call.principal, call.region)

    endpoint = await ask("DescribeEndpoint", EndpointName=doc["EndpointName"])
    if endpoint["EndpointStatus"] != "InService":
        raise Invalid(f"Endpoint {doc['EndpointName']} must be InService for an inference experiment, and is {endpoint['EndpointStatus']}.")
    name, source = endpoint["EndpointConfigName"], plans.source(doc)
    try:
        config = await ask("DescribeEndpointConfig", EndpointConfigName=name)
    except DomainError as error:
        raise Invalid(f"An inference experiment needs the endpoint configuration of its endpoint: {error.message}") from None
    production = config["ProductionVariants"]
    if len(production) > 1 or config.get("ShadowProductionVariants"):
        raise Invalid("An inference experiment needs an endpoint with one production variant and no shadow variant.")
    variant = production[0]
    if variant["VariantName"] != source:
        raise Invalid(f"Endpoint {doc['EndpointName']} has no production variant {source}; it has {variant['VariantName']}.")
    if "InstanceType" not in variant or "ModelName" not in variant or "AsyncInferenceConfig" in config:
        raise Invalid("An inference experiment needs a real-time endpoint with a model on instances: no serverless or asynchronous one, no inference components.")
    count = next(v["CurrentInstanceCount"] for v in endpoint["ProductionVariants"] if v["VariantName"] == source)
    given = next((v for v in doc["ModelVariants"] if v["VariantName"] == source), None)
    if given is None:
        size = {"InstanceType": variant["InstanceType"], "InstanceCount": max(1, count)}
        infrastructure = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": size}
        found = {"ModelName": variant["ModelName"], "VariantName": source, "InfrastructureConfig": infrastructure}
        doc["ModelVariants"] = [found, *doc["ModelVariants"]]
    elif given["ModelName"] != variant["ModelName"]:
        raise Invalid(f"Production variant {source} serves model {variant['ModelName']}, not {given['ModelName']}.")
    for one in doc["ModelVariants"]:
        await ask("DescribeModel", ModelName=one["ModelName"])
    doc["_before"] = {
        "Config": name, "Variant": variant, "Capture": config.get("DataCaptureConfig"), "KmsKeyId": config.get("KmsKeyId"),
        "Given": given is not None,
    }

"""What the requests of models, endpoint configurations and endpoints must mean, beyond their shape."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ...gateway import multimodel
from ...gateway.model import deployable
from ...resources.arn import s3_location, s3_uri
from ...resources.jobs import check_assumable, check_role
from ...resources.platform import Platform
from ...stores.objects import NoSuchBucket, NoSuchKey
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.types import Call
from . import capture, components, policy, serverless, shadows
from . import containers as several
from .fleet import plan

LATER = ("ExplainerConfig", "CrossRegionTrafficConfig")
"""Members of CreateEndpointConfig that are known and not built."""
VARIANT_LATER = ("InstancePools", "CapacityReservationConfig", "CoreDumpConfig",
                 "AcceleratorPartitionLayouts")
FREQUENCIES = (10, 30, 60, 120, 180, 240, 300)
"""Seconds between the metrics of an endpoint, as ``MetricsConfig`` may ask."""
STARTUP = 240
"""Seconds until the first answered ping, unless the variant says otherwise."""


# -- models


async def check_model(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Raises Invalid, NotImplementedHere or AccessDenied unless the model can be kept."""
    containers = doc.get("Containers", [])
    if ("PrimaryContainer" in doc) == bool(containers):
        raise Invalid("Specify exactly one of PrimaryContainer and Containers.")
    resolved = [found for container in containers or [doc["PrimaryContainer"]] for found in await _resolved(platform, call, container)]
    for container in resolved:
        await _check_container(platform, container)
    if resolved != (containers or [doc["PrimaryContainer"]]):
        doc["_containers"] = resolved
    several.check(platform, doc, resolved)
    doc.setdefault("EnableNetworkIsolation", False)
    if role := doc.get("ExecutionRoleArn"):
        check_role(platform, call, role)
        await check_assumable(platform, role)


async def _resolved(platform: Platform, call: Call, container: dict[str, Any]) -> list[dict[str, Any]]:
    """The container itself, or those that its model package says, each with the container's own variables on top."""
    if "ModelPackageName" not in container:
        return [container]
    where = container["ModelPackageName"]
    if "Image" in container or "ModelDataUrl" in container or "ModelDataSource" in container:
        raise Invalid("ModelPackageName cannot be given together with Image or model data.")
    package = await platform.api.call("sagemaker", "DescribeModelPackage", {"ModelPackageName": where}, call.principal, call.region)
    specification = package.get("InferenceSpecification")
    if name := container.get("InferenceSpecificationName"):
        more = {one["Name"]: one for one in package.get("AdditionalInferenceSpecifications", ())}
        if name not in more:
            raise Invalid(f"Model package {package['ModelPackageArn']} has no inference specification {name}.")
        specification = more[name]
    if not specification or not specification.get("Containers"):
        raise Invalid(f"Model package {package['ModelPackageArn']} has no InferenceSpecification to deploy.")
    taken = ("Image", "ModelDataUrl", "ModelDataSource", "AdditionalModelDataSources", "ContainerHostname")
    mine = {k: v for k, v in container.items() if k not in ("ModelPackageName", "InferenceSpecificationName")}
    found = []
    for given in specification["Containers"]:
        env = {**given.get("Environment", {}), **container.get("Environment", {})}
        found.append({k: given[k] for k in taken if k in given} | mine | ({"Environment": env} if env else {}))
    if len(found) > 1 and "ContainerHostname" in mine:
        raise Invalid(f"Model package {package['ModelPackageArn']} has several containers: ContainerHostname cannot be given.")
    return found


async def _check_container(platform: Platform, container: dict[str, Any]) -> None:
    if "Image" not in container:
        raise Invalid("Image is required in a container definition.")
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise Invalid("ModelDataUrl and ModelDataSource cannot both be given.")
    multi = container.setdefault("Mode", "SingleModel") == "MultiModel"
    if multi and ("ModelDataUrl" not in container or "ModelDataSource" in container):
        raise Invalid("A MultiModel container needs a ModelDataUrl, the S3 prefix of its models, and takes no ModelDataSource.")
    if "MultiModelConfig" in container and not multi:
        raise Invalid("MultiModelConfig needs Mode MultiModel.")
    if url := container.get("ModelDataUrl"):
        uri = s3_uri(url)
        if not multi:
            if not uri.endswith((".tar.gz", ".tgz")):
                raise Invalid(f"ModelDataUrl {url} must point to a .tar.gz archive.")
            await _check_object(platform, url)
    if source := container.get("ModelDataSource"):
        await _check_source(platform, source)
    unique((more["ChannelName"] for more in container.get("AdditionalModelDataSources", ())), "channel name of additional model data")
    for more in container.get("AdditionalModelDataSources", ()):
        await _check_source(platform, more)


async def _check_source(platform: Platform, source: dict[str, Any]) -> None:
    s3 = source.get("S3DataSource")
    if s3 is None:
        raise Invalid("S3DataSource is required in a model data source.")
    for member in ("HubAccessConfig", "ManifestS3Uri"):
        if member in s3:
            raise NotImplementedHere(f"CreateModel with {member} is not implemented.")
    s3_location(s3["S3Uri"])
    if s3["S3DataType"] == "S3Object":
        await _check_object(platform, s3["S3Uri"])
    elif s3["CompressionType"] == "Gzip":
        raise Invalid("CompressionType Gzip needs S3DataType S3Object.")
    elif not s3["S3Uri"].endswith("/"):
        raise Invalid(f"S3Uri {s3['S3Uri']} must end with a slash when S3DataType is S3Prefix.")


async def _check_object(platform: Platform, uri: str) -> None:
    try:
        if platform.settings.objects:
            await asyncio.to_thread(platform.objects.head, *s3_location(uri))
        else:
            platform.objects.head(*s3_location(uri))  # one look at the embedded index costs less than a thread
    except (NoSuchBucket, NoSuchKey):
        raise Invalid(f"Could not find model data at {uri}.") from None


# -- endpoint configurations


async def check_config(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Raises Invalid or NotImplementedHere unless the configuration can be deployed."""
    for variant in doc["ProductionVariants"]:
        if "ServerlessConfig" in variant and "Serverless" in platform.servants:
            if "ModelName" not in variant:
                raise Invalid(f"Variant {variant['VariantName']} is serverless: ModelName is required.")
            serverless.check(doc, variant, await find_model(platform, call, variant["ModelName"]))
    for member in LATER:
        if member in doc:
            raise NotImplementedHere(f"CreateEndpointConfig with {member} is not implemented.")
    if "AsyncInferenceConfig" in doc and "AsyncInferenceConfig" not in platform.admissions:
        raise NotImplementedHere("CreateEndpointConfig with AsyncInferenceConfig is not implemented.")
    components.check(doc, "Components" in platform.servants)
    capture.check(doc)
    shadows.check(doc)
    if doc.get("MetricsConfig", {}).get("EnableEnhancedMetrics"):
        raise NotImplementedHere("CreateEndpointConfig with EnableEnhancedMetrics is not implemented.")
    frequency = doc.get("MetricsConfig", {}).get("MetricPublishFrequencyInSeconds", FREQUENCIES[0])
    if frequency not in FREQUENCIES:
        raise Invalid(f"MetricPublishFrequencyInSeconds must be one of {', '.join(map(str, FREQUENCIES))}, not {frequency}.")
    seen: set[str] = set()
    for variant in (*doc["ProductionVariants"], *doc.get("ShadowProductionVariants", ())):
        if "ServerlessConfig" in variant and "Serverless" not in platform.servants:
            raise NotImplementedHere(f"CreateEndpointConfig with ServerlessConfig (variant {variant['VariantName']}) is not implemented.")
        _check_variant(variant)
        if variant["VariantName"] in seen:
            raise Invalid(f"Duplicate variant name: {variant['VariantName']}.")
        seen.add(variant["VariantName"])
        if "ModelName" in variant:
            about = deployable(await find_model(platform, call, variant["ModelName"]), "CreateEndpointConfig")
            several.check_variant(doc, variant, about)
            multimodel.check_variant(doc, variant, about)
    if len(seen) > 1 and not any(v["InitialVariantWeight"] for v in doc["ProductionVariants"]):
        raise Invalid("At least one production variant must have a weight greater than zero.")
    if role := doc.get("ExecutionRoleArn"):
        check_role(platform, call, role)


def _check_variant(variant: dict[str, Any]) -> None:
    name = variant["VariantName"]
    for member in VARIANT_LATER:
        if member in variant:
            raise NotImplementedHere(f"CreateEndpointConfig with {member} (variant {name}) is not implemented.")
    variant.setdefault("InitialVariantWeight", 1.0)
    if "ServerlessConfig" in variant:
        return
    if "InstanceType" not in variant:
        raise Invalid(f"Variant {name}: InstanceType is required.")
    variant.setdefault("InitialInstanceCount", 1)


# -- endpoints


async def find_model(platform: Platform, call: Call, name: str) -> dict[str, Any]:
    """A model's document. Raises Invalid, ``Could not find model``."""
    return (await platform.nouns["model"].find(call, name)).doc


async def deployment(platform: Platform, call: Call, config_name: str, operation: str) -> list[dict[str, Any]]:
    """The variants that an endpoint keeps of a configuration and its models.

    Raises:
        Invalid: the configuration or a model is missing.
    """
    config = (await platform.nouns["endpoint-config"].find(call, config_name)).doc
    now = platform.clock()
    variants = []
    for variant, shadow in shadows.shadowed(config):
        bears = components.bears(variant)
        about = components.kept(config, variant) if bears else deployable(await find_model(platform, call, variant["ModelName"]), operation)
        variants.append({
            **about,
            "Name": variant["VariantName"],
            "InstanceType": variant.get("InstanceType", ""),
            "Count": 0 if bears else variant.get("InitialInstanceCount", 1),
            "Weight": variant["InitialVariantWeight"],
            "Strategy": variant.get("RoutingConfig", {}).get("RoutingStrategy", "LEAST_OUTSTANDING_REQUESTS"),
            "Startup": variant.get(
                "ContainerStartupHealthCheckTimeoutInSeconds", serverless.STARTUP if "ServerlessConfig" in variant else STARTUP
            ),
            "Resolved": now,
            **(serverless.kept(variant, about["Container"]) if "ServerlessConfig" in variant else {}),
            **({"Async": config["AsyncInferenceConfig"]} if "AsyncInferenceConfig" in config else {}),
            **({"Capture": config["DataCaptureConfig"]} if "DataCaptureConfig" in config else {}),
            **shadow,
        })
    return variants


def unique(names: Iterable[str], what: str) -> None:
    """Raises Invalid if a name comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Invalid(f"Duplicate {what}: {name}.")
        seen.add(name)


async def check_endpoint(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Add the first deployment to a new endpoint's document."""
    variants = await deployment(platform, call, doc["EndpointConfigName"], "CreateEndpoint")
    given = doc.pop("DeploymentConfig", None)
    serverless.check_update(doc.get("EndpointArn", doc["EndpointName"]), None, variants, given)
    policy.check(given, variants)
    if given:
        doc["LastDeploymentConfig"] = given  # for an update that retains it: there is nothing to shift from yet
    now = platform.clock()
    doc["_prefix"] = f"serve-{doc['EndpointName'].lower()}-{int(now * 1000)}"
    doc["_next"], doc["_serial"] = plan(doc["_prefix"], 0, doc["EndpointConfigName"], variants, now)

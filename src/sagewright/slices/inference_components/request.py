"""What the requests of inference components must mean, beyond their shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...gateway.model import deployable
from ...resources.arn import s3_uri
from ...resources.platform import Platform
from ...stores.objects import NoSuchBucket, NoSuchKey
from ...stores.records import Record
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.types import Call
from . import copies
from .lifecycle import alarm_names
from .pool import specification

STARTUP = 240
"""Seconds until the first answered ping, unless the specification says otherwise."""
BATCH, BACK = (5, 50), (5, 100)
"""Least and most of a component's copies, in percent, that an update takes at once, and that its rollback does."""


async def check_component(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Complete a new component's document. Raises Invalid or NotImplementedHere unless it can be kept."""
    endpoint, variant = await place(platform, call, doc)
    specs = await specifications(platform, call, doc, variant, "CreateInferenceComponent")
    now = platform.clock()
    doc |= {
        "EndpointName": endpoint.doc["EndpointName"], "EndpointArn": endpoint.doc["EndpointArn"], "VariantName": variant["Name"],
        "_specs": {"1": specs}, "_revision": "1", "_revisions": 1, "_want": doc.get("RuntimeConfig", {}).get("CopyCount", 1),
        "_copies": {}, "_serial": 0, "_prefix": f"component-{doc['InferenceComponentName'].lower()}-{int(now * 1000)}",
    }
    doc |= copies.arrange(doc)


async def place(platform: Platform, call: Call, doc: Mapping[str, Any]) -> tuple[Record, dict[str, Any]]:
    """The endpoint and the variant of a component. Raises Invalid."""
    endpoint = await platform.nouns["endpoint"].find(call, doc["EndpointName"])
    where, state = endpoint.doc["EndpointArn"], endpoint.doc["_state"]
    if state in ("Failed", "Deleting"):
        raise Invalid(f'Cannot create an inference component on endpoint "{where}": it is in status {state}.')
    fleet = endpoint.doc.get("_fleet") or endpoint.doc.get("_next") or {"Variants": ()}
    variants = {v["Name"]: v for v in fleet["Variants"]}
    name = doc.get("VariantName") or (next(iter(variants), "") if len(variants) == 1 else "")
    if not name:
        raise Invalid("VariantName is required.")
    if name not in variants:
        raise Invalid(f'Variant "{name}" does not exist on endpoint "{where}".')
    if "Components" not in variants[name]:
        raise Invalid(f'Variant "{name}" of endpoint "{where}" has a model of its own: it cannot hold inference components.')
    return endpoint, variants[name]


async def specifications(
    platform: Platform, call: Call, params: Mapping[str, Any], variant: Mapping[str, Any], operation: str,
) -> list[dict[str, Any]]:
    """What a component keeps of its specifications and their models, so that deleting those changes nothing for it.

    Raises:
        Invalid, NotImplementedHere: they cannot be deployed.
    """
    if ("Specification" in params) == ("Specifications" in params):
        raise Invalid("Specify exactly one of Specification and Specifications.")
    several = params.get("Specifications") or [params["Specification"]]
    types = [one.get("InstanceType") for one in several]
    if len(several) > 1 and (None in types or len(set(types)) < len(types)):
        raise Invalid("Every one of several Specifications needs an InstanceType of its own.")
    found = [await _specification(platform, call, one, variant, operation) for one in several]
    if specification(found, variant["InstanceType"]) is None:
        raise Invalid(f"No specification is for {variant['InstanceType']}, which the instances of variant {variant['Name']} are.")
    return found


async def _specification(
    platform: Platform, call: Call, given: Mapping[str, Any], variant: Mapping[str, Any], operation: str,
) -> dict[str, Any]:
    if "BaseInferenceComponentName" in given:
        raise NotImplementedHere(f"{operation} with BaseInferenceComponentName (adapter inference components) is not implemented: no image here serves adapters.")
    needs, container = given.get("ComputeResourceRequirements"), given.get("Container", {})
    if needs is None:
        raise Invalid("ComputeResourceRequirements is required, unless BaseInferenceComponentName is given.")
    if "AcceleratorPartitionType" in needs:
        raise NotImplementedHere(f"{operation} with AcceleratorPartitionType is not implemented.")
    if "ContainerMetricsConfig" in container:
        raise NotImplementedHere(f"{operation} with ContainerMetricsConfig is not implemented.")
    least, most = needs["MinMemoryRequiredInMb"], needs.get("MaxMemoryRequiredInMb")
    if most is not None and most < least:
        raise Invalid(f"MaxMemoryRequiredInMb ({most}) cannot be less than MinMemoryRequiredInMb ({least}).")
    if ("ModelName" in given) == bool(container):
        raise Invalid("Specify exactly one of ModelName and Container in the specification.")
    about = await _model(platform, call, given, operation) if "ModelName" in given else await _container(platform, container)
    about["Role"] = about["Role"] or variant["Role"]
    about["Isolated"] = about["Isolated"] or variant["Isolated"]
    return {**given, "_about": about, "_resolved": platform.clock()}


async def _model(platform: Platform, call: Call, given: Mapping[str, Any], operation: str) -> dict[str, Any]:
    model = await platform.nouns["model"].find(call, given["ModelName"])
    about = deployable(model.doc, operation)
    if "Container" not in about or about["Container"].get("Mode") == "MultiModel" or len(about.get("Containers", ())) > 1:
        raise NotImplementedHere(f"{operation} with a model of several containers, or of many models, is not implemented.")
    return about


async def _container(platform: Platform, container: Mapping[str, Any]) -> dict[str, Any]:
    if "Image" not in container:
        raise Invalid("Image is required in the container of a specification without BaseInferenceComponentName.")
    made = {"Image": container["Image"], "Environment": container.get("Environment", {})}
    if url := container.get("ArtifactUrl"):
        if not s3_uri(url).endswith((".tar.gz", ".tgz")):
            raise Invalid(f"ArtifactUrl {url} must point to a .tar.gz archive.")
        bucket, _, key = s3_uri(url).removeprefix("s3://").partition("/")
        try:
            platform.objects.head(bucket, key)
        except (NoSuchBucket, NoSuchKey):
            raise Invalid(f"Could not find model data at {url}.") from None
        made["ModelDataUrl"] = url
    return {"Model": None, "Container": made, "Role": None, "Isolated": False}


def startup(spec: Mapping[str, Any]) -> float:
    """Seconds until the first answered ping."""
    return float(spec.get("StartupParameters", {}).get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP))


def check_deployment(config: Mapping[str, Any] | None, want: int) -> dict[str, int]:
    """``Batch`` and ``Back``: how many copies an update takes at once, and its rollback; 0 is all. Raises Invalid."""
    if not config:
        return {"Batch": 0, "Back": 0}
    policy = config["RollingUpdatePolicy"]
    for member, (low, high) in (("MaximumBatchSize", BATCH), ("RollbackMaximumBatchSize", BACK)):
        if size := policy.get(member):
            percent = size["Value"] if size["Type"] == "CAPACITY_PERCENT" else 100 * size["Value"] / max(1, want)
            single = size["Type"] == "COPY_COUNT" and size["Value"] == 1  # there is nothing less than one copy
            if not low <= percent <= high and not single:
                raise Invalid(
                    f"{member} must be between {low} and {high} percent of the copies: {size['Value']} ({size['Type']}) is "
                    f"{percent:g} percent of {want}."
                )
    names = alarm_names(dict(config))
    if len(set(names)) < len(names):
        raise Invalid("An alarm comes twice in AutoRollbackConfiguration.")
    back = policy.get("RollbackMaximumBatchSize")
    return {"Batch": copies.batch(policy["MaximumBatchSize"], want), "Back": copies.batch(back, want) if back else 0}

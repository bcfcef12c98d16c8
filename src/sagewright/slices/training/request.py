"""What a CreateTrainingJob request must mean, beyond its shape."""

from __future__ import annotations

import secrets
from typing import Any

from ...resources.arn import join, s3_uri
from ...resources.jobs import check_assumable, check_metrics, check_role, check_s3
from ...resources.platform import Platform
from ...stores.images import UnknownImage
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.types import Call
from . import algorithm, channels, cluster, live, pool

DAY = 86_400


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Check the request's meaning and fill in AWS's defaults.

    Raises:
        Invalid: with AWS's wording.
        NotImplementedHere: a feature that is known and not built.
        AccessDenied: the caller may not pass the role.
    """
    if "ServerlessJobConfig" in doc:
        raise NotImplementedHere("CreateTrainingJob with ServerlessJobConfig is not implemented.")
    for member in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if member not in doc:
            if member == "StoppingCondition":
                doc[member] = {}
                continue
            raise Invalid(f"{member} is required.")
    _algorithm(doc["AlgorithmSpecification"])
    cluster.check(doc["ResourceConfig"])
    await algorithm.apply(platform, call, doc)
    _builtin_metrics(platform, doc)
    check_metrics(doc["AlgorithmSpecification"].get("MetricDefinitions", ()))
    channels.check(doc, platform.settings.file_systems)
    cluster.check_channels(doc)
    doc["StoppingCondition"] = stopping = {"MaxRuntimeInSeconds": DAY, **doc["StoppingCondition"]}
    wait = stopping.get("MaxWaitTimeInSeconds")
    spot = doc.get("EnableManagedSpotTraining", False)
    if wait is not None and not spot:
        raise Invalid("MaxWaitTimeInSeconds can only be set when EnableManagedSpotTraining is true.")
    if spot and wait is None:
        raise Invalid("MaxWaitTimeInSeconds is required when EnableManagedSpotTraining is true.")
    if wait is not None and wait < stopping["MaxRuntimeInSeconds"]:
        raise Invalid("Invalid MaxWaitTimeInSeconds. It must be greater than or equal to MaxRuntimeInSeconds.")
    output = doc.get("OutputDataConfig")
    if not output or "S3OutputPath" not in output:
        raise Invalid("OutputDataConfig with S3OutputPath is required.")
    check_s3(output["S3OutputPath"], *live.uris(doc))
    live.check(doc)
    doc["OutputDataConfig"] = {"KmsKeyId": "", "CompressionType": "GZIP", **output}
    if pool.keep_alive(doc):
        doc["WarmPoolStatus"] = {"Status": "InUse", "ResourceRetainedBillableTimeInSeconds": 0}
    if len(cluster.hosts(doc)) > 1:
        doc["_token"] = secrets.token_hex(32)  # by which they know each other; each of a job's launches has keys of its own
    doc["_artifacts"] = {"S3ModelArtifacts": artifacts(doc, doc["TrainingJobName"])}
    if "RoleArn" not in doc:
        raise Invalid("RoleArn is required.")
    check_role(platform, call, doc["RoleArn"])
    await check_assumable(platform, doc["RoleArn"])


def output_base(doc: dict[str, Any], name: str) -> str:
    """``s3://…/<job>/output``."""
    return join(s3_uri(doc["OutputDataConfig"]["S3OutputPath"]), name, "output")


def artifacts(doc: dict[str, Any], name: str) -> str:
    """Where the model ends up: the archive, or the prefix when uncompressed."""
    plain = doc["OutputDataConfig"]["CompressionType"] == "NONE"
    return join(output_base(doc, name), "model/" if plain else "model.tar.gz") + ("/" if plain else "")


def _algorithm(asked: dict[str, Any]) -> None:
    if ("TrainingImage" in asked) == ("AlgorithmName" in asked):
        raise Invalid("Specify exactly one of TrainingImage and AlgorithmName in AlgorithmSpecification.")


def _builtin_metrics(platform: Platform, doc: dict[str, Any]) -> None:
    """A built-in algorithm brings its metric definitions; those of the caller come first."""
    asked = doc["AlgorithmSpecification"]
    if "sagemaker_program" in doc.get("HyperParameters", {}) or "ContainerEntrypoint" in asked:
        return
    try:
        image = platform.images.resolve(asked["TrainingImage"])
    except UnknownImage:
        return
    given = {m["Name"]: m for m in asked.get("MetricDefinitions", ())}
    if image.metrics and image.builtin:
        named = {name: {"Name": name, "Regex": regex} for name, regex in image.metrics}
        asked["MetricDefinitions"] = [*given.values(), *(m for n, m in named.items() if n not in given)]

"""What a CreateEdgePackagingJob request must mean, beyond its shape."""

from __future__ import annotations

from typing import Any

from ...resources.arn import join, s3_uri
from ...resources.jobs import check_assumable, check_role, check_s3
from ...resources.platform import Platform
from ...wire.errors import Invalid, NotFound, NotImplementedHere
from ...wire.types import Call

NO_GREENGRASS = "PresetDeploymentType GreengrassV2Component is not implemented: there is no Greengrass here; deploy with an edge deployment plan."


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Check the request's meaning, and keep what the compilation job made.

    Raises:
        Invalid: no such compilation job, or one that is not COMPLETED.
        NotImplementedHere: a Greengrass component.
        AccessDenied: the caller may not pass the role, or not see the compilation job.
    """
    if "PresetDeploymentType" in doc["OutputConfig"]:
        raise NotImplementedHere(NO_GREENGRASS)
    check_s3(doc["OutputConfig"]["S3OutputLocation"])
    check_role(platform, call, doc["RoleArn"])
    await check_assumable(platform, doc["RoleArn"])
    name = doc["CompilationJobName"]
    try:
        job = await platform.api.call("sagemaker", "DescribeCompilationJob", {"CompilationJobName": name}, call.principal, call.region)
    except NotFound:
        raise Invalid(f"Could not find compilation job {name}.") from None
    if job["CompilationJobStatus"] != "COMPLETED":
        raise Invalid(f"Compilation job {name} is {job['CompilationJobStatus']}; only a COMPLETED one can be packaged.")
    doc["_artifact"] = join(s3_uri(doc["OutputConfig"]["S3OutputLocation"]), package_name(doc))
    doc["_source"] = job["ModelArtifacts"]["S3ModelArtifacts"]


def package_name(doc: dict[str, Any]) -> str:
    """``<model>-<version>.tar.gz``."""
    return f"{doc['ModelName']}-{doc['ModelVersion'].replace(' ', '_')}.tar.gz"

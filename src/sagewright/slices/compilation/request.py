"""What a CreateCompilationJob request must mean, beyond its shape."""

from __future__ import annotations

from typing import Any

from ...resources.arn import s3_location
from ...resources.jobs import check_assumable, check_role, check_s3
from ...resources.platform import Platform
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.types import Call

RUNTIME = 900
"""Seconds, unless StoppingCondition says otherwise."""


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Check the request's meaning and fill in defaults.

    Raises:
        Invalid: neither or both of a model and a package, or of a device and a platform; a model that is no archive.
        NotImplementedHere: a model package as the source.
        AccessDenied: the caller may not pass the role.
    """
    if "ModelPackageVersionArn" in doc and "InputConfig" not in doc:
        raise NotImplementedHere("ModelPackageVersionArn is not implemented; give the package's model in InputConfig.")
    if "InputConfig" not in doc or "ModelPackageVersionArn" in doc:
        raise Invalid("Specify exactly one of InputConfig and ModelPackageVersionArn.")
    source, target = doc["InputConfig"], doc["OutputConfig"]
    check_s3(source["S3Uri"], target["S3OutputLocation"])
    if not s3_location(source["S3Uri"])[1].endswith(".tar.gz"):
        raise Invalid(f"InputConfig.S3Uri {source['S3Uri']} must name one gzip compressed tar archive, with the suffix .tar.gz.")
    if ("TargetDevice" in target) == ("TargetPlatform" in target):
        raise Invalid("Specify exactly one of OutputConfig.TargetDevice and OutputConfig.TargetPlatform.")
    doc["StoppingCondition"] = {"MaxRuntimeInSeconds": RUNTIME, **doc["StoppingCondition"]}
    check_role(platform, call, doc["RoleArn"])
    await check_assumable(platform, doc["RoleArn"])

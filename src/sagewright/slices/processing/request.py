"""What a CreateProcessingJob request must mean, beyond its shape."""

from __future__ import annotations

from typing import Any

from ...resources.jobs import check_assumable, check_role, check_s3
from ...resources.platform import Platform
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.types import Call

DAY = 86_400
ROOT = "/opt/ml/processing"


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Check the request's meaning and fill in AWS's defaults.

    Raises:
        Invalid: with AWS's wording where it is known.
        NotImplementedHere: a feature that is known and not built.
        AccessDenied: the caller may not pass the role.
    """
    inputs, outputs = doc.get("ProcessingInputs", []), doc.get("ProcessingOutputConfig", {}).get("Outputs", [])
    _unique("ProcessingInputs", [i["InputName"] for i in inputs])
    _unique("ProcessingOutputConfig.Outputs", [o["OutputName"] for o in outputs])
    for item in inputs:
        _input(item)
    for item in outputs:
        _output(item)
    _unique("LocalPath of the inputs", [i["S3Input"]["LocalPath"].rstrip("/") for i in inputs if not i["AppManaged"]])
    doc["StoppingCondition"] = {"MaxRuntimeInSeconds": DAY, **doc.get("StoppingCondition", {})}
    check_role(platform, call, doc["RoleArn"])
    await check_assumable(platform, doc["RoleArn"])


def _input(item: dict[str, Any]) -> None:
    name = f"ProcessingInput {item['InputName']}"
    if "DatasetDefinition" in item:
        raise NotImplementedHere(f"{name}: DatasetDefinition (Athena and Redshift) is not implemented; give an S3Input.")
    if "S3Input" not in item:
        raise Invalid(f"{name}: specify exactly one of S3Input and DatasetDefinition.")
    s3 = item["S3Input"]
    check_s3(s3["S3Uri"])
    item.setdefault("AppManaged", False)
    if s3.setdefault("S3InputMode", "File") == "Pipe":
        raise NotImplementedHere(f"{name}: S3InputMode Pipe is not implemented; use File.")
    s3.setdefault("S3DataDistributionType", "FullyReplicated")
    s3.setdefault("S3CompressionType", "None")
    if not item["AppManaged"]:
        _local(name, s3)


def _output(item: dict[str, Any]) -> None:
    name = f"ProcessingOutput {item['OutputName']}"
    if "FeatureStoreOutput" in item:
        raise NotImplementedHere(f"{name}: FeatureStoreOutput is not implemented; give an S3Output.")
    if "S3Output" not in item:
        raise Invalid(f"{name}: specify exactly one of S3Output and FeatureStoreOutput.")
    check_s3(item["S3Output"]["S3Uri"])
    if not item.setdefault("AppManaged", False):
        _local(name, item["S3Output"])


def _local(name: str, s3: dict[str, Any]) -> None:
    path = s3.get("LocalPath")
    if path is None:
        raise Invalid(f"{name}: LocalPath is required unless AppManaged is true.")
    parts = path.split("/")
    if not path.startswith(f"{ROOT}/") or ".." in parts or path.rstrip("/") == ROOT:
        raise Invalid(f"{name}: LocalPath {path} must begin with {ROOT}/.")


def _unique(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Invalid(f"{what} must be unique; {name} is given twice.")
        seen.add(name)

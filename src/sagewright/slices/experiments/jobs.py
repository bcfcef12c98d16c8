"""What a job's document says to its trial component. Pure; reads the documents under their public names only."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .resources import ARTIFACTS, PARAMETERS

Doc = Mapping[str, Any]
LONGEST_VALUE, LONGEST_URI, LONGEST_MESSAGE = 2500, 2048, 1024
_MEDIA = re.compile(r"[-\w]{1,40}/[-\w+]{1,23}")
FINAL = ("Completed", "Failed", "Stopped")


@dataclass(slots=True)
class Captured:
    """Members of a component that follow from its job."""

    status: str
    message: str
    start: float | None
    end: float | None
    parameters: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    metrics: list[str] = field(default_factory=list)
    """Names of what the job's log is searched for."""
    namespace: str = ""
    dimensions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job."""

    noun: str
    suffix: str
    source_type: str
    captured: Callable[[Doc], Captured]

    def component(self, name: str) -> str:
        """The name of its component."""
        return f"{name.lower()}-{self.suffix}"


def training(doc: Doc) -> Captured:
    name, algorithm, resources = doc["TrainingJobName"], doc.get("AlgorithmSpecification", {}), doc.get("ResourceConfig", {})
    found = Captured(
        doc["TrainingJobStatus"],
        f"Status: {doc['TrainingJobStatus']}, secondary status: {doc.get('SecondaryStatus', '')}, "
        f"failure reason: {doc.get('FailureReason', '')}.",
        doc.get("TrainingStartTime"),
        doc.get("TrainingEndTime"),
        metrics=[m["Name"] for m in algorithm.get("MetricDefinitions", ())],
        namespace="/aws/sagemaker/TrainingJobs",
        dimensions={"TrainingJobName": name},
    )
    found.parameters = _machines(algorithm.get("TrainingImage"), resources)
    for key, value in doc.get("HyperParameters", {}).items():
        if len(found.parameters) < PARAMETERS:
            found.parameters.setdefault(key[:320], parameter(value))
    for channel in doc.get("InputDataConfig", ()):
        uri = channel.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri")
        _artifact(found.inputs, channel["ChannelName"], uri, channel.get("ContentType"))
    _artifact(found.outputs, "SageMaker.ModelArtifact", (doc.get("ModelArtifacts") or {}).get("S3ModelArtifacts"))
    hook = doc.get("DebugHookConfig")
    if hook:
        _artifact(found.outputs, "SageMaker.DebugHookOutput", hook.get("S3OutputPath"))
    return found


def processing(doc: Doc) -> Captured:
    cluster = doc.get("ProcessingResources", {}).get("ClusterConfig", {})
    found = Captured(
        doc["ProcessingJobStatus"],
        f"Status: {doc['ProcessingJobStatus']}, exit message: {doc.get('ExitMessage') or 'null'}, "
        f"failure reason: {doc.get('FailureReason') or 'null'}",
        doc.get("ProcessingStartTime"),
        doc.get("ProcessingEndTime"),
    )
    found.parameters = _machines(doc.get("AppSpecification", {}).get("ImageUri"), cluster)
    for put in doc.get("ProcessingInputs", ()):
        _artifact(found.inputs, put["InputName"], put.get("S3Input", {}).get("S3Uri"))
    for out in doc.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        _artifact(found.outputs, out["OutputName"], out.get("S3Output", {}).get("S3Uri"))
    return found


def transform(doc: Doc) -> Captured:
    found = Captured(
        doc["TransformJobStatus"],
        f"Status: {doc['TransformJobStatus']}, failure reason: {doc.get('FailureReason') or 'null'}",
        doc.get("TransformStartTime"),
        doc.get("TransformEndTime"),
    )
    found.parameters = _machines(None, doc.get("TransformResources", {}))
    if "ModelName" in doc:
        found.parameters["SageMaker.ModelName"] = {"StringValue": doc["ModelName"]}
    source = doc.get("TransformInput", {})
    uri = source.get("DataSource", {}).get("S3DataSource", {}).get("S3Uri")
    _artifact(found.inputs, "SageMaker.TransformInput", uri, source.get("ContentType"))
    _artifact(found.outputs, "SageMaker.TransformOutput", doc.get("TransformOutput", {}).get("S3OutputPath"))
    return found


KINDS = {
    kind.noun: kind
    for kind in (
        Kind("TrainingJob", "aws-training-job", "SageMakerTrainingJob", training),
        Kind("ProcessingJob", "aws-processing-job", "SageMakerProcessingJob", processing),
        Kind("TransformJob", "aws-transform-job", "SageMakerTransformJob", transform),
    )
}


def parameter(value: str) -> dict[str, Any]:
    """A hyperparameter: a number where it reads as one."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and "_" not in value:
        return {"NumberValue": number}
    return {"StringValue": value[:LONGEST_VALUE]}


def _machines(image: str | None, resources: Doc) -> dict[str, Any]:
    groups = resources.get("InstanceGroups", ())
    found: dict[str, Any] = {}
    if image:
        found["SageMaker.ImageUri"] = {"StringValue": image[:LONGEST_VALUE]}
    count = resources.get("InstanceCount") or sum(g.get("InstanceCount", 0) for g in groups)
    if count:
        found["SageMaker.InstanceCount"] = {"NumberValue": float(count)}
    kinds = resources.get("InstanceType") or ",".join(dict.fromkeys(g["InstanceType"] for g in groups if "InstanceType" in g))
    if kinds:
        found["SageMaker.InstanceType"] = {"StringValue": kinds}
    if "VolumeSizeInGB" in resources:
        found["SageMaker.VolumeSizeInGB"] = {"NumberValue": float(resources["VolumeSizeInGB"])}
    return found


def _artifact(into: dict[str, Any], name: str, uri: str | None, media: str | None = None) -> None:
    if not uri or len(into) >= ARTIFACTS:
        return
    into[name[:128]] = {"Value": uri[:LONGEST_URI]}
    if media and _MEDIA.fullmatch(media):
        into[name[:128]]["MediaType"] = media

"""What a CreateTransformJob request must mean, beyond its shape."""

from __future__ import annotations

from typing import Any

from ...gateway.containers import DIRECT
from ...gateway.model import deployable
from ...resources.jobs import check_s3
from ...resources.platform import Platform
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.types import Call
from .engine.filters import format_of
from .engine.paths import BadPath, Path, parse
from .engine.plan import DEFAULT_MB, LARGEST_MB


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Check the request's meaning, fill in defaults, keep what is needed of the model.

    Raises:
        Invalid: with AWS's wording; also when the model is missing.
        NotImplementedHere: a feature that is known and not built.
    """
    source, output = doc["TransformInput"], doc["TransformOutput"]
    s3 = source["DataSource"].get("S3DataSource")
    if s3 is None:
        raise Invalid("TransformInput.DataSource needs S3DataSource.")
    if s3["S3DataType"] == "AugmentedManifestFile":
        raise Invalid("S3DataType AugmentedManifestFile cannot be used with transform jobs; use S3Prefix or ManifestFile.")
    if s3["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise NotImplementedHere(f"CreateTransformJob with S3DataType {s3['S3DataType']} is not implemented.")
    check_s3(s3["S3Uri"], output["S3OutputPath"])
    source.setdefault("CompressionType", "None")
    source.setdefault("SplitType", "None")
    output.setdefault("AssembleWith", "None")
    output.setdefault("KmsKeyId", "")
    _sizes(doc)
    _processing(doc)
    _capture(doc)
    model = await platform.nouns["model"].find(call, doc["ModelName"])
    doc["_model"] = deployable(model.doc, "CreateTransformJob")
    if doc["_model"].get("Mode") == DIRECT:
        raise Invalid(f"The model {doc['ModelName']} has InferenceExecutionConfig.Mode Direct; a transform job needs Serial.")
    if not doc["_model"]["Role"]:
        raise Invalid(f"The model {doc['ModelName']} has no ExecutionRoleArn; a transform job reads and writes with that role.")


def _sizes(doc: dict[str, Any]) -> None:
    size = doc.get("MaxPayloadInMB")
    if size is not None and size > LARGEST_MB:
        raise Invalid(f"MaxPayloadInMB must be at most {LARGEST_MB}.")
    if doc.get("MaxConcurrentTransforms", 0) * (DEFAULT_MB if size is None else size) > LARGEST_MB:
        raise Invalid(f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {LARGEST_MB} MB.")


def _processing(doc: dict[str, Any]) -> None:
    config = doc.setdefault("DataProcessing", {})
    for member, default in (("InputFilter", "$"), ("OutputFilter", "$"), ("JoinSource", "None")):
        config.setdefault(member, default)
    join = config["JoinSource"] == "Input"
    paths = {member: _path(member, config[member]) for member in ("InputFilter", "OutputFilter")}
    if not join and all(path.whole for path in paths.values()):
        return
    source, output = doc["TransformInput"], doc["TransformOutput"]
    kind, accept = source.get("ContentType"), output.get("Accept") or source.get("ContentType")
    for member, content_type in (("InputFilter", kind), ("OutputFilter", accept)):
        form = format_of(content_type)
        used = join or not paths[member].whole
        if used and not form:
            raise Invalid(f"DataProcessing needs text/csv, application/json or application/jsonlines; got {content_type}.")
        if form == "csv" and not paths[member].columns:
            raise Invalid(f"{member} {config[member]}: CSV records have no names; use indices, as in $[0] or $[1:].")
    if source["SplitType"] in ("RecordIO", "TFRecord"):
        raise Invalid(f"DataProcessing cannot be used with SplitType {source['SplitType']}.")
    if join and format_of(kind) != format_of(accept):
        raise Invalid("To join the input, TransformInput.ContentType and TransformOutput.Accept must be the same.")
    if join and source["SplitType"] != output["AssembleWith"]:
        raise Invalid("To join the input, TransformInput.SplitType and TransformOutput.AssembleWith must be the same.")


def _capture(doc: dict[str, Any]) -> None:
    config = doc.get("DataCaptureConfig")
    if config is None:
        return
    check_s3(config["DestinationS3Uri"])
    accept = doc["TransformOutput"].get("Accept") or doc["TransformInput"].get("ContentType")
    if config.get("GenerateInferenceId") and not format_of(accept):
        raise Invalid(f"GenerateInferenceId needs text/csv, application/json or application/jsonlines; got {accept}.")


def _path(member: str, text: str) -> Path:
    try:
        return parse(text)
    except BadPath as error:
        raise Invalid(f"{member}: {error}") from None

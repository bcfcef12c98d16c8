"""Data capture of endpoints: what a DataCaptureConfig must mean, and what becomes of it. Pure.

Every variant of a deployment keeps the configuration as ``Capture``.
"""

from __future__ import annotations

from typing import Any

from ...gateway.capture import Capture
from ...resources.arn import s3_location, s3_uri
from ...wire.errors import Invalid, NotImplementedHere


def enabled(config: dict[str, Any] | None) -> bool:
    """Whether a DataCaptureConfig, if there is one, wants anything to be captured."""
    return config is not None and config.get("EnableCapture", True)


def check(doc: dict[str, Any]) -> None:
    """Whether an endpoint configuration's DataCaptureConfig can be. Raises Invalid or NotImplementedHere."""
    config = doc.get("DataCaptureConfig")
    if config is None:
        return
    s3_location(config["DestinationS3Uri"])
    modes = [option["CaptureMode"] for option in config["CaptureOptions"]]
    if len(set(modes)) < len(modes):
        raise Invalid("A CaptureMode comes twice in CaptureOptions.")
    header = config.get("CaptureContentTypeHeader", {})
    both = {t.lower() for t in header.get("CsvContentTypes", ())} & {t.lower() for t in header.get("JsonContentTypes", ())}
    if both:
        raise Invalid(f"Content type {min(both)} is both in CsvContentTypes and in JsonContentTypes.")
    if enabled(config) and "AsyncInferenceConfig" in doc:
        raise NotImplementedHere("CreateEndpointConfig with DataCaptureConfig and AsyncInferenceConfig is not implemented.")
    if enabled(config) and any("ServerlessConfig" in variant for variant in doc["ProductionVariants"]):
        raise Invalid("Data capture is not supported for serverless variants.")


def plan(variant: dict[str, Any], endpoint: str) -> Capture | None:
    """What the requests of a deployment's variant leave behind; None if nothing."""
    config = variant.get("Capture")
    if config is None or not enabled(config) or not variant.get("Role"):
        return None
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    header = config.get("CaptureContentTypeHeader", {})
    return Capture(
        prefix=f"{s3_uri(config['DestinationS3Uri']).rstrip('/')}/{endpoint}/{variant['Name']}",
        percent=float(config["InitialSamplingPercentage"]),
        input=bool(modes & {"Input", "InputAndOutput"}),
        output=bool(modes & {"Output", "InputAndOutput"}),
        role=variant["Role"],
        csv=_plain(header.get("CsvContentTypes", ())),
        json=_plain(header.get("JsonContentTypes", ())),
        kms=config.get("KmsKeyId", ""),
    )


def summary(doc: dict[str, Any]) -> dict[str, Any] | None:
    """DataCaptureConfig as DescribeEndpoint shows it, of what the endpoint serves with, or will first."""
    fleet = doc.get("_fleet") or doc.get("_next") or {"Variants": ()}
    config = next((v["Capture"] for v in fleet["Variants"] if v.get("Capture")), None)
    if config is None:
        return None
    on = enabled(config)
    return {
        "EnableCapture": on,
        "CaptureStatus": "Started" if on else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }


def _plain(types: Any) -> list[str]:
    return [kind.split(";", 1)[0].strip().lower() for kind in types]

"""Data capture of endpoints: what a DataCaptureConfig must mean, and how it is shown. Pure.

Every variant of a deployment keeps the configuration as ``Capture``; ``gateway.capture.plan`` says what becomes of it.
"""

from __future__ import annotations

from typing import Any

from ...gateway.capture import enabled
from ...resources.arn import s3_location
from ...wire.errors import Invalid


def check(doc: dict[str, Any]) -> None:
    """Whether an endpoint configuration's DataCaptureConfig can be. Raises Invalid."""
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
    if enabled(config) and any("ServerlessConfig" in variant for variant in doc["ProductionVariants"]):
        raise Invalid("Data capture is not supported for serverless variants.")


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

"""What an AsyncInferenceConfig must mean, beyond its shape."""

from __future__ import annotations

from typing import Any

from ...resources.arn import parse, s3_location
from ...resources.platform import Platform
from ...wire.errors import Invalid
from ...wire.types import Call


async def check_config(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Whether an endpoint configuration can be served asynchronously. Raises Invalid."""
    output = doc["AsyncInferenceConfig"]["OutputConfig"]
    if not output.get("S3OutputPath"):
        raise Invalid("S3OutputPath is required in OutputConfig of AsyncInferenceConfig.")
    for uri in (output["S3OutputPath"], output.get("S3FailurePath")):
        if uri:
            s3_location(uri)
    for variant in doc["ProductionVariants"]:
        if "ServerlessConfig" in variant:
            raise Invalid(f"Variant {variant['VariantName']}: AsyncInferenceConfig cannot be given together with ServerlessConfig.")
    topics = output.get("NotificationConfig", {})
    for member in ("SuccessTopic", "ErrorTopic"):
        if topics.get(member) and parse(topics[member]).service != "sns":
            raise Invalid(f"{member} {topics[member]} is not the ARN of an SNS topic.")
    for kind, member in (("SUCCESS_NOTIFICATION_TOPIC", "SuccessTopic"), ("ERROR_NOTIFICATION_TOPIC", "ErrorTopic")):
        if kind in topics.get("IncludeInferenceResponseIn", ()) and not topics.get(member):
            raise Invalid(f"IncludeInferenceResponseIn names {kind}, but there is no {member}.")

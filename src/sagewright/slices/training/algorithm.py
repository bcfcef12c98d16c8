"""Training jobs that name an algorithm: its image, metrics and defaults, and what it holds a request to."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...wire.errors import Invalid
from ...wire.types import Call


async def apply(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Complete the document from the algorithm it names, if it names one.

    Raises:
        Invalid: there is no such algorithm, or the request is not one that it allows.
        AccessDenied: the caller may not describe the algorithm.
    """
    asked = doc["AlgorithmSpecification"]
    if "AlgorithmName" not in asked:
        return
    named = {"AlgorithmName": asked["AlgorithmName"]}
    found = await platform.api.call("sagemaker", "DescribeAlgorithm", named, call.principal, call.region)
    spec = found["TrainingSpecification"]
    asked["TrainingImage"] = spec["TrainingImage"]
    if "MetricDefinitions" in spec:
        asked.setdefault("MetricDefinitions", spec["MetricDefinitions"])
    doc["HyperParameters"] = hyperparameters(spec.get("SupportedHyperParameters"), doc.get("HyperParameters", {}))
    _instances(spec, doc["ResourceConfig"])
    _channels(spec, doc)


def hyperparameters(supported: list[dict[str, Any]] | None, given: dict[str, str]) -> dict[str, str]:
    """The given ones over the defaults. Without a list anything goes. Raises Invalid."""
    if supported is None:
        return given
    known = {parameter["Name"]: parameter for parameter in supported}
    for name, value in given.items():
        if name not in known:
            raise Invalid(f"Hyperparameter {name} is not supported by the algorithm.")
        _within(known[name], value)
    for name, parameter in known.items():
        if parameter.get("IsRequired") and name not in given and "DefaultValue" not in parameter:
            raise Invalid(f"Hyperparameter {name} is required by the algorithm.")
    return {n: p["DefaultValue"] for n, p in known.items() if "DefaultValue" in p} | given


def _within(parameter: dict[str, Any], value: str) -> None:
    name, kind = parameter["Name"], parameter["Type"]
    if kind == "FreeText":
        return
    limits: dict[str, Any] = next(iter(parameter.get("Range", {}).values()), {})
    if kind == "Categorical":
        if limits and value not in limits["Values"]:
            raise Invalid(f"Hyperparameter {name}: {value!r} is not one of {', '.join(limits['Values'])}.")
        return
    try:
        number = float(int(value)) if kind == "Integer" else float(value)
    except (ValueError, OverflowError):
        raise Invalid(f"Hyperparameter {name}: {value!r} is no {kind.lower()} number.") from None
    if limits and not float(limits["MinValue"]) <= number <= float(limits["MaxValue"]):
        raise Invalid(f"Hyperparameter {name}: {value} is not between {limits['MinValue']} and {limits['MaxValue']}.")


def _instances(spec: dict[str, Any], resources: dict[str, Any]) -> None:
    groups = resources.get("InstanceGroups") or [resources]
    for group in groups:
        if group["InstanceType"] not in spec["SupportedTrainingInstanceTypes"]:
            raise Invalid(f"The algorithm does not support the instance type {group['InstanceType']}.")
    if not spec.get("SupportsDistributedTraining", False) and sum(group["InstanceCount"] for group in groups) > 1:
        raise Invalid("The algorithm does not support distributed training.")


def _channels(spec: dict[str, Any], doc: dict[str, Any]) -> None:
    known = {channel["Name"]: channel for channel in spec["TrainingChannels"]}
    given = {channel["ChannelName"]: channel for channel in doc.get("InputDataConfig", ())}
    for name, channel in given.items():
        if name not in known:
            raise Invalid(f"Channel {name} is not supported by the algorithm.")
        mode = channel.get("InputMode", doc["AlgorithmSpecification"]["TrainingInputMode"])
        for what, value, allowed in (
            ("content type", channel.get("ContentType"), known[name]["SupportedContentTypes"]),
            ("input mode", mode, known[name]["SupportedInputModes"]),
            ("compression", channel.get("CompressionType"), known[name].get("SupportedCompressionTypes") or ["None"]),
        ):
            if value is not None and value not in allowed:
                raise Invalid(f"Channel {name}: the algorithm does not support the {what} {value}.")
    for name, channel in known.items():
        if channel.get("IsRequired") and name not in given:
            raise Invalid(f"Channel {name} is required by the algorithm.")

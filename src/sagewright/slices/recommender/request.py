"""What a CreateInferenceRecommendationsJob request must mean, beyond its shape; and the plan that follows from it."""

from __future__ import annotations

import math
import re
from typing import Any

from ...resources.arn import s3_location
from ...resources.instances import declared, shortage
from ...resources.jobs import check_assumable, check_role
from ...resources.platform import Platform
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.types import Call
from . import prices
from .candidates import TESTS, Candidate, expand, of, offered, spread
from .engine import traffic

DURATION, LONGEST = 7200, 18_000
"""Seconds of a job: unless it says otherwise, and at most."""
LEVEL = 10.0
"""Seconds of a level of the ramp."""
SPARE = 1.5
"""How many times a ramp's own time a short job leaves for each: endpoints start and end, too."""
USERS = 1000
"""The most at once."""


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Check the request's meaning and add its plan, ``_plan``.

    Raises:
        Invalid: it contradicts itself, or names what does not exist.
        NotImplementedHere: serverless candidates of our own choice, and compiled models.
        AccessDenied: the caller may not pass the role.
    """
    given = doc["InputConfig"]
    _built(doc)
    if given.get("JobDurationInSeconds", 1) > LONGEST:
        raise Invalid(f"JobDurationInSeconds must not be greater than {LONGEST}.")
    check_role(platform, call, doc["RoleArn"])
    await check_assumable(platform, doc["RoleArn"])
    source = await _source(platform, call, given)
    candidates = _candidates(platform, given, source)
    if not candidates:
        raise Invalid("There is nothing to benchmark: name instance types in EndpointConfigurations or SupportedInstanceTypes.")
    doc["_plan"] = {
        "Payload": _payload(source), "ContentTypes": source.get("SupportedContentTypes") or [],
        "Accept": (source.get("SupportedResponseMIMETypes") or [""])[0], "Candidates": candidates,
        "Parallel": given.get("ResourceLimit", {}).get("MaxParallelOfTests", 1),
        "Duration": given.get("JobDurationInSeconds", DURATION), "Limits": _limits(doc.get("StoppingConditions", {})),
    }
    doc["_plan"]["Segments"] = _segments(given, doc["_plan"])


def _built(doc: dict[str, Any]) -> None:
    given = doc["InputConfig"]
    for one in given.get("EndpointConfigurations", ()):
        if ("ServerlessConfig" in one) == ("InstanceType" in one):
            raise Invalid("Exactly one of InstanceType and ServerlessConfig is required in each of EndpointConfigurations.")
        names = [r["Name"] for r in one.get("EnvironmentParameterRanges", {}).get("CategoricalParameterRanges", ())]
        if len(set(names)) < len(names):
            raise Invalid("Each Name of CategoricalParameterRanges must be unique.")
    if given.get("ContainerConfig", {}).get("SupportedEndpointType") == "Serverless":
        raise NotImplementedHere("CreateInferenceRecommendationsJob with SupportedEndpointType Serverless is not implemented.")
    if "CompiledOutputConfig" in doc.get("OutputConfig", {}):
        raise NotImplementedHere("CreateInferenceRecommendationsJob with CompiledOutputConfig is not implemented.")


# -- the model


async def _source(platform: Platform, call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """What is known of the model's payloads and instance types: what the package says, ContainerConfig over it."""
    if ("ModelPackageVersionArn" in given) == ("ModelName" in given):
        raise Invalid("Specify exactly one of ModelPackageVersionArn and ModelName.")
    container = given.get("ContainerConfig", {})
    mine = {**container, **container.get("PayloadConfig", {})}
    if "ModelName" in given:
        found = await platform.api.call("sagemaker", "DescribeModel", {"ModelName": given["ModelName"]}, call.principal, call.region)
        if "PrimaryContainer" not in found and _varied(given):
            raise NotImplementedHere("EnvironmentParameterRanges for a model of several containers are not implemented.")
        if any(one.get("InferenceSpecificationName") for one in given.get("EndpointConfigurations", ())):
            raise Invalid("InferenceSpecificationName needs ModelPackageVersionArn.")
        return mine
    asked = {"ModelPackageName": given["ModelPackageVersionArn"]}
    package = await platform.api.call("sagemaker", "DescribeModelPackage", asked, call.principal, call.region)
    said = package.get("InferenceSpecification", {})
    theirs = {
        "SamplePayloadUrl": package.get("SamplePayloadUrl"), "SupportedContentTypes": said.get("SupportedContentTypes"),
        "SupportedResponseMIMETypes": said.get("SupportedResponseMIMETypes"),
        "SupportedInstanceTypes": said.get("SupportedRealtimeInferenceInstanceTypes"),
    }
    return {**{k: v for k, v in theirs.items() if v}, **mine}


def _varied(given: dict[str, Any]) -> bool:
    return any(one["Environment"] for one in expand(given.get("EndpointConfigurations", ())))


def _payload(source: dict[str, Any]) -> str:
    url: str = source.get("SamplePayloadUrl", "")
    if not url:
        raise Invalid("A sample payload is required: SamplePayloadUrl of ContainerConfig.PayloadConfig, or of the model package.")
    if not s3_location(url)[1].endswith((".tar.gz", ".tgz")):
        raise Invalid(f"SamplePayloadUrl {url} must name one gzip compressed tar archive, with the suffix .tar.gz.")
    return url


# -- what is benchmarked


def _candidates(platform: Platform, given: dict[str, Any], source: dict[str, Any]) -> list[Candidate]:
    most = min(TESTS, given.get("ResourceLimit", {}).get("MaxNumberOfTests", TESTS))
    existing: list[Candidate] = [{"Existing": one["EndpointName"]} for one in given.get("Endpoints", ()) if one.get("EndpointName")]
    if "EndpointConfigurations" in given:
        found = expand(given["EndpointConfigurations"])
    elif types := source.get("SupportedInstanceTypes"):
        found = [of(name) for name in types]
    elif existing:
        found = []
    else:
        found = [of(name) for name in _offered(platform)]
    return existing + spread(found, most)


def _offered(platform: Platform) -> list[str]:
    def size(name: str) -> tuple[int, int] | None:
        said = declared(name)
        return (said.cores, said.memory) if said and not said.gpus else None

    try:
        table = prices.load(platform.settings.prices)
    except prices.BadTable as error:
        raise Invalid(str(error)) from None
    return offered(table, size, lambda name: not shortage((name, 1), gpus=platform.gpus))


# -- the load


def _segments(given: dict[str, Any], plan: dict[str, Any]) -> list[traffic.Segment]:
    pattern = given.get("TrafficPattern")
    if not pattern:
        rounds = math.ceil(len(plan["Candidates"]) / plan["Parallel"])
        return traffic.ramp(min(LEVEL, plan["Duration"] / rounds / SPARE / len(traffic.RAMP)))
    kind = pattern.get("TrafficType") or ("STAIRS" if "Stairs" in pattern else "PHASES")
    wanted, other = ("Stairs", "Phases") if kind == "STAIRS" else ("Phases", "Stairs")
    if wanted not in pattern or other in pattern:
        raise Invalid(f"A TrafficPattern of TrafficType {kind} needs {wanted}, and not {other}.")
    parts = pattern["Phases"] if kind == "PHASES" else [pattern["Stairs"]]
    needed = ("InitialNumberOfUsers", "DurationInSeconds") if kind == "PHASES" else ("DurationInSeconds", "NumberOfSteps", "UsersPerStep")
    for part in parts:
        if missing := [member for member in needed if member not in part]:
            raise Invalid(f"{', '.join(missing)} of {wanted} must be given.")
    found = traffic.segments({**pattern, "TrafficType": kind})
    if (seconds := traffic.length(found)) > plan["Duration"]:
        raise Invalid(f"The TrafficPattern takes {seconds:g} seconds; JobDurationInSeconds is {plan['Duration']}.")
    if (users := traffic.most(found)) > USERS:
        raise Invalid(f"The TrafficPattern has {users} users at once; at most {USERS} are possible.")
    return found


def _limits(given: dict[str, Any]) -> dict[str, Any]:
    """The stopping conditions as the load test takes them."""
    found: dict[str, Any] = {"Percent": 95.0, "Flat": given.get("FlatInvocations", "Stop") == "Stop"}
    if "MaxInvocations" in given:
        if given["MaxInvocations"] < 1:
            raise Invalid("MaxInvocations must be at least 1.")
        found["MaxInvocations"] = given["MaxInvocations"]
    for threshold in given.get("ModelLatencyThresholds", ()):
        percent = re.fullmatch(r"[Pp](\d{1,2}(?:\.\d+)?)", threshold.get("Percentile", "P95"))
        if percent is None or not float(percent[1]) > 0:
            raise Invalid(f"Percentile {threshold.get('Percentile')} must be such as P95 or P99.")
        if threshold.get("ValueInMilliseconds", 0) < 1:
            raise Invalid("ValueInMilliseconds must be at least 1.")
        found |= {"Percent": float(percent[1]), "Milliseconds": threshold["ValueInMilliseconds"]}
    return found

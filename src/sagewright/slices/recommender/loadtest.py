"""What a benchmark asks for: the requests that create its endpoint, and the task that loads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...resources.arn import s3_uri
from ...resources.platform import Platform
from ...stores.compute import Input, Limits, Task
from ...stores.records import Record
from ...wire.types import Principal
from . import engine
from .engine import traffic
from .states import GROUP, stream

IMAGE = "sagewright-python:3"
CODE, CONFIG, PAYLOADS = "/opt/ml/code/recommender", "/opt/ml/input/config/load.json", "/opt/ml/input/payloads"
MEMORY = 2 * 2**30
MARGIN = 180.0
"""Seconds that a load test may take longer than its pattern: a server that is away, payloads that are slow."""
NUMBER = r"=([0-9.]+)"
METRICS = ("NumberOfUsers", "ClientInvocations", "ClientInvocationErrors", "ClientLatency")


async def requests(
    platform: Platform, owner: Record, step: dict[str, Any], who: Principal, region: str
) -> list[tuple[str, dict[str, Any]]]:
    """The calls that create a benchmark's endpoint, in order. Raises DomainError if the model cannot be read."""
    name, candidate, given = step["_endpoint"], step["_candidate"], owner.doc["InputConfig"]
    calls: list[tuple[str, dict[str, Any]]] = []
    model: str = given.get("ModelName", name)
    if "ModelPackageVersionArn" in given:
        container: dict[str, Any] = {"ModelPackageName": given["ModelPackageVersionArn"]}
        if candidate["Specification"]:
            container["InferenceSpecificationName"] = candidate["Specification"]
        if candidate["Environment"]:
            container["Environment"] = candidate["Environment"]
        calls.append(("CreateModel", {"ModelName": name, "ExecutionRoleArn": owner.doc["RoleArn"], "PrimaryContainer": container}))
    elif candidate["Environment"]:
        found = await platform.api.call("sagemaker", "DescribeModel", {"ModelName": model}, who, region)
        primary = found["PrimaryContainer"]
        changed: dict[str, Any] = {**primary, "Environment": {**primary.get("Environment", {}), **candidate["Environment"]}}
        kept: dict[str, Any] = {m: found[m] for m in ("ExecutionRoleArn", "EnableNetworkIsolation", "VpcConfig") if m in found}
        calls.append(("CreateModel", {"ModelName": name, "PrimaryContainer": changed, **kept}))
        model = name
    variant: dict[str, Any] = {"VariantName": name, "ModelName": model}
    if "Serverless" in candidate:
        variant["ServerlessConfig"] = candidate["Serverless"]
    else:
        variant |= {"InstanceType": candidate["InstanceType"], "InitialInstanceCount": 1}
    calls.append(("CreateEndpointConfig", {"EndpointConfigName": name, "ProductionVariants": [variant]}))
    calls.append(("CreateEndpoint", {"EndpointName": name, "EndpointConfigName": name}))
    return calls


def longest(job: dict[str, Any]) -> float:
    """Seconds that a load test of the job may take."""
    return traffic.length(job["_plan"]["Segments"]) + MARGIN


def task(task_id: str, job: dict[str, Any], step: dict[str, Any], env: dict[str, str], seconds: float) -> Task:
    """The load test as a task of its own: it outlives the server, and never gets in its way.

    Args:
        env: region, address and the role's keys.
        seconds: that it may take.
    """
    plan = job["_plan"]
    config = {
        "Name": step["_endpoint"], "Endpoint": step["_endpoint"], "Region": env["AWS_REGION"], "Payloads": PAYLOADS,
        "ContentTypes": plan["ContentTypes"], "Accept": plan["Accept"], "Segments": plan["Segments"], "Limits": plan["Limits"],
        "Until": job["_until"],
    }
    return Task(
        id=task_id,
        kind="run",
        image=IMAGE,
        argv=["python3", "-m", "recommender.load", CONFIG],
        env={**env, "PYTHONPATH": str(Path(CODE).parent)},
        files={CONFIG: json.dumps(config), **{f"{CODE}/{path.name}": path.read_text() for path in sources()}},
        inputs=[Input(PAYLOADS, s3_uri(plan["Payload"]), type="S3Object", unpack=True, label="SamplePayloadUrl")],
        limits=Limits(memory=MEMORY, cpus=1.0, seconds=seconds, grace=1.0),
        hostname="load",
        log_group=GROUP,
        log_stream=stream(job["JobName"]),
        metrics=[{"Name": name, "Regex": name + NUMBER} for name in METRICS],
        message_file="/opt/ml/output/message",
    )


def sources() -> list[Path]:
    """The program of the load test."""
    return sorted(Path(engine.__file__).parent.glob("*.py"))

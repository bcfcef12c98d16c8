"""From what was measured to what is recommended. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .candidates import TESTS, label

SETTLE = 1.0
"""Seconds that the first sample of a container's use covers."""


def used(samples: Sequence[tuple[float, float]], begin: float, end: float) -> float | None:
    """The mean of a sampled use over a stretch of time, in the samples' unit.

    Each sample, (epoch seconds, value), tells the mean since the one before. Those that lie within the stretch are taken;
    where it is too short for any, those that touch it. None if there are none.
    """
    spans = [(at - SETTLE if n == 0 else samples[n - 1][0], at, value) for n, (at, value) in enumerate(samples)]
    chosen = [s for s in spans if s[0] >= begin and s[1] <= end] or [s for s in spans if s[1] > begin and s[0] < end]
    seconds = sum(till - since for since, till, _ in chosen)
    return sum((till - since) * value for since, till, value in chosen) / seconds if seconds > 0 else None


def metrics(result: Mapping[str, Any], setup: float, price: float | None, cpu: float | None, memory: float | None) -> dict[str, Any]:
    """RecommendationMetrics of a load test.

    Args:
        result: as the load test told it.
        setup: seconds until the endpoint answered.
        price: of an hour; None where the table does not say.
        cpu: per cent of one core.
        memory: per cent of the instance's.
    """
    invocations = int(result["Rate"])
    found: dict[str, Any] = {
        "MaxInvocations": invocations, "ModelLatency": max(1, math.ceil(result["Latency"])), "ModelSetupTime": round(setup * 1000),
        "CostPerHour": price, "CpuUtilization": cpu, "MemoryUtilization": memory,
        "CostPerInference": price / (invocations * 60) if price is not None and invocations else None,
    }
    return {k: v for k, v in found.items() if v is not None}


def instances(measured: Mapping[str, Any], wanted: int) -> int:
    """How many instances the traffic needs that the caller expects."""
    return max(1, math.ceil(wanted / measured["MaxInvocations"])) if wanted and measured["MaxInvocations"] else 1


def benchmark(step: Mapping[str, Any]) -> dict[str, Any]:
    """RecommendationJobInferenceBenchmark of a benchmark's document, whatever it has come to."""
    candidate, found = step["_candidate"], dict[str, Any]()
    if "Existing" in candidate:
        found["ModelConfiguration"] = {}
        if "_metrics" in step:
            found["EndpointMetrics"] = {m: step["_metrics"][m] for m in ("MaxInvocations", "ModelLatency")}
    else:
        found["EndpointConfiguration"], found["ModelConfiguration"] = _endpoint(step, 1), _model(candidate)
        if "_metrics" in step:
            found["Metrics"] = step["_metrics"]
    if "_failure" in step:
        found["FailureReason"] = step["_failure"]
    return found | _times(step)


def recommendations(job: str, steps: Sequence[Mapping[str, Any]], wanted: int) -> list[dict[str, Any]]:
    """What the benchmarks that succeeded recommend, the cheapest inference first; without prices, the most invocations."""
    found = []
    for step in steps:
        if step["Status"] != "COMPLETED" or "Existing" in step["_candidate"]:
            continue
        found.append({
            "RecommendationId": f"{job}/{identity(step['_endpoint'])}", "Metrics": step["_metrics"],
            "EndpointConfiguration": _endpoint(step, instances(step["_metrics"], wanted)),
            "ModelConfiguration": _model(step["_candidate"]), **_times(step),
        })
    found.sort(key=lambda one: (one["Metrics"].get("CostPerInference", math.inf), -one["Metrics"]["MaxInvocations"]))
    return found[:TESTS]


def performances(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """EndpointPerformances: of endpoints that exist."""
    return [
        {"Metrics": benchmark(step)["EndpointMetrics"], "EndpointInfo": {"EndpointName": step["_candidate"]["Existing"]}}
        for step in steps if step["Status"] == "COMPLETED" and "Existing" in step["_candidate"]
    ]


def failure(steps: Sequence[Mapping[str, Any]]) -> str:
    """Why a job without a benchmark that succeeded has failed."""
    failed = [step for step in steps if "_failure" in step]
    if not failed:
        return "InternalServerError: No benchmark was completed."
    first, what = failed[0]["_failure"], failed[0]["_candidate"]
    text = f"{len(failed)} of {len(steps)} benchmarks failed and none succeeded. {label(what)}: {first}"
    kind = first.partition(": ")[0]
    return f"{kind}: {text}" if kind in ("ClientError", "CapacityError", "AlgorithmError") else f"InternalServerError: {text}"


def identity(endpoint: str) -> str:
    """The eight characters that name a recommendation within its job."""
    return hashlib.sha256(endpoint.encode()).hexdigest()[:8]


def _endpoint(step: Mapping[str, Any], count: int) -> dict[str, Any]:
    name, candidate = step["_endpoint"], step["_candidate"]
    found = {"EndpointName": name, "VariantName": name}
    if "Serverless" in candidate:
        return found | {"ServerlessConfig": candidate["Serverless"]}
    return found | {"InstanceType": candidate["InstanceType"], "InitialInstanceCount": count}


def _model(candidate: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if candidate["Specification"]:
        found["InferenceSpecificationName"] = candidate["Specification"]
    if candidate["Environment"]:
        found["EnvironmentParameters"] = [
            {"Key": key, "ValueType": "String", "Value": value} for key, value in candidate["Environment"].items()
        ]
    return found


def _times(step: Mapping[str, Any]) -> dict[str, Any]:
    result = step.get("_result")
    return {"InvocationStartTime": result["Begin"], "InvocationEndTime": result["End"]} if result else {}

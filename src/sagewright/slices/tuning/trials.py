"""The trials of a tuning job as they are stored: one record each, written before its training job is created. Pure.

A trial's document is its summary as lists show it, and what the tuning job keeps of it in members with an underscore.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from .engine.space import Point

KIND = "HyperParameterTuningTrial"
FINAL = ("Completed", "Failed", "Stopped")


def name(tuning: str, created: float, number: int) -> str:
    """``<tuning job>-001-0f0444b1``: the same for the same tuning job and number, whoever asks."""
    digest = hashlib.sha256(f"{tuning}/{created!r}/{number}".encode()).hexdigest()[:8]
    return f"{tuning}-{number:03d}-{digest}"


def planned(
    *, number: int, name: str, arn: str, study: int, point: Point, tuned: Mapping[str, str], definition: str | None, now: float,
    instance: int = 0,
) -> dict[str, Any]:
    """A trial that has been decided upon."""
    doc = {
        "TrainingJobName": name, "TrainingJobArn": arn, "CreationTime": now, "TrainingJobStatus": "InProgress",
        "TunedHyperParameters": dict(tuned), "ObjectiveStatus": "Pending",
        "_number": number, "_study": study, "_point": point, "_instance": instance,
    }
    return doc | ({"TrainingJobDefinitionName": definition} if definition else {})


def ended(trial: Mapping[str, Any], job: Mapping[str, Any], objective: Mapping[str, str], value: float | None) -> dict[str, Any]:
    """The trial after its training job has ended as ``job`` describes; ``value`` is the objective's last one."""
    doc = {**trial, "TrainingJobStatus": job["TrainingJobStatus"]}
    for member in ("TrainingStartTime", "TrainingEndTime", "FailureReason"):
        if member in job:
            doc[member] = _seconds(job[member])
    doc.setdefault("TrainingEndTime", _seconds(job["LastModifiedTime"]))
    good = value is not None and math.isfinite(value) and job["TrainingJobStatus"] != "Failed"
    doc["ObjectiveStatus"] = "Succeeded" if good else "Failed"
    if value is not None and math.isfinite(value):
        doc["FinalHyperParameterTuningJobObjectiveMetric"] = {**objective, "Value": value}
    return doc


def last_value(job: Mapping[str, Any], *names: str) -> float | None:
    """The last emitted value of the first of ``names`` that the training job has."""
    latest = {m["MetricName"]: m["Value"] for m in job.get("FinalMetricDataList", ())}
    for metric in names:
        if metric in latest and latest[metric] is not None:
            return float(latest[metric])
    return None


def value_of(trial: Mapping[str, Any]) -> float | None:
    """The objective of a trial that succeeded."""
    if trial["ObjectiveStatus"] != "Succeeded":
        return None
    return float(trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def summary(trial: Mapping[str, Any]) -> dict[str, Any]:
    """What answers show of a trial."""
    return {k: v for k, v in trial.items() if not k.startswith("_")}


def retryable(trial: Mapping[str, Any]) -> bool:
    """Whether a trial failed by no fault of its own."""
    return str(trial.get("FailureReason", "")).startswith(("InternalServerError", "CapacityError"))


def _seconds(value: Any) -> Any:
    return value.timestamp() if hasattr(value, "timestamp") else value

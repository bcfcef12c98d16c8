"""What exists: algorithms. Training jobs that name one ask DescribeAlgorithm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.jobs import check_metrics
from ...resources.platform import Platform
from ...resources.resource import Resource
from ...stores.records import Record
from ...wire.errors import Invalid, NotImplementedHere
from ...wire.types import Call

RANGES = {
    "Integer": "IntegerParameterRangeSpecification",
    "Continuous": "ContinuousParameterRangeSpecification",
    "Categorical": "CategoricalParameterRangeSpecification",
}


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Raises Invalid for a specification that contradicts itself, NotImplementedHere for what would run jobs."""
    if "ValidationSpecification" in doc:
        raise NotImplementedHere("CreateAlgorithm with ValidationSpecification is not implemented; leave it out, and train.")
    training = doc["TrainingSpecification"]
    seen: set[str] = set()
    for parameter in training.get("SupportedHyperParameters", ()):
        name, kind = parameter["Name"], parameter["Type"]
        if name in seen:
            raise Invalid(f"Duplicate hyperparameter: {name}.")
        seen.add(name)
        given = set(parameter.get("Range", {}))
        if given - {RANGES.get(kind)}:
            raise Invalid(f"Hyperparameter {name}: a {kind} parameter has no {', '.join(sorted(given))}.")
        if parameter.get("IsTunable") and kind == "FreeText":
            raise Invalid(f"Hyperparameter {name}: FreeText parameters are not tunable.")
    check_metrics(training.get("MetricDefinitions", ()))
    metrics = {metric["Name"] for metric in training.get("MetricDefinitions", ())}
    for objective in training.get("SupportedTuningJobObjectiveMetrics", ()):
        if objective["MetricName"] not in metrics:
            raise Invalid(f"The objective metric {objective['MetricName']} is not among the MetricDefinitions.")


def _status(doc: Mapping[str, Any], record: Record) -> str:
    return "Completed"


algorithm = Resource(
    "Algorithm",
    prepare=check,
    old=True,
    computed={
        "AlgorithmStatus": _status,
        "AlgorithmStatusDetails": lambda doc, record: {"ValidationStatuses": [], "ImageScanStatuses": []},
    },
)

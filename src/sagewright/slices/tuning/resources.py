"""What exists: hyperparameter tuning jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...resources.resource import Resource
from ...runtime.lifecycle import Instruction
from ...stores.records import Record
from .definitions import definitions, shown, sign
from .lifecycle import LIFECYCLE, RUN
from .request import check


def overall(doc: Mapping[str, Any], record: Record) -> dict[str, Any] | None:
    """The best trial of this tuning job and its parents, where they search the same thing."""
    if doc.get("WarmStartConfig", {}).get("WarmStartType") != "IdenticalDataAndAlgorithm":
        return None
    own = {**doc["BestTrainingJob"], "TuningJobName": record.name} if "BestTrainingJob" in doc else None
    found = [best for best in (own, doc.get("_parents_best")) if best]
    factor = sign(definitions(doc)[0])
    return min(found, key=lambda b: factor * b["FinalHyperParameterTuningJobObjectiveMetric"]["Value"], default=None)


tuning_job = Resource(
    "HyperParameterTuningJob",
    lifecycle=LIFECYCLE,
    first=(Instruction(RUN),),
    prepare=check,
    human="hyperparameter tuning job",
    computed={
        "Strategy": lambda doc, record: doc["HyperParameterTuningJobConfig"]["Strategy"],
        "ResourceLimits": lambda doc, record: doc["HyperParameterTuningJobConfig"]["ResourceLimits"],
        "OverallBestTrainingJob": overall,
        "TrainingJobDefinition": lambda doc, record: shown(doc["TrainingJobDefinition"]) if "TrainingJobDefinition" in doc else None,
        "TrainingJobDefinitions": lambda doc, record: [shown(one) for one in doc.get("TrainingJobDefinitions", ())] or None,
    },
    verbs=("Create", "Describe"),
)

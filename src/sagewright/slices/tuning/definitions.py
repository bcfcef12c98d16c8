"""The training job definitions of a tuning job, whether it has one or several. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .engine.space import Parameter, parameters

OBJECTIVE = "ObjectiveMetric"
"""The metric definition that every trial gets beside its own: the objective under one name."""
STATIC = "_tuning_objective_metric"
METRICS = 40
"""Metric definitions that a training job may be given."""

Doc = Mapping[str, Any]


def definitions(doc: Doc) -> list[dict[str, Any]]:
    """Every definition of a tuning job, each with ``TuningObjective`` and ``HyperParameterRanges``."""
    if "TrainingJobDefinitions" in doc:
        return list(doc["TrainingJobDefinitions"])
    config = doc["HyperParameterTuningJobConfig"]
    only = doc["TrainingJobDefinition"]
    # a definition on its own may have them too; the tuning job's count
    objective = config.get("HyperParameterTuningJobObjective", only.get("TuningObjective"))
    ranges = config.get("ParameterRanges", only.get("HyperParameterRanges", {}))
    return [{**only, "TuningObjective": objective, "HyperParameterRanges": ranges}]


def space(definition: Doc) -> list[Parameter]:
    return parameters(definition["HyperParameterRanges"])


def sign(definition: Doc) -> float:
    """-1 where the objective is maximised: objective times sign is better when lower."""
    return -1.0 if definition["TuningObjective"]["Type"] == "Maximize" else 1.0


def static(definition: Doc) -> dict[str, str]:
    """The static hyperparameters that the caller gave."""
    return {k: v for k, v in definition.get("StaticHyperParameters", {}).items() if k != STATIC}


def shown(definition: Doc) -> dict[str, Any]:
    """The definition as Describe answers with it: always with a ResourceConfig, from which SDK v2 attaches to a tuning job."""
    return {"ResourceConfig": instances(definition)[0], **definition}


def instances(definition: Doc) -> list[dict[str, Any]]:
    """The resource configurations that a trial may run on, in order of preference."""
    if "ResourceConfig" in definition:
        return [dict(definition["ResourceConfig"])]
    wide = definition["HyperParameterTuningResourceConfig"]
    keys = {"VolumeKmsKeyId": wide["VolumeKmsKeyId"]} if "VolumeKmsKeyId" in wide else {}
    if "InstanceConfigs" in wide:
        return [{**one, **keys} for one in wide["InstanceConfigs"]]
    return [{"VolumeSizeInGB": 1, "InstanceCount": 1, **{k: v for k, v in wide.items() if k != "AllocationStrategy"}}]


PASSED = ("RoleArn", "InputDataConfig", "VpcConfig", "StoppingCondition", "EnableNetworkIsolation", "EnableManagedSpotTraining",
          "EnableInterContainerTrafficEncryption", "RetryStrategy", "Environment", "OutputDataConfig")


def training_job(
    definition: Doc, name: str, tuned: Mapping[str, str], instance: int = 0, tags: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The CreateTrainingJob request of one trial."""
    said = json.loads(json.dumps({k: definition[k] for k in PASSED if k in definition}))
    algorithm = dict(definition["AlgorithmSpecification"])
    metrics = sorted(algorithm.get("MetricDefinitions", ()), key=lambda m: m["Name"] != OBJECTIVE)
    if metrics:
        algorithm["MetricDefinitions"] = metrics[:METRICS]
    request: dict[str, Any] = {
        **said,
        "TrainingJobName": name,
        "AlgorithmSpecification": algorithm,
        "HyperParameters": {**definition.get("StaticHyperParameters", {}), **tuned},
        "ResourceConfig": instances(definition)[instance],
    }
    if checkpoints := definition.get("CheckpointConfig"):
        # trials that shared one folder would start from each other's checkpoints
        request["CheckpointConfig"] = {**checkpoints, "S3Uri": f"{checkpoints['S3Uri'].rstrip('/')}/{name}"}
    if tags:
        request["Tags"] = tags
    return request

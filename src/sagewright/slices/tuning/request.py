"""What a CreateHyperParameterTuningJob request must mean, beyond its shape."""

from __future__ import annotations

import copy
import random
from dataclasses import asdict
from typing import Any

from ...resources.jobs import check_metrics
from ...resources.platform import Platform
from ...stores.images import UnknownImage
from ...wire.errors import Invalid
from ...wire.types import Call
from . import autotune, ranges, warmstart
from .definitions import OBJECTIVE, STATIC, definitions, instances, static, training_job

EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Static hyperparameters that tell how far a training goes."""
LARGEST = 20_000


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Check the request's meaning and fill in defaults.

    Raises:
        Invalid: with AWS's wording where it is known.
        AccessDenied: the caller may not pass a role.
    """
    several = doc.get("TrainingJobDefinitions")
    if bool(several) == ("TrainingJobDefinition" in doc):
        raise Invalid("Specify exactly one of TrainingJobDefinition and TrainingJobDefinitions.")
    config = doc["HyperParameterTuningJobConfig"]
    if several:
        _plural(config, several)
    algorithms = [d["AlgorithmSpecification"] for d in several or [doc["TrainingJobDefinition"]]]
    if autotune.enabled(doc):
        autotune.fill(doc, builtin(platform, algorithms[0]))
    config.setdefault("TrainingJobEarlyStoppingType", "Off")
    all_ = definitions(doc)
    for definition in all_:
        if not definition.get("TuningObjective"):
            raise Invalid("An objective metric is required: specify HyperParameterTuningJobObjective.")
        ranges.check(definition["HyperParameterRanges"], static(definition), config["Strategy"])
        _resources(definition)
    if len({d["TuningObjective"]["Type"] for d in all_}) > 1:
        raise Invalid("The TuningObjective of all training job definitions must have the same Type.")
    _strategy(config, all_)
    _budget(config, all_)
    for definition in several or [doc["TrainingJobDefinition"]]:
        _objective(platform, definition, config)
    for definition in definitions(doc):
        await _as_training_job(platform, call, definition)
    if "WarmStartConfig" in doc:
        await warmstart.check(platform, call, doc)
    doc.setdefault("_seed", config.get("RandomSeed", random.SystemRandom().randrange(2**31)))
    caller = asdict(call.principal)
    doc["_caller"] = {**caller, "access_key": ""}
    doc |= {"TrainingJobStatusCounters": dict.fromkeys(STATUSES, 0), "ObjectiveStatusCounters": dict.fromkeys(OBJECTIVES, 0)}
    doc["TuningJobCompletionDetails"] = {"NumberOfTrainingJobsObjectiveNotImproving": 0}


STATUSES = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
OBJECTIVES = ("Succeeded", "Pending", "Failed")


def builtin(platform: Platform, algorithm: dict[str, Any]) -> str:
    """The built-in algorithm that an image stands for; empty if none."""
    try:
        return platform.images.resolve(algorithm["TrainingImage"]).builtin
    except (KeyError, UnknownImage):
        return ""


def _plural(config: dict[str, Any], several: list[dict[str, Any]]) -> None:
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if member in config:
            raise Invalid(f"{member} cannot be specified together with TrainingJobDefinitions; specify it in each definition.")
    names = [d.get("DefinitionName") for d in several]
    if None in names:
        raise Invalid("DefinitionName is required in each of TrainingJobDefinitions.")
    if len(set(names)) != len(names):
        raise Invalid("DefinitionName must be unique among TrainingJobDefinitions.")
    for definition in several:
        for member in ("TuningObjective", "HyperParameterRanges"):
            if member not in definition and not (member == "HyperParameterRanges"):
                raise Invalid(f"{member} is required in training job definition {definition['DefinitionName']}.")
        definition.setdefault("HyperParameterRanges", {})


def _resources(definition: dict[str, Any]) -> None:
    wide = definition.get("HyperParameterTuningResourceConfig")
    one = definition.get("ResourceConfig")
    if wide is None and one is not None:
        return
    exactly = Invalid("Specify exactly one of ResourceConfig and HyperParameterTuningResourceConfig in each training job definition.")
    if wide is None:
        raise exactly
    single = [m for m in ("InstanceType", "InstanceCount", "VolumeSizeInGB") if m in wide]
    if "InstanceConfigs" in wide and single:
        raise Invalid(f"{', '.join(single)} cannot be specified together with InstanceConfigs.")
    if "InstanceConfigs" not in wide and "InstanceType" not in wide:
        raise Invalid("HyperParameterTuningResourceConfig needs InstanceType or InstanceConfigs.")
    # Describe answers with both; what was read there may be sent again
    if one is not None and definition.pop("ResourceConfig") != instances(definition)[0]:
        raise exactly


def _strategy(config: dict[str, Any], all_: list[dict[str, Any]]) -> None:
    strategy = config["Strategy"]
    if strategy != "Hyperband":
        if "StrategyConfig" in config:
            raise Invalid("StrategyConfig can only be specified for Strategy Hyperband.")
        return
    if config["TrainingJobEarlyStoppingType"] != "Off":
        raise Invalid("TrainingJobEarlyStoppingType must be Off for Strategy Hyperband, which stops training jobs itself.")
    given = config.setdefault("StrategyConfig", {}).setdefault("HyperbandStrategyConfig", {})
    given.setdefault("MinResource", 1)
    if "MaxResource" not in given:
        given["MaxResource"] = _epochs(all_)
    if not given["MinResource"] <= given["MaxResource"] <= LARGEST:
        raise Invalid(f"MinResource must not be greater than MaxResource, and MaxResource not greater than {LARGEST}.")


def _epochs(all_: list[dict[str, Any]]) -> int:
    for definition in all_:
        for name in EPOCHS:
            text = static(definition).get(name, "").strip('"')
            if text.isdigit() and int(text) > 0:
                return int(text)
    raise Invalid(
        f"MaxResource is required for Strategy Hyperband: it is not specified, and none of {', '.join(EPOCHS)} is among "
        "StaticHyperParameters."
    )


def _budget(config: dict[str, Any], all_: list[dict[str, Any]]) -> None:
    limits = config["ResourceLimits"]
    said = limits.get("MaxNumberOfTrainingJobs")
    if config["Strategy"] == "Grid":
        whole = sum(ranges.combinations(d["HyperParameterRanges"]) for d in all_)
        if said is not None and said != whole:
            raise Invalid(
                f"MaxNumberOfTrainingJobs must be equal to the number of combinations of the categorical values for Strategy Grid: "
                f"{whole}, not {said}. It may be left out."
            )
        limits["MaxNumberOfTrainingJobs"] = whole
    elif said is None:
        raise Invalid("MaxNumberOfTrainingJobs is required for Strategies other than Grid.")


def _objective(platform: Platform, definition: dict[str, Any], config: dict[str, Any]) -> None:
    """The objective's own metric definition, beside the one it copies, and its name among the hyperparameters."""
    objective = definition.get("TuningObjective") or config["HyperParameterTuningJobObjective"]
    name = objective["MetricName"]
    algorithm = definition["AlgorithmSpecification"]
    given = [m for m in algorithm.get("MetricDefinitions", ()) if m["Name"] != OBJECTIVE]
    check_metrics(given)
    regex = next((m["Regex"] for m in given if m["Name"] == name), None)
    if regex is None:
        try:
            image = platform.images.resolve(algorithm["TrainingImage"])
            regex = dict(image.metrics).get(name) if image.builtin and "sagemaker_program" not in static(definition) else None
        except (KeyError, UnknownImage):
            regex = None
    if regex is None:
        raise Invalid(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric definitions: "
            f"none of them is named {name}."
        )
    algorithm["MetricDefinitions"] = [*given, {"Name": OBJECTIVE, "Regex": regex}]
    definition["StaticHyperParameters"] = {**definition.get("StaticHyperParameters", {}), STATIC: name}


async def _as_training_job(platform: Platform, call: Call, definition: dict[str, Any]) -> None:
    """What a trial's own CreateTrainingJob would refuse is refused now."""
    desk = platform.nouns.get("training-job")
    if desk is None or desk.resource.prepare is None:
        return
    name = f"{call.params['HyperParameterTuningJobName']}-001"
    request = copy.deepcopy(training_job(definition, name, {}))
    try:
        await desk.resource.prepare(platform, call, request)
    except Invalid as error:
        which = f" {definition['DefinitionName']}" if "DefinitionName" in definition else ""
        raise Invalid(f"{error.message} (in the training job definition{which})") from None

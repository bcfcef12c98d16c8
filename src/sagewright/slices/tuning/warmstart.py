"""Warm start: what parents a tuning job may have, and what it learns from them."""

from __future__ import annotations

from typing import Any

from ...resources.platform import Platform
from ...stores.records import Query, Record
from ...wire.errors import Invalid
from ...wire.types import Call
from .definitions import definitions, sign, space, static
from .engine.space import Point, point_of
from .trials import KIND, value_of

TERMINAL = ("Completed", "Stopped", "Failed")
CHANGES = 10
"""Hyperparameters that may turn from static to tunable or back, over all parents."""
NOUN = "HyperParameterTuningJob"


async def check(platform: Platform, call: Call, doc: dict[str, Any]) -> None:
    """Check the parents, and write down what is kept of them. Raises Invalid."""
    config = doc["WarmStartConfig"]
    names = [p.get("HyperParameterTuningJobName", "") for p in config["ParentHyperParameterTuningJobs"]]
    if "" in names or len({n.lower() for n in names}) != len(names):
        raise Invalid("ParentHyperParameterTuningJobs must name different tuning jobs.")
    parents: list[Record] = []
    for name in names:
        record = await platform.records.get(NOUN, call.scope, name.lower())
        if record is None:
            raise Invalid(f"Could not find the parent hyperparameter tuning job {name}.")
        if record.status not in TERMINAL:
            raise Invalid(f"The parent hyperparameter tuning job {name} is {record.status}; it must be Completed, Stopped or Failed.")
        parents.append(record)
    changes: set[str] = set()
    for parent in parents:
        for mine in definitions(doc):
            changes |= _compatible(mine, _counterpart(mine, parent), parent.name, config["WarmStartType"])
    if len(changes) > CHANGES:
        raise Invalid(f"At most {CHANGES} hyperparameters may change between static and tunable; {len(changes)} do.")
    doc["_parents"] = [p.key for p in parents]
    if config["WarmStartType"] == "IdenticalDataAndAlgorithm":
        factor = sign(definitions(doc)[0])
        best = [{**p.doc["BestTrainingJob"], "TuningJobName": p.name} for p in parents if "BestTrainingJob" in p.doc]
        if best:
            doc["_parents_best"] = min(best, key=lambda b: factor * b["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def _counterpart(mine: dict[str, Any], parent: Record) -> dict[str, Any]:
    """The parent's definition that one of ours continues: that of the same name, or the only one."""
    theirs = definitions(parent.doc)
    for one in theirs:
        if len(theirs) == 1 or one.get("DefinitionName") == mine.get("DefinitionName"):
            return one
    raise Invalid(f"The parent hyperparameter tuning job {parent.name} has no training job definition {mine.get('DefinitionName')}.")


def _compatible(mine: dict[str, Any], theirs: dict[str, Any], name: str, kind: str) -> set[str]:
    """The names that change between static and tunable. Raises Invalid."""
    if mine["TuningObjective"] != theirs["TuningObjective"]:
        raise Invalid(f"The objective must be the same as that of the parent hyperparameter tuning job {name}.")
    now, before = {p.name: p.kind for p in space(mine)}, {p.name: p.kind for p in space(theirs)}
    if len(now) + len(static(mine)) != len(before) + len(static(theirs)):
        raise Invalid(
            f"The number of static and tunable hyperparameters together must be the same as in the parent hyperparameter tuning "
            f"job {name}: {len(before) + len(static(theirs))}, not {len(now) + len(static(mine))}."
        )
    for parameter in now.keys() & before.keys():
        if now[parameter] != before[parameter]:
            raise Invalid(f"The hyperparameter {parameter} is {now[parameter]} and was {before[parameter]} in the parent {name}.")
    if kind == "IdenticalDataAndAlgorithm":
        image = "AlgorithmSpecification", ("TrainingImage", "AlgorithmName")
        if any(mine[image[0]].get(m) != theirs[image[0]].get(m) for m in image[1]):
            raise Invalid(f"IdenticalDataAndAlgorithm needs the training image of the parent hyperparameter tuning job {name}.")
        if mine.get("InputDataConfig") != theirs.get("InputDataConfig"):
            raise Invalid(f"IdenticalDataAndAlgorithm needs the input data of the parent hyperparameter tuning job {name}.")
    return (now.keys() & static(theirs).keys()) | (before.keys() & static(mine).keys())


async def lessons(platform: Platform, record: Record) -> list[list[tuple[Point, float]]]:
    """For each definition what the parents found, best first: points of today's space, with values lower is better."""
    found: list[list[tuple[Point, float]]] = []
    for mine in definitions(record.doc):
        known: list[tuple[Point, float]] = []
        for key in record.doc.get("_parents", ()):
            parent = await platform.records.get(NOUN, record.scope, key)
            if parent is None:
                continue
            theirs = _counterpart(mine, parent)
            for trial in await platform.records.find(KIND, record.scope, Query(parent=key, descending=False, limit=100_000)):
                value = value_of(trial.doc)
                point = point_of(space(mine), {**static(theirs), **trial.doc["TunedHyperParameters"]})
                mismatch = trial.doc.get("TrainingJobDefinitionName") not in (None, theirs.get("DefinitionName"))
                if value is not None and point is not None and not mismatch:
                    known.append((point, sign(mine) * value))
        found.append(sorted(known, key=lambda pair: pair[1]))
    return found

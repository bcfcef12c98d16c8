"""A tuning job's own decisions: counting, choosing definitions, ending, and being rebuilt from its trials."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.slices.tuning import autotune, trials
from sagewright.slices.tuning.definitions import OBJECTIVE, instances, training_job
from sagewright.slices.tuning.lifecycle import ATTEMPTS, CLEAN, LIFECYCLE, RELEASE, SAMPLE
from sagewright.slices.tuning.ranges import check
from sagewright.slices.tuning.study import Study
from sagewright.wire.errors import Invalid

OBJ = {"Type": "Minimize", "MetricName": "loss"}
RANGES = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}]}


def document(strategy: str = "Random", most: int = 10, parallel: int = 3, **config: Any) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": "Tune", "CreationTime": 1000.0, "_seed": 7,
        "HyperParameterTuningJobConfig": {
            "Strategy": strategy, "HyperParameterTuningJobObjective": OBJ, "ParameterRanges": RANGES,
            "ResourceLimits": {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": parallel},
            "TrainingJobEarlyStoppingType": "Off", **config,
        },
        "TrainingJobDefinition": {"ResourceConfig": {"InstanceType": "ml.m5.large"}},
    }


def plan(study: Study, index: int = 0, **more: Any) -> dict[str, Any]:
    number = study.launched + 1
    doc = trials.planned(
        number=number, name=trials.name("Tune", 1000.0, number), arn="arn", study=index, point=[0.5], tuned={"x": "0.5"},
        definition=None, now=1000.0 + number, **more,
    )
    study.planned(doc)
    return doc


def end(study: Study, doc: dict[str, Any], value: float | None, status: str = "Completed", **more: Any) -> dict[str, Any]:
    at = 2000.0 + doc["_number"]
    job = {"TrainingJobStatus": status, "LastModifiedTime": at, **more}
    after = trials.ended(doc, job, OBJ, value)
    study.ended(after, at)
    return after


def test_names_follow_from_the_number() -> None:
    assert trials.name("Tune", 1.5, 7) == trials.name("Tune", 1.5, 7)
    assert trials.name("Tune", 1.5, 7).startswith("Tune-007-")
    assert trials.name("Tune", 1.5, 1234).startswith("Tune-1234-")
    assert trials.name("Tune", 1.5, 7) != trials.name("Tune", 2.5, 7), "a name that is used again has other trials"


def test_room_and_budget() -> None:
    study = Study(document(most=4, parallel=3))
    running = [plan(study) for _ in range(3)]
    assert study.room() == 0
    end(study, running[0], 1.0)
    assert study.room() == 1
    running.append(plan(study))
    assert study.room() == 0
    assert study.verdict(1001.0) is None, "the last ones run to their end"
    for doc in running[1:]:
        end(study, doc, 1.0)
    assert study.verdict(1001.0) == ("Completed", "")


def test_counters_and_best() -> None:
    study = Study(document())
    end(study, plan(study), 0.5)
    end(study, plan(study), 0.3, "Stopped")
    end(study, plan(study), None)
    end(study, plan(study), 0.1, "Failed", FailureReason="AlgorithmError: no")
    end(study, plan(study), None, "Failed", FailureReason="InternalServerError: agent lost")
    plan(study)
    changes = study.changes()
    assert changes["TrainingJobStatusCounters"] == {"Completed": 2, "InProgress": 1, "RetryableError": 1, "NonRetryableError": 1, "Stopped": 1}
    assert changes["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 1, "Failed": 3}
    best = changes["BestTrainingJob"]
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.3, "a failed trial is never the best"
    assert not [k for k in best if k.startswith("_")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_value_that_is_no_number_is_none(value: float | None) -> None:
    study = Study(document())
    after = end(study, plan(study), value)
    assert after["ObjectiveStatus"] == "Failed"
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in after


def test_maximising_is_the_same_upside_down() -> None:
    doc = document()
    doc["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"] = {"Type": "Maximize", "MetricName": "auc"}
    study = Study(doc)
    for value in (0.5, 0.9, 0.7):
        end(study, plan(study), value)
    assert study.best is not None
    assert study.best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.9


def test_a_deadline_ends_it() -> None:
    limits = {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 120}
    study = Study(document(ResourceLimits=limits))
    end(study, plan(study), 1.0)
    assert study.verdict(1119.0) is None
    assert study.verdict(1120.0) == ("Completed", "")


def test_all_that_ran_failed_is_a_failure_whatever_the_budget() -> None:
    study = Study(document(most=2))
    for _ in range(2):
        end(study, plan(study), None, "Failed", FailureReason="ClientError: no data")
    verdict = study.verdict(1001.0)
    assert verdict is not None
    assert verdict[0] == "Failed"
    assert "ClientError: no data" in verdict[1]


def test_a_verdict_stays() -> None:
    study = Study(document(parallel=7))
    running = [plan(study) for _ in range(7)]
    for doc in running[:5]:
        end(study, doc, None, "Failed", FailureReason="AlgorithmError: no")
    first = study.verdict(1001.0)
    assert first is not None
    for doc in running[5:]:
        end(study, doc, 0.5, "Stopped")
    assert study.verdict(1002.0) == first


def test_definitions_take_turns_then_the_better_gets_more() -> None:
    doc = document(most=100)
    config = doc["HyperParameterTuningJobConfig"]
    del config["HyperParameterTuningJobObjective"], config["ParameterRanges"]
    doc["TrainingJobDefinitions"] = [
        {"DefinitionName": n, "TuningObjective": OBJ, "HyperParameterRanges": RANGES} for n in ("good", "bad", "worse")
    ]
    study = Study(doc)
    counts = [0, 0, 0]
    for _ in range(60):
        index = study.turn()
        counts[index] += 1
        end(study, plan(study, index), float(index))
    assert counts[0] > counts[1] > counts[2] >= 5


def test_a_study_rebuilt_from_its_trials_is_the_same() -> None:
    """At any moment of any course of events."""
    for seed in range(20):
        source = random.Random(seed)
        doc = document("Hyperband", most=30, StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}})
        study, stored, curves = Study(doc), {}, {}
        for _ in range(source.randrange(60)):
            running = list(study.live.values())
            if study.room() > 0 and (not running or source.random() < 0.5):
                made = plan(study)
                stored[made["TrainingJobName"]] = made
                continue
            if not running:
                break
            live = source.choice(running)
            curve = [source.random() for _ in range(source.randrange(1, 10))]
            for value in curve:
                study.emitted(live, value)
            curves[live.name] = curve
            value, status = source.choice([curve[-1], curve[-1], None]), source.choice(["Completed", "Stopped", "Failed"])
            stored[live.name] = end(study, live.doc, value, status, LastModifiedTime=float(len(curves)))
        again = Study(doc)
        again.restore(stored.values(), curves)
        assert again.changes()["TrainingJobStatusCounters"] == study.changes()["TrainingJobStatusCounters"]
        assert again.changes()["ObjectiveStatusCounters"] == study.changes()["ObjectiveStatusCounters"]
        assert again.best == study.best
        assert (again.launched, set(again.live), again.progress.stale) == (study.launched, set(study.live), study.progress.stale)
        assert again.histories == study.histories
        assert again.hyperband is not None
        assert study.hyperband is not None
        assert again.hyperband[0]._rungs == study.hyperband[0]._rungs


def test_capacity_falls_through_the_list() -> None:
    doc = document()
    wide = {"AllocationStrategy": "Prioritized", "InstanceConfigs": [{"InstanceType": t, "InstanceCount": 1, "VolumeSizeInGB": 1} for t in "ab"]}
    doc["TrainingJobDefinition"] = {"HyperParameterTuningResourceConfig": wide}
    study = Study(doc)
    end(study, plan(study), None, "Failed", FailureReason="CapacityError: none left")
    assert study.exhausted == 1
    assert [c["InstanceType"] for c in instances(study.definitions[0])] == ["a", "b"]


def test_the_request_of_a_trial() -> None:
    metrics = [{"Name": f"m{i}", "Regex": "x"} for i in range(40)]
    definition = {
        "AlgorithmSpecification": {"TrainingImage": "i", "MetricDefinitions": [*metrics, {"Name": OBJECTIVE, "Regex": "y"}]},
        "StaticHyperParameters": {"a": "1"}, "ResourceConfig": {"InstanceType": "t"}, "RoleArn": "r",
        "CheckpointConfig": {"S3Uri": "s3://b/c/", "LocalPath": "/opt/ml/checkpoints"}, "DefinitionName": "d", "TuningObjective": OBJ,
    }
    request = training_job(definition, "t-001-ab", {"x": "0.5"})
    assert request["HyperParameters"] == {"a": "1", "x": "0.5"}
    assert request["CheckpointConfig"]["S3Uri"] == "s3://b/c/t-001-ab"
    said = request["AlgorithmSpecification"]["MetricDefinitions"]
    assert len(said) == 40
    assert said[0]["Name"] == OBJECTIVE, "the one that must not be cut off comes first"
    assert not {"DefinitionName", "TuningObjective"} & request.keys()


# -- ranges and autotune


@pytest.mark.parametrize(("kind", "item", "why"), [
    ("Continuous", {"MinValue": "1", "MaxValue": "1"}, "must be less"),
    ("Continuous", {"MinValue": "0", "MaxValue": "1", "ScalingType": "Logarithmic"}, "greater than 0"),
    ("Continuous", {"MinValue": "0", "MaxValue": "1", "ScalingType": "ReverseLogarithmic"}, "0 <= x < 1"),
    ("Integer", {"MinValue": "0", "MaxValue": "1", "ScalingType": "ReverseLogarithmic"}, "not supported"),
    ("Integer", {"MinValue": "0.5", "MaxValue": "1"}, "not an integer"),
    ("Continuous", {"MinValue": "low", "MaxValue": "1"}, "not a number"),
    ("Continuous", {"MinValue": "0", "MaxValue": "inf"}, "finite"),
])
def test_ranges_that_mean_nothing(kind: str, item: dict[str, str], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        check({f"{kind}ParameterRanges": [{"Name": "x", **item}]}, {}, "Random")


def test_limits_of_ranges() -> None:
    many = {"CategoricalParameterRanges": [{"Name": f"c{i}", "Values": ["a"]} for i in range(31)]}
    with pytest.raises(Invalid, match="At most 30"):
        check(many, {}, "Random")
    with pytest.raises(Invalid, match="No tunable"):
        check({}, {}, "Random")
    with pytest.raises(Invalid, match="At most 100"):
        check(RANGES, {f"s{i}": "" for i in range(100)}, "Random")


@pytest.mark.parametrize(("hint", "kind", "item"), [
    ("0.1", "Continuous", {"MinValue": "0.01", "MaxValue": "1.0"}),
    ("3.0", "Continuous", {"MinValue": "0.3", "MaxValue": "30.0"}),
    ("100", "Integer", {"MinValue": "10", "MaxValue": "1000"}),
    ("0", "Integer", {"MinValue": "0", "MaxValue": "10"}),
    ("true", "Categorical", {"Values": ["true", "false"]}),
    ('"False"', "Categorical", {"Values": ['"False"', '"True"']}),
    ("adam", "Categorical", {"Values": ["adam"]}),
])
def test_autotune_finds_a_range_around_a_hint(hint: str, kind: str, item: dict[str, Any]) -> None:
    found = autotune.around("x", hint)
    assert found[0] == kind
    assert item.items() <= found[1].items()


# -- the lifecycle


def step(doc: dict[str, Any], name: str, **data: Any) -> tuple[dict[str, Any], Any]:
    stepped = LIFECYCLE.step("tune", doc, Event(name, data), 3000.0)
    return (doc, None) if stepped is None else stepped


def begun() -> dict[str, Any]:
    return LIFECYCLE.begin(document(), 1000.0)


def test_a_lost_sampler_is_replaced_a_few_times_then_given_up() -> None:
    doc, move = step(begun(), "Sample")
    assert [i.name for i in move.instructions] == [SAMPLE]
    assert step(doc, "Sample")[1] is None, "one is enough"
    first = doc["_sampler"]["Task"]
    doc, _ = step(doc, "Ready", Task=first, Sockets=["/s"])
    assert doc["_sampler"]["Socket"] == "/s"
    for attempt in range(2, ATTEMPTS + 1):
        doc, move = step(doc, "Exited", Task=doc["_sampler"]["Task"], ExitCode=1)
        assert doc["_sampler"]["Attempt"] == attempt
        assert "Socket" not in doc["_sampler"]
        assert [i.name for i in move.instructions] == [SAMPLE, RELEASE]
    assert step(doc, "Finished", Task=first)[1] is None, "an old one's end means nothing"
    doc, _ = step(doc, "Failed", Task=doc["_sampler"]["Task"], Reason="no environment")
    assert doc["_sampler"]["Reason"] == "no environment"


def test_how_it_ends() -> None:
    doc, move = step(begun(), "Ended", State="Completed", Reason="")
    assert (doc["HyperParameterTuningJobStatus"], doc["ConsumedResources"]) == ("Completed", {"RuntimeInSeconds": 2000})
    assert [i.name for i in move.instructions] == [CLEAN]
    assert "FailureReason" not in doc
    stopping, _ = step(begun(), "Stop")
    doc, _ = step(stopping, "Ended", State="Completed", Reason="")
    assert doc["_state"] == "Stopped", "who asked for a stop gets one"
    doc, _ = step(begun(), "Ended", State="Failed", Reason="x" * 2000)
    assert len(doc["FailureReason"]) == 1024
    for late in ("Ready", "Exited", "Finished", "Fault"):
        assert step(doc, late, Task="t", Reason="r", Sockets=[])[1] is None
    with pytest.raises(ImpossibleTransition):
        step(doc, "Stop")
    with pytest.raises(ImpossibleTransition):
        step(begun(), "Delete")

"""An experiment's races, and what it makes of its endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition, Move
from sagewright.slices.inference_experiments import plans
from sagewright.slices.inference_experiments.lifecycle import LIFECYCLE
from sagewright.slices.inference_experiments.resources import variants

SIZE = {"InfrastructureType": "RealTimeInference", "RealTimeInferenceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}}


def document(state: str = "Creating", **more: Any) -> dict[str, Any]:
    return {
        "_state": state, "Name": "x" * 60, "CreationTime": 12.5, "Schedule": {"StartTime": 10.0, "EndTime": 100.0},
        "ShadowModeConfig": {"SourceModelVariantName": "a", "ShadowModelVariants": [{"ShadowModelVariantName": "b", "SamplingPercentage": 25}]},
        "ModelVariants": [{"ModelName": f"m{name}", "VariantName": name, "InfrastructureConfig": SIZE} for name in "ab"],
        "_before": {
            "Config": "before", "Given": False, "KmsKeyId": None, "Capture": None,
            "Variant": {"VariantName": "a", "ModelName": "ma", "InstanceType": "ml.t2.medium", "ModelDataDownloadTimeoutInSeconds": 60},
        },
        **more,
    }


def step(doc: dict[str, Any], event: str, now: float = 10.0, **data: Any) -> tuple[dict[str, Any], Move] | None:
    return LIFECYCLE.step("x", doc, Event(event, data), now)


def state(doc: dict[str, Any], event: str, now: float = 10.0, **data: Any) -> str:
    stepped = step(doc, event, now, **data)
    return str(stepped[0]["_state"]) if stepped else "ignored"


def test_it_begins_at_once_or_at_its_time() -> None:
    assert state(document(), "Prepared") == "Starting"
    waiting = step(document(), "Prepared", now=5.0)
    assert waiting
    (timer,) = waiting[1].instructions
    assert (waiting[0]["_state"], timer.name, timer.args, timer.delay) == ("Created", "Begin", {"At": 10.0}, 5.0)


def test_timers_that_another_schedule_has_overtaken_mean_nothing() -> None:
    assert state(document("Created"), "Begin", At=10.0) == "Starting"
    assert state(document("Created"), "Begin", At=9.0) == "ignored"
    assert state(document("Running"), "Begin", At=10.0) == "ignored"
    assert state(document("Running"), "Finish", At=100.0) == "Stopping"
    assert state(document("Running"), "Finish", At=99.0) == "ignored"
    assert state(document("Completed"), "Finish", At=100.0) == "ignored"


def test_a_start_by_hand_is_the_schedule_s_start() -> None:
    stepped = step(document("Created", Schedule={"StartTime": 50.0, "EndTime": 100.0}), "Start", now=20.0)
    assert stepped
    assert stepped[0]["Schedule"] == {"StartTime": 20.0, "EndTime": 100.0}


@pytest.mark.parametrize("event", ["Deployed", "Prepared"])
def test_what_is_told_twice_is_heard_once(event: str) -> None:
    for now in ("Running", "Stopping", "Completed", "Cancelled"):
        assert state(document(now), event) == "ignored"


@pytest.mark.parametrize("now", ["Creating", "Starting", "Stopping", "Completed", "Cancelled"])
def test_who_comes_too_early_or_too_late(now: str) -> None:
    with pytest.raises(ImpossibleTransition):
        step(document(now), "Stop", Actions={}, Desired=[], State="Completed", Reason="")
    with pytest.raises(ImpossibleTransition):
        step(document(now), "Start")


@pytest.mark.parametrize("now", ["Starting", "Running", "Updating", "Stopping"])
def test_anything_unexpected_cancels_it(now: str) -> None:
    stepped = step(document(now), "Ended", now=30.0, Reason="gone")
    assert stepped
    assert (stepped[0]["Status"], stepped[0]["StatusReason"], stepped[0]["CompletionTime"]) == ("Cancelled", "gone", 30.0)
    assert state(document("Completed"), "Ended", Reason="late") == "ignored"


def stopping(a: str, b: str, *desired: dict[str, Any], **more: Any) -> dict[str, Any]:
    return document("Stopping", _stop={"Actions": {"a": a, "b": b}, "Desired": list(desired), "State": "Completed"}, _deployed=True, **more)


def test_what_runs() -> None:
    config = plans.running(document())
    assert len(config["EndpointConfigName"]) <= 63
    assert config["ProductionVariants"] == [{
        "VariantName": "a", "ModelName": "ma", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2, "InitialVariantWeight": 1.0,
        "ModelDataDownloadTimeoutInSeconds": 60,
    }]
    (shadow,) = config["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["ModelName"], shadow["InitialVariantWeight"]) == ("b", "mb", 0.25)
    assert "DataCaptureConfig" not in config
    stored = plans.running(document(DataStorageConfig={"Destination": "s3://b/p", "KmsKey": "k", "ContentType": {"CsvContentTypes": ["text/csv"]}}))
    assert stored["DataCaptureConfig"] == {
        "EnableCapture": True, "InitialSamplingPercentage": 100, "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        "DestinationS3Uri": "s3://b/p", "KmsKeyId": "k", "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }


def test_what_is_left() -> None:
    assert plans.stopped(stopping("Retain", "Remove")) is None
    assert plans.stays(stopping("Retain", "Retain"))
    promoted = plans.stopped(stopping("Remove", "Promote"))
    assert promoted
    assert [v["VariantName"] for v in promoted["ProductionVariants"]] == ["b"]
    assert "ShadowProductionVariants" not in promoted
    more = {"RealTimeInferenceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 5}}
    other = plans.stopped(stopping("Retain", "Retain", {"VariantName": "a", "ModelName": "ma", "InfrastructureConfig": more}))
    assert other
    assert (other["ProductionVariants"][0]["InitialInstanceCount"], other["ShadowProductionVariants"][0]["InitialInstanceCount"]) == (5, 2)
    assert plans.config_name(document(), "run") != plans.config_name(document(), "end")


@pytest.mark.parametrize(("doc", "shown"), [
    (document("Created"), ["InService", "Creating"]),
    (document("Running"), ["InService", "InService"]),
    (stopping("Remove", "Promote"), ["Deleting", "Updating"]),
    (stopping("Remove", "Promote") | {"_state": "Completed"}, ["Deleted", "InService"]),
    (document("Cancelled"), ["InService", "Deleted"]),
])
def test_how_the_variants_are(doc: dict[str, Any], shown: list[str]) -> None:
    assert [v["Status"] for v in variants(doc, None)] == shown  # type: ignore[arg-type]

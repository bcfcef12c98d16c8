"""Races of jobs and benchmarks: whatever comes in whatever order, nothing is left behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.runtime.lifecycle import Event, ImpossibleTransition, Lifecycle
from sagewright.slices.recommender import lifecycle, steps
from sagewright.slices.recommender.states import CREATE, FINAL, HALT, REMOVE, TELL

RESULT = {"Rate": 10.0, "Begin": 1.0, "End": 2.0}
SERVED, TASK = Event("Served", {"Seconds": 0.5}), Event("Submitting", {"Task": "t", "AccessKey": "k"})
EXITED = Event("Exited", {"ExitCode": 0, "Message": json.dumps(RESULT)})
BROKEN = Event("Exited", {"ExitCode": 1, "Failure": "ClientError: the model said no"})
MEASURED, REMOVED = Event("Measured", {"Metrics": {"MaxInvocations": 10}}), Event("Removed")
WHOLE = (Event("Begin"), SERVED, TASK, Event("Started"), EXITED, Event("Finished"), MEASURED, REMOVED)


def drive(table: Lifecycle, *events: Event) -> tuple[dict[str, Any], list[str]]:
    """The document and all instructions."""
    doc, done = table.begin({}, 1.0), list[str]()
    for number, event in enumerate(events):
        stepped = table.step("x", doc, event, 2.0 + number)
        if stepped is not None:
            doc, done = stepped[0], done + [i.name for i in stepped[1].instructions]
    return doc, done


def test_a_benchmark_to_its_end() -> None:
    doc, done = drive(steps.LIFECYCLE, *WHOLE)
    assert (doc["Status"], doc["_metrics"], doc["_result"], doc["_setup"]) == ("COMPLETED", {"MaxInvocations": 10}, RESULT, 0.5)
    assert done == ["Create", "Load", "Measure", "Remove", "Tell"]
    assert (doc["_task"], doc["_access_key"]) == ("t", "k")


def test_a_load_test_that_fails_says_why_once_its_endpoint_is_gone() -> None:
    doc, done = drive(steps.LIFECYCLE, Event("Begin"), SERVED, TASK, BROKEN, Event("Finished"))
    assert doc["Status"] == "IN_PROGRESS"
    doc, done = drive(steps.LIFECYCLE, Event("Begin"), SERVED, TASK, BROKEN, Event("Finished"), REMOVED)
    assert (doc["Status"], doc["_failure"]) == ("FAILED", "ClientError: the model said no")
    assert done[-2:] == [REMOVE, TELL]


@pytest.mark.parametrize("message", [None, "", "not JSON"])
def test_a_load_test_without_a_result_has_failed(message: str | None) -> None:
    doc, _ = drive(steps.LIFECYCLE, Event("Begin"), SERVED, TASK, Event("Exited", {"ExitCode": 0, "Message": message}), Event("Finished"), REMOVED)
    assert doc["Status"] == "FAILED"


@pytest.mark.parametrize("done", range(len(WHOLE)))
def test_a_stop_removes_whatever_there_is(done: int) -> None:
    """At each moment, and with everything that was under way still coming in afterwards."""
    events = [*WHOLE[:done], Event("Stop"), *(e for e in WHOLE[done:] if e is not REMOVED), REMOVED]
    doc, made = drive(steps.LIFECYCLE, *events) if done else drive(steps.LIFECYCLE, Event("Stop"), Event("Begin"))
    assert doc["Status"] in ("STOPPED", "COMPLETED")
    assert doc["Status"] == "STOPPED" or done == len(WHOLE) - 1, "what only had its endpoint to remove is complete"
    assert (CREATE in made) == (REMOVE in made)
    assert made[-1] == TELL


def test_keys_are_written_down_once() -> None:
    doc, _ = drive(steps.LIFECYCLE, Event("Begin"), SERVED, TASK, Event("Submitting", {"Task": "t", "AccessKey": "other"}))
    assert doc["_access_key"] == "k"


def test_a_removal_is_tried_until_it_works() -> None:
    fault = Event("Fault", {"Reason": "InternalServerError: gone"})
    doc, done = drive(steps.LIFECYCLE, *WHOLE[:-1], fault, fault, REMOVED)
    assert doc["Status"] == "COMPLETED"
    assert done.count(REMOVE) == 3


EVENTS = [
    *WHOLE, BROKEN, Event("Stop"), Event("Refused", {"Reason": "ClientError: no"}), Event("Failed", {"Reason": "InternalServerError: no"}),
    Event("Fault", {"Reason": "InternalServerError: no"}), Event("Metric", {"Metrics": []}), Event("Staging"), Event("Preparing"),
]


@given(st.lists(st.sampled_from(EVENTS), max_size=40))
def test_no_benchmark_ends_with_its_endpoint(events: list[Event]) -> None:
    doc, done = steps.LIFECYCLE.begin({}, 1.0), list[str]()
    for number, event in enumerate(events):
        before = doc["_state"]
        try:
            stepped = steps.LIFECYCLE.step("x", doc, event, 2.0 + number)
        except ImpossibleTransition:
            continue
        if stepped is None:
            continue
        doc, made = stepped[0], [i.name for i in stepped[1].instructions]
        done += made
        if before in FINAL:
            assert doc["_state"] == before
        elif doc["_state"] in FINAL:
            assert TELL in made, "the job hears of it"
            assert CREATE not in done or event is REMOVED
        if doc["_state"] in (steps.REMOVING, steps.STOPPING):
            assert REMOVE in done


# -- jobs

PLANNED = Event("Planned", {"Seconds": 60.0})
ENDED = Event("Ended", {"Reason": "", "InferenceRecommendations": [{"RecommendationId": "a"}], "EndpointPerformances": []})


def test_a_job_to_its_end() -> None:
    doc, done = drive(lifecycle.LIFECYCLE, PLANNED, Event("StepEnded"), ENDED)
    assert (doc["Status"], doc["InferenceRecommendations"]) == ("COMPLETED", [{"RecommendationId": "a"}])
    assert "EndpointPerformances" not in doc
    assert done == ["Advance", "Expire", "Advance"]
    assert (doc["_until"], doc["CompletionTime"]) == (62.0, 4.0)


def test_a_job_without_a_result_has_failed() -> None:
    doc, _ = drive(lifecycle.LIFECYCLE, PLANNED, Event("Ended", {**ENDED.data, "Reason": "ClientError: none"}))
    assert (doc["Status"], doc["FailureReason"]) == ("FAILED", "ClientError: none")


def test_benchmarks_that_are_planned_after_the_stop_are_stopped_too() -> None:
    for events in ((Event("Stop"), PLANNED, Event("Halted")), (Event("Stop"), Event("Halted"), PLANNED)):
        doc, done = drive(lifecycle.LIFECYCLE, *events)
        assert doc["Status"] == "STOPPED"
        assert done == [HALT, HALT]


def test_a_job_whose_platform_gives_up_stops_what_runs() -> None:
    doc, done = drive(lifecycle.LIFECYCLE, PLANNED, Event("Fault", {"Reason": "InternalServerError: Advance failed"}), Event("Halted"))
    assert (doc["Status"], doc["FailureReason"]) == ("FAILED", "InternalServerError: Advance failed")
    assert done[-1] == HALT


def test_a_job_that_is_over_cannot_be_stopped() -> None:
    with pytest.raises(ImpossibleTransition):
        drive(lifecycle.LIFECYCLE, PLANNED, ENDED, Event("Stop"))

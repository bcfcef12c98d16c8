"""A compilation job's races."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.slices.compilation.lifecycle import LIFECYCLE

TOLD = json.dumps({"Digest": "abc", "Derived": "{}"})


def drive(*events: Event) -> dict[str, Any]:
    doc = LIFECYCLE.begin({"CompilationJobName": "job"}, 1.0)
    for number, event in enumerate(events):
        stepped = LIFECYCLE.step("job", doc, event, 2.0 + number)
        doc = doc if stepped is None else stepped[0]
    return doc


def submitting() -> Event:
    return Event("Submitting", {"Tasks": {"algo-1": "t"}, "Artifact": "s3://b/m-x.tar.gz", "Image": "sagewright-neo:1"})


def report(name: str, **data: Any) -> Event:
    return Event(name, {"Task": "t", **data})


START = (submitting(), report("Staging"), report("Started"))


def test_to_the_end() -> None:
    doc = drive(*START, report("Exited", ExitCode=0, Message=TOLD), report("Finished"))
    assert (doc["CompilationJobStatus"], doc["ModelDigests"]) == ("COMPLETED", {"ArtifactDigest": "sha256:abc"})
    assert doc["ModelArtifacts"] == {"S3ModelArtifacts": "s3://b/m-x.tar.gz"}
    assert (doc["CompilationStartTime"], doc["CompilationEndTime"]) == (4.0, 6.0)


def test_a_launch_that_runs_again_changes_nothing() -> None:
    assert drive(*START, submitting())["CompilationJobStatus"] == "INPROGRESS"


@pytest.mark.parametrize(("exit_", "said"), [
    ({"ExitCode": 1, "Failure": "ClientError: no model"}, "ClientError: no model"),
    ({"ExitCode": 143, "TimedOut": True, "Stopped": True}, "ClientError: The job ran longer than MaxRuntimeInSeconds allows."),
    ({"ExitCode": 0, "Message": None}, "InternalServerError: The compiler told no digest."),
    ({"ExitCode": 0, "Message": "[1"}, "InternalServerError: The compiler told no digest."),
])  # fmt: skip
def test_failures(exit_: dict[str, Any], said: str) -> None:
    doc = drive(*START, report("Exited", **exit_), report("Finished"))
    assert (doc["CompilationJobStatus"], doc["FailureReason"]) == ("FAILED", said)
    assert "ModelArtifacts" not in doc


@pytest.mark.parametrize("before", [(), START[:1], START[:2], START])
def test_a_stop_at_any_moment_stops(before: tuple[Event, ...]) -> None:
    ending = (report("Exited", ExitCode=143, Stopped=True), report("Finished")) if before else (Event("Withdrawn"),)
    doc = drive(*before, Event("Stop"), Event("Stop"), *ending)
    assert doc["CompilationJobStatus"] == "STOPPED"
    assert "FailureReason" not in doc


def test_the_last_result_that_comes_in_while_it_is_stopped_does_not_complete_it() -> None:
    doc = drive(*START, Event("Stop"), report("Exited", ExitCode=0, Message=TOLD), report("Finished"))
    assert doc["CompilationJobStatus"] == "STOPPED"
    assert "ModelArtifacts" not in doc


def test_what_runs_cannot_be_deleted() -> None:
    with pytest.raises(ImpossibleTransition):
        drive(*START, Event("Delete"))

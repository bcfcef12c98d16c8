"""Every race of a transform job, without a process."""

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.slices.transform.lifecycle import CLEAN, HALT, LIFECYCLE, PUMP, WIPE


class Story:
    def __init__(self, instances: int = 1) -> None:
        self.now, self.instructions = 1000.0, list[str]()
        self.doc = LIFECYCLE.begin({"TransformJobName": "t", "CreationTime": self.now}, self.now)
        self.tasks = [f"t{n}" for n in range(instances)]

    def tell(self, name: str, **data: Any) -> "Story":
        self.now += 1
        stepped = LIFECYCLE.step("t", self.doc, Event(name, data), self.now)
        if stepped:
            self.doc, move = stepped
            self.instructions += [i.name for i in move.instructions]
        return self

    def submitted(self) -> "Story":
        return self.tell("Submitting", Tasks={f"algo-{n}": t for n, t in enumerate(self.tasks)}, AccessKey="k")

    def ready(self) -> "Story":
        self.submitted()
        for task in self.tasks:
            self.tell("Ready", Task=task, Sockets=[f"/{task}"])
        return self

    def ended(self, *tasks: str) -> "Story":
        for task in tasks or self.tasks:
            self.tell("Exited", Task=task, ExitCode=143, Stopped=True).tell("Finished", Task=task)
        return self

    @property
    def status(self) -> str:
        return str(self.doc["TransformJobStatus"])


def test_normal_run() -> None:
    story = Story(2).submitted().tell("Ready", Task="t0", Sockets=["/t0"])
    assert story.instructions == []
    story.tell("Ready", Task="t1", Sockets=["/t1"])
    assert story.instructions == [PUMP]
    assert "TransformStartTime" in story.doc
    story.tell("Pumped", Reason="")
    assert story.status == "Completed"
    assert "FailureReason" not in story.doc
    story.ended()
    assert story.instructions == [PUMP, HALT, CLEAN]
    assert story.doc["TransformEndTime"] > story.doc["TransformStartTime"]
    assert story.doc["_access_keys"] == ["k"]


def test_failed_records_fail_the_job() -> None:
    story = Story().ready().tell("Pumped", Reason="ClientError: b/k: Bad HTTP status received from algorithm: 400")
    assert (story.status, story.doc["FailureReason"]) == ("Failed", "ClientError: b/k: Bad HTTP status received from algorithm: 400")


def test_a_container_that_dies_at_the_start() -> None:
    story = Story(2).submitted().tell("Exited", Task="t0", ExitCode=1, LastLog="boom")
    assert story.status == "Failed"
    assert story.doc["FailureReason"].startswith('AlgorithmError: The container exited with code 1. Last log line: "boom"')
    assert "stream t/i-" in story.doc["FailureReason"]
    story.tell("Finished", Task="t0").ended("t1")
    assert story.instructions == [HALT, CLEAN]


def test_input_of_the_model_that_cannot_be_staged() -> None:
    story = Story().submitted().tell("Failed", Task="t0", Reason="ClientError: no such key")
    assert story.doc["FailureReason"].startswith("ClientError: no such key")
    assert story.instructions == [CLEAN]


@pytest.mark.parametrize("began", [False, True])
def test_stop_ends_the_tasks_then_removes_results(began: bool) -> None:
    story = (Story().ready() if began else Story().submitted()).tell("Stop")
    assert story.status == "Stopping"
    story.tell("Stop").ended().tell("Wiped")
    assert story.status == "Stopped"
    assert story.instructions[-3:] == [HALT, WIPE, CLEAN]


def test_stop_before_any_task() -> None:
    story = Story().tell("Stop").tell("Withdrawn")
    assert (story.status, story.instructions) == ("Stopped", [HALT, CLEAN])


def test_nothing_moves_a_finished_job() -> None:
    story = Story().ready().tell("Pumped").ended()
    before = story.doc
    story.tell("Ready", Task="t0", Sockets=[]).tell("Fault", Reason="x")
    assert story.doc == before
    with pytest.raises(ImpossibleTransition):
        story.tell("Stop")


def test_a_fault_fails_the_job() -> None:
    story = Story().ready().tell("Fault", Reason="InternalServerError: disk full")
    assert (story.status, story.doc["FailureReason"]) == ("Failed", "InternalServerError: disk full")

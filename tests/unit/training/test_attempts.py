"""Interruptions, retries and waits of a training job, without a process."""

from typing import Any

import pytest

from sagewright.slices.training.attempts import DELAYS, NOW, SCHEDULE
from sagewright.slices.training.states import CLEAN, EVICT, FORGET, HALT, INTERRUPT, LAUNCH, MERGE, WAIT
from sagewright.testing.training import Story, ended


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def spot(hosts: int = 1, **more: Any) -> Story:
    stopping = {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200}
    return Story(hosts, EnableManagedSpotTraining=True, StoppingCondition=stopping, CreationTime=1000.0, **more)


def interrupted(story: Story) -> Story:
    story.tell("Interrupt")
    for host in story.hosts:
        story.tell("Exited", Task=host, **ended(143, Stopped=True)).tell("Finished", Task=host)
    return story


def test_interrupted_once_and_completed() -> None:
    story = interrupted(spot().run())
    assert story.instructions == [WAIT, EVICT, FORGET]
    story.tell("Cleared", Attempt=0)
    assert story.instructions[-1] == LAUNCH
    assert "_tasks" not in story.doc
    story.run().tell("Exited", Task="algo-1", **ended()).tell("Finished", Task="algo-1")
    assert story.statuses == [
        "Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading", "Training", "Uploading", "Completed"
    ]  # fmt: skip
    assert all("EndTime" in t for t in story.doc["SecondaryStatusTransitions"])
    assert story.instructions.count(WAIT) == 1, "one timer a job"


def test_billable_time_leaves_the_waits_out() -> None:
    story = interrupted(spot().run())  # Staging at +2, Interrupt at +4: two seconds billed
    story.now += 50
    story.tell("Cleared", Attempt=0).run()
    story.tell("Exited", Task="algo-1", **ended()).tell("Finished", Task="algo-1")  # and three more
    assert story.doc["BillableTimeInSeconds"] == 5
    assert story.doc["TrainingTimeInSeconds"] > 55


def test_a_job_that_is_not_spot_is_not_interrupted() -> None:
    story = Story().run().tell("Interrupt").tell("Tagged", Keys=[NOW])
    assert story.doc["SecondaryStatus"] == "Training"


def test_an_interruption_planned_for_another_attempt_is_late() -> None:
    story = interrupted(spot().run()).tell("Cleared", Attempt=0).run().tell("Interrupt", Attempt=0)
    assert story.doc["SecondaryStatus"] == "Training"
    assert story.tell("Interrupt", Attempt=1).doc["SecondaryStatus"] == "Interrupted"


def test_the_schedule_is_a_tag() -> None:
    story = spot(Tags=tags(**{SCHEDULE: "5 12"})).run()
    assert story.instructions == [WAIT, INTERRUPT]
    interrupted(story).tell("Cleared", Attempt=0).run()
    assert story.instructions.count(INTERRUPT) == 2
    interrupted(story).tell("Cleared", Attempt=1).run()
    assert story.instructions.count(INTERRUPT) == 2, "the third attempt is left alone"


def test_all_hosts_end_before_the_next_attempt() -> None:
    story = spot(2).run().tell("Interrupt")
    story.tell("Exited", Task="algo-1", **ended(143, Stopped=True)).tell("Finished", Task="algo-1")
    assert FORGET not in story.instructions
    story.tell("Exited", Task="algo-2", **ended(143, Stopped=True)).tell("Finished", Task="algo-2")
    assert story.instructions[-1] == FORGET
    assert MERGE not in story.instructions


def test_a_program_that_was_done_before_it_heard_completes_the_job() -> None:
    story = spot().run().tell("Interrupt").tell("Exited", Task="algo-1", **ended(0)).tell("Finished", Task="algo-1")
    assert story.doc["TrainingJobStatus"] == "Completed"
    assert story.instructions[-1] == CLEAN


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_program_that_was_done_and_whose_model_could_not_be_stored_has_not_completed(hosts: int) -> None:
    story = spot(hosts).run().tell("Interrupt")
    for host in story.hosts:
        story.tell("Exited", Task=host, **ended(0))
    for host in story.hosts[1:]:
        story.tell("Finished", Task=host)
    story.tell("Failed", Task="algo-1", Reason="InternalServerError: the agent vanished")
    assert (story.doc["TrainingJobStatus"], story.instructions[-1]) == ("InProgress", FORGET)


@pytest.mark.parametrize("gone", [True, False])
def test_stop_between_attempts(gone: bool) -> None:
    story = spot().run().tell("Interrupt")
    if gone:
        story.tell("Exited", Task="algo-1", **ended(143, Stopped=True)).tell("Finished", Task="algo-1")
    story.tell("Stop")
    assert story.instructions[-1] == HALT
    if gone:
        story.tell("Cleared", Attempt=0).tell("Withdrawn")
    else:
        story.tell("Exited", Task="algo-1", **ended(143, Stopped=True)).tell("Finished", Task="algo-1")
    assert story.doc["TrainingJobStatus"] == "Stopped"


def test_max_wait_while_running_and_while_waiting() -> None:
    story = spot().run().tell("WaitOver")
    story.tell("Exited", Task="algo-1", **ended(143, Stopped=True)).tell("Finished", Task="algo-1")
    assert (story.doc["TrainingJobStatus"], story.doc["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    story = spot(Tags=tags(**{DELAYS: "500"})).tell("Wait", Seconds=500)
    assert story.instructions == [LAUNCH, WAIT]
    story.tell("WaitOver").tell("Withdrawn")
    assert story.statuses == ["Starting", "Stopping", "MaxWaitTimeExceeded"]
    assert "BillableTimeInSeconds" not in story.doc


def lost(story: Story, host: str = "algo-1", reason: str = "InternalServerError: the agent vanished") -> Story:
    return story.tell("Failed", Task=host, Reason=reason)


def test_a_platform_fault_is_retried_as_often_as_asked() -> None:
    story = lost(Story(RetryStrategy={"MaximumRetryAttempts": 1}).run())
    assert story.doc["SecondaryStatus"] == "Restarting"
    assert "agent vanished" in story.doc["SecondaryStatusTransitions"][-1]["StatusMessage"]
    story.tell("Cleared", Attempt=0).run()
    lost(story)
    assert story.doc["FailureReason"] == "InternalServerError: the agent vanished"
    assert story.statuses == ["Starting", "Downloading", "Training", "Restarting", "Starting", "Downloading", "Training", "Failed"]


def test_a_fault_while_the_model_is_stored_is_retried_too() -> None:
    story = Story(RetryStrategy={"MaximumRetryAttempts": 1}).run().tell("Exited", Task="algo-1", **ended())  # one second after Started
    story.now += 10
    lost(story)
    assert (story.doc["SecondaryStatus"], story.instructions) == ("Restarting", [FORGET])
    story.now += 50
    story.tell("Cleared", Attempt=0).run().tell("Exited", Task="algo-1", **ended()).tell("Finished", Task="algo-1")
    assert story.doc["TrainingJobStatus"] == "Completed"
    assert story.doc["BillableTimeInSeconds"] == 13 + 3, "the wait is not billed, the attempt that was lost is"
    story = Story(RetryStrategy={"MaximumRetryAttempts": 1}).run().tell("Exited", Task="algo-1", **ended(1))
    assert lost(story).doc["TrainingJobStatus"] == "Failed", "the program had failed before"


def test_faults_of_the_caller_are_not_retried() -> None:
    story = lost(Story(RetryStrategy={"MaximumRetryAttempts": 9}).run(), reason="ClientError: Data download failed:x")
    assert story.doc["TrainingJobStatus"] == "Failed"
    story = Story(RetryStrategy={"MaximumRetryAttempts": 9}).run().tell("Exited", Task="algo-1", **ended(1))
    assert story.tell("Finished", Task="algo-1").doc["TrainingJobStatus"] == "Failed"


def test_a_lost_host_takes_the_others_with_it_before_the_retry() -> None:
    story = lost(Story(3, RetryStrategy={"MaximumRetryAttempts": 1}).run(), "algo-2")
    assert story.instructions[-1] == EVICT
    for host in ("algo-1", "algo-3"):
        story.tell("Exited", Task=host, **ended(137, Stopped=True)).tell("Finished", Task=host)
    assert story.instructions[-1] == FORGET

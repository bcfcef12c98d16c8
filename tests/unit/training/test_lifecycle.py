"""Every race of a training job, without a process."""


import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.slices.training.lifecycle import LIFECYCLE
from sagewright.slices.training.states import CLEAN, FINAL, HALT, MERGE
from sagewright.testing.training import Story, ended


def test_normal_run() -> None:
    story = Story().run().tell("Exited", Task="algo-1", **ended()).tell("Finished", Task="algo-1")
    assert story.statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert story.doc["TrainingJobStatus"] == "Completed"
    assert story.doc["ModelArtifacts"] == {"S3ModelArtifacts": "s3://b/m"}
    assert story.instructions == [CLEAN]
    assert all("EndTime" in t for t in story.doc["SecondaryStatusTransitions"])
    assert story.doc["TrainingTimeInSeconds"] == 3
    assert story.doc["TrainingEndTime"] > story.doc["TrainingStartTime"]


def test_script_failure_keeps_outputs_and_says_why() -> None:
    story = Story().run().tell("Exited", Task="algo-1", **ended(2, Failure="ExecuteUserScriptError: boom"))
    assert story.statuses[-1] == "Uploading"
    story.tell("Finished", Task="algo-1")
    assert story.statuses == ["Starting", "Downloading", "Training", "Uploading", "Failed"]
    assert story.doc["FailureReason"] == "AlgorithmError: ExecuteUserScriptError: boom, exit code: 2"


def test_failure_without_a_file_shows_the_last_log_line() -> None:
    story = Story().run().tell("Exited", Task="algo-1", **ended(1, LastLog="KeyError: 'x'")).tell("Finished", Task="algo-1")
    assert story.doc["FailureReason"] == "AlgorithmError: , exit code: 1. Last log line: \"KeyError: 'x'\""


def test_failure_reason_is_at_most_1024_characters() -> None:
    story = Story().run().tell("Exited", Task="algo-1", **ended(1, Failure="x" * 5000)).tell("Finished", Task="algo-1")
    assert len(story.doc["FailureReason"]) == 1024
    assert story.doc["FailureReason"].endswith(", exit code: 1")


def test_stop_while_training_keeps_the_model() -> None:
    story = Story().run().tell("Stop")
    assert story.doc["TrainingJobStatus"] == "Stopping"
    assert story.instructions == [HALT]
    story.tell("Exited", Task="algo-1", **ended(143, Stopped=True))
    assert (story.doc["TrainingJobStatus"], story.doc["SecondaryStatus"]) == ("Stopping", "Uploading")
    story.tell("Finished", Task="algo-1")
    assert story.statuses == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert "FailureReason" not in story.doc
    assert story.doc["ModelArtifacts"]["S3ModelArtifacts"]


def test_stop_before_any_program_began_stores_nothing() -> None:
    story = Story().tell("Submitting", Tasks={"algo-1": "algo-1"}).tell("Staging", Task="algo-1").tell("Stop")
    story.tell("Exited", Task="algo-1", **ended(143, Stopped=True, Unstarted=True)).tell("Finished", Task="algo-1")
    assert story.statuses == ["Starting", "Downloading", "Stopping", "Stopped"]
    assert "ModelArtifacts" not in story.doc


def test_one_host_that_began_is_enough_for_a_model() -> None:
    story = Story(2).run().tell("Stop").tell("Exited", Task="algo-1", **ended(143, Stopped=True, Unstarted=True))
    story.tell("Exited", Task="algo-2", **ended(143, Stopped=True))
    assert story.statuses[-1] == "Uploading"
    story.tell("Finished", Task="algo-1").tell("Finished", Task="algo-2").tell("Merged")
    assert story.doc["ModelArtifacts"]["S3ModelArtifacts"]


def test_runtime_limit_is_stopped_not_failed() -> None:
    story = Story().run().tell("Exited", Task="algo-1", **ended(137, TimedOut=True)).tell("Finished", Task="algo-1")
    assert story.statuses == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "MaxRuntimeExceeded"]
    assert story.doc["TrainingJobStatus"] == "Stopped"


def test_input_failure_before_training() -> None:
    story = Story().tell("Submitting", Tasks={"algo-1": "algo-1"}).tell("Staging", Task="algo-1")
    story.tell("Failed", Task="algo-1", Reason="ClientError: Data download failed:none")
    assert story.statuses == ["Starting", "Downloading", "Failed"]
    assert story.doc["FailureReason"].startswith("ClientError: Data download failed")


def test_refused_before_any_task() -> None:
    story = Story().tell("Refused", Reason="ClientError: Cannot pull x")
    assert story.statuses == ["Starting", "Failed"]
    assert "TrainingTimeInSeconds" not in story.doc


def test_stop_before_any_task() -> None:
    story = Story().tell("Stop").tell("Withdrawn")
    assert story.doc["TrainingJobStatus"] == "Stopped"


def test_stop_races_with_launch() -> None:
    story = Story().tell("Submitting", Tasks={"algo-1": "algo-1"}).tell("Stop")
    story.tell("Staging", Task="algo-1").tell("Started", Task="algo-1")
    story.tell("Exited", Task="algo-1", **ended(143, Stopped=True)).tell("Finished", Task="algo-1")
    assert story.doc["TrainingJobStatus"] == "Stopped"


def test_one_failing_host_ends_all_and_the_first_decides() -> None:
    story = Story(hosts=3).run().tell("Exited", Task="algo-2", **ended(3, Failure="first"))
    assert story.instructions == [HALT]
    story.tell("Exited", Task="algo-1", **ended(143, Stopped=True))
    story.tell("Exited", Task="algo-3", **ended(9, Failure="second"))
    for host in story.hosts:
        story.tell("Finished", Task=host)
    assert story.instructions == [HALT, MERGE] or story.instructions[-1] == MERGE
    story.tell("Merged")
    assert story.doc["TrainingJobStatus"] == "Failed"
    assert story.doc["FailureReason"] == "AlgorithmError: first, exit code: 3"


@pytest.mark.parametrize("order", [("algo-1", "algo-2"), ("algo-2", "algo-1")])
def test_what_the_other_hosts_have_stored_is_joined_when_one_fails(order: tuple[str, str]) -> None:
    """Else their parts of the archive would lie in the bucket for ever."""
    story = Story(2).run()
    for host in order:
        if host == "algo-1":
            story.tell("Failed", Task=host, Reason="InternalServerError: x")
        else:
            story.tell("Exited", Task=host, **ended(143, Stopped=True)).tell("Finished", Task=host)
    assert story.instructions[-1] == MERGE
    story.tell("Joined").tell("Merged")
    assert (story.doc["TrainingJobStatus"], story.doc["FailureReason"]) == ("Failed", "InternalServerError: x")
    assert "ModelArtifacts" not in story.doc


def test_a_host_that_is_lost_while_another_stores_its_model_ends_the_job() -> None:
    """Nobody's program runs any more, though the last to tell was no program's end."""
    story = Story(2).run().tell("Exited", Task="algo-1", **ended()).tell("Failed", Task="algo-2", Reason="InternalServerError: x")
    assert (story.statuses[-1], story.instructions) == ("Uploading", [])
    story.tell("Finished", Task="algo-1")
    assert story.instructions == [MERGE]
    story.tell("Joined").tell("Merged")
    assert (story.doc["TrainingJobStatus"], story.doc["FailureReason"]) == ("Failed", "InternalServerError: x")


def test_a_stop_of_a_job_whose_time_is_over_changes_nothing() -> None:
    story = Story().run().tell("Exited", Task="algo-1", **ended(137, TimedOut=True)).tell("Stop").tell("Finished", Task="algo-1")
    assert story.doc["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_messages_update_in_place() -> None:
    story = Story().tell("Submitting", Tasks={"algo-1": "algo-1"})
    story.tell("Preparing", Task="algo-1").tell("Preparing", Task="algo-1")
    assert story.statuses == ["Starting"]
    assert story.doc["SecondaryStatusTransitions"][0]["StatusMessage"] == "Preparing the instances for training"


def test_last_metric_value_stays() -> None:
    story = Story().run()
    for value in (3.0, 2.0):
        story.tell("Metric", Task="algo-1", Metrics=[{"MetricName": "rmse", "Value": value, "Timestamp": story.now}])
    assert [m["Value"] for m in story.doc["FinalMetricDataList"]] == [2.0]


@pytest.mark.parametrize("state", FINAL)
def test_nothing_stops_what_has_ended(state: str) -> None:
    with pytest.raises(ImpossibleTransition, match="no Stop"):
        LIFECYCLE.step("j", {"_state": state, "_history": []}, Event("Stop"), 1.0)


def test_a_fault_of_the_platform_fails_the_job_from_every_running_state() -> None:
    for state in LIFECYCLE.states - set(FINAL):
        stepped = LIFECYCLE.step("j", {"_state": state}, Event("Fault", {"Reason": "InternalServerError: x"}), 1.0)
        assert stepped is not None
        assert stepped[0]["TrainingJobStatus"] == "Failed"


def test_every_key_of_a_launch_that_runs_again_is_known_until_the_attempt_is_over() -> None:
    story = Story(EnableManagedSpotTraining=True)
    for key in ("ASIA1", "ASIA2"):
        story.tell("Submitting", Tasks={"algo-1": "algo-1"}, AccessKey=key)
    assert story.doc["_access_keys"] == ["ASIA1", "ASIA2"]
    story.tell("Staging", Task="algo-1").tell("Started", Task="algo-1").tell("Interrupt")
    story.tell("Exited", Task="algo-1", **ended(143, Stopped=True)).tell("Finished", Task="algo-1").tell("Cleared", Attempt=0)
    assert "_access_keys" not in story.doc, "the second attempt has keys of its own"

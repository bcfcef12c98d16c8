"""Every race of a processing job, without a process."""

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.slices.processing.lifecycle import ACTIVE, CLEAN, FINAL, HALT, LIFECYCLE, exit_message


class Story:
    """Plays events on one job; a second passes between them."""

    def __init__(self, hosts: int = 1) -> None:
        self.now = 1000.0
        self.doc = LIFECYCLE.begin({"ProcessingJobName": "j"}, self.now)
        self.instructions: list[str] = []
        self.hosts = [f"algo-{n + 1}" for n in range(hosts)]
        self.statuses = [self.doc["ProcessingJobStatus"]]

    def tell(self, name: str, **data: Any) -> "Story":
        self.now += 1
        stepped = LIFECYCLE.step("j", self.doc, Event(name, data), self.now)
        if stepped:
            self.doc, move = stepped
            self.instructions += [i.name for i in move.instructions]
            if self.doc["ProcessingJobStatus"] != self.statuses[-1]:
                self.statuses.append(self.doc["ProcessingJobStatus"])
        return self

    def submit(self) -> "Story":
        return self.tell("Submitting", Tasks={h: h for h in self.hosts})

    def run(self) -> "Story":
        self.submit()
        for host in self.hosts:
            self.tell("Staging", Task=host)
        for host in self.hosts:
            self.tell("Started", Task=host)
        return self

    def exit(self, host: str = "algo-1", code: int = 0, **more: Any) -> "Story":
        data = {"ExitCode": code, "Failure": None, "Message": None, "TimedOut": False, "Stopped": False, "OutOfMemory": False}
        return self.tell("Exited", Task=host, **{**data, **more})

    def finish(self) -> "Story":
        for host in self.hosts:
            self.tell("Finished", Task=host)
        return self


def test_normal_run() -> None:
    story = Story().run().exit(Message="all good").finish()
    assert story.statuses == ["InProgress", "Completed"]
    assert story.doc["ExitMessage"] == "all good"
    assert "FailureReason" not in story.doc
    assert story.doc["ProcessingStartTime"] == 1003.0
    assert story.doc["ProcessingEndTime"] == story.now == story.doc["LastModifiedTime"]
    assert story.instructions == [CLEAN]


def test_failure_says_code_and_last_line_and_keeps_the_message() -> None:
    story = Story().run().exit(code=3, Message="half", LastLog="KeyError: 'x'").finish()
    assert story.statuses == ["InProgress", "Failed"]
    assert story.doc["FailureReason"] == "AlgorithmError: , exit code: 3. Last log line: \"KeyError: 'x'\""
    assert story.doc["ExitMessage"] == "half"


def test_a_message_that_is_no_text_fails_what_succeeded_and_nothing_else() -> None:
    done, broken = Story().run().exit(Garbled=True).finish(), Story().run().exit(code=3, Garbled=True).finish()
    assert done.doc["FailureReason"].startswith("ClientError: The exit message")
    assert broken.doc["FailureReason"].startswith("AlgorithmError: , exit code: 3")
    stopped = Story().run().tell("Stop").exit(code=143, Stopped=True, Garbled=True).finish()
    assert stopped.statuses[-1] == "Stopped"


def test_stop_keeps_message_and_ends_stopped() -> None:
    story = Story().run().tell("Stop")
    assert story.instructions == [HALT]
    story.exit(code=143, Stopped=True, Message="bye").finish()
    assert story.statuses == ["InProgress", "Stopping", "Stopped"]
    assert story.doc["ExitMessage"] == "bye"
    assert "FailureReason" not in story.doc


def test_runtime_limit_is_stopped_not_failed() -> None:
    story = Story().run().exit(code=143, TimedOut=True).finish()
    assert story.statuses == ["InProgress", "Stopping", "Stopped"]
    assert "FailureReason" not in story.doc


def test_runtime_limit_of_one_host_halts_the_others() -> None:
    story = Story(hosts=2).run().exit("algo-2", 143, TimedOut=True)
    assert story.instructions == [HALT]
    story.exit("algo-1", 143, Stopped=True).finish()
    assert story.statuses == ["InProgress", "Stopping", "Stopped"]


def test_first_failing_host_decides() -> None:
    story = Story(hosts=3).run().exit("algo-2", 3, LastLog="first")
    assert story.instructions == [HALT]
    story.exit("algo-1", 143, Stopped=True).exit("algo-3", 9, LastLog="second").finish()
    assert story.doc["ProcessingJobStatus"] == "Failed"
    assert "first" in story.doc["FailureReason"]


def test_platform_failure_on_one_host_halts_and_fails() -> None:
    story = Story(hosts=2).run().tell("Failed", Task="algo-1", Reason="InternalServerError: disk")
    assert story.instructions == [HALT]
    story.exit("algo-2", 143, Stopped=True).tell("Finished", Task="algo-2")
    assert story.doc["FailureReason"] == "InternalServerError: disk"
    assert story.doc["ProcessingJobStatus"] == "Failed"


def test_upload_failure_keeps_the_exit_message() -> None:
    story = Story().run().exit(Message="done").tell("Failed", Task="algo-1", Reason="ClientError: Data upload failed")
    assert story.doc["FailureReason"] == "ClientError: Data upload failed"
    assert story.doc["ExitMessage"] == "done"


def test_input_failure_has_no_start_time() -> None:
    story = Story().submit().tell("Staging", Task="algo-1").tell("Failed", Task="algo-1", Reason="ClientError: none")
    assert story.statuses == ["InProgress", "Failed"]
    assert "ProcessingStartTime" not in story.doc
    assert "ProcessingEndTime" not in story.doc


def test_refused_before_any_task() -> None:
    story = Story().tell("Refused", Reason="ClientError: Cannot pull x")
    assert story.doc["FailureReason"] == "ClientError: Cannot pull x"
    assert story.instructions == [CLEAN]


def test_stop_before_any_task() -> None:
    assert Story().tell("Stop").tell("Withdrawn").statuses == ["InProgress", "Stopping", "Stopped"]


def test_stop_races_with_launch() -> None:
    story = Story().submit().tell("Stop").tell("Staging", Task="algo-1").tell("Started", Task="algo-1")
    story.exit(code=143, Stopped=True).finish()
    assert story.doc["ProcessingJobStatus"] == "Stopped"


def test_launch_that_runs_again_keeps_what_is_known() -> None:
    story = Story(hosts=2).submit().tell("Failed", Task="algo-1", Reason="ClientError: none").submit()
    assert story.doc["_tasks"]["algo-1"]["Phase"] == "Ended"
    story.tell("Failed", Task="algo-2", Reason="ClientError: none")
    assert story.doc["ProcessingJobStatus"] == "Failed"


def test_every_key_of_a_launch_that_runs_again_is_known() -> None:
    story = Story().tell("Submitting", Tasks={"algo-1": "algo-1"}, AccessKey="ASIA1")
    story.tell("Submitting", Tasks={"algo-1": "algo-1"}, AccessKey="ASIA2")
    assert story.doc["_access_keys"] == ["ASIA1", "ASIA2"]


def test_stop_during_upload() -> None:
    story = Story().run().exit().tell("Stop")
    assert story.doc["ProcessingJobStatus"] == "Stopping"
    assert story.finish().doc["ProcessingJobStatus"] == "Stopped"


def test_messages_of_all_hosts_in_host_order() -> None:
    tasks = {str(n): {"Host": f"algo-{n}", "Message": f"{n};"} for n in (10, 2, 1)}
    assert exit_message(tasks) == "1;2;10;"
    assert exit_message({"t": {"Host": "algo-1", "Message": None}}) is None


def test_message_is_cut_at_a_kilobyte_between_characters() -> None:
    text = exit_message({"t": {"Host": "algo-1", "Message": "x" + "ü" * 1000}})
    assert text == "x" + "ü" * 511
    assert len(text.encode()) == 1023


@pytest.mark.parametrize("state", FINAL)
def test_nothing_stops_what_has_ended(state: str) -> None:
    with pytest.raises(ImpossibleTransition, match="no Stop"):
        LIFECYCLE.step("j", {"_state": state, "_history": []}, Event("Stop"), 1.0)


@pytest.mark.parametrize("state", ACTIVE)
def test_only_what_has_ended_is_deleted(state: str) -> None:
    with pytest.raises(ImpossibleTransition, match="no Delete"):
        LIFECYCLE.step("j", {"_state": state, "_history": []}, Event("Delete"), 1.0)
    done = LIFECYCLE.step("j", {"_state": "Failed", "_history": []}, Event("Delete"), 1.0)
    assert done is not None
    assert done[1].remove


@pytest.mark.parametrize("state", ACTIVE)
def test_a_stop_is_always_taken_until_the_end(state: str) -> None:
    assert LIFECYCLE.allows(state, "Stop")
    assert LIFECYCLE.allows(state, "Fault")

"""Every race of places and apps, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition, Move
from sagewright.slices.studio.lifecycle import APPS, LISTED, Stale, place

SPACES = place("Space")


class Story:
    """A document and what happens to it."""

    def __init__(self, lifecycle: Any, **doc: Any) -> None:
        self.lifecycle, self.now = lifecycle, 0.0
        self.doc: dict[str, Any] = lifecycle.begin(doc, self.now)

    def event(self, name: str, **data: Any) -> Move | None:
        self.now += 1
        stepped = self.lifecycle.step("it", self.doc, Event(name, data), self.now)
        if stepped is None:
            return None
        self.doc, move = stepped
        found: Move = move
        return found

    def told(self, name: str, **data: Any) -> list[str]:
        """Names of the instructions that follow."""
        move = self.event(name, **data)
        return [] if move is None else [i.name for i in move.instructions]

    @property
    def status(self) -> str:
        return str(self.doc["Status"])


def app() -> Story:
    return Story(APPS, AppName="default", _task="t-0", _serial=0)


def running() -> Story:
    story = app()
    assert story.told("Ready", Task="t-0", Sockets=["/a"]) == ["Watch"]
    return story


def test_a_place_comes_changes_and_goes() -> None:
    story = Story(SPACES, SpaceSettings={"a": 1})
    assert story.status == "Pending"
    story.event("Ready")
    assert story.told("Update", Changes={"SpaceSettings": {"a": 2}}, Seen={"SpaceSettings": {"a": 1}}) == ["Apply"]
    assert (story.status, story.doc["SpaceSettings"]) == ("Updating", {"a": 1})
    story.event("Ready", Changes={"SpaceSettings": {"a": 2}})
    assert (story.status, story.doc["SpaceSettings"]) == ("InService", {"a": 2})
    assert story.told("Delete") == ["Erase"]
    move = story.event("Gone")
    assert move is not None
    assert move.remove


def test_a_change_of_what_is_no_more_is_not_made() -> None:
    story = Story(SPACES, SpaceSettings={"a": 1})
    story.event("Ready")
    with pytest.raises(Stale):
        story.event("Update", Changes={"SpaceSettings": {"b": 2}}, Seen={"SpaceSettings": {}})
    assert (story.status, story.doc["SpaceSettings"]) == ("InService", {"a": 1})


def test_what_is_refused_says_why_and_can_be_tried_again() -> None:
    story = Story(SPACES)
    story.event("Ready")
    story.event("Delete")
    story.event("Refused", Reason="It still has an app.")
    assert (story.status, story.doc["FailureReason"]) == ("Delete_Failed", "It still has an app.")
    assert story.told("Delete") == ["Erase"]
    assert "FailureReason" not in story.doc
    story.event("Fault", Reason="InternalServerError: no luck")
    assert story.status == "Delete_Failed"


@pytest.mark.parametrize("state", ["Pending", "Updating", "Deleting"])
def test_nothing_is_asked_of_a_place_in_transition(state: str) -> None:
    story = Story(SPACES)
    for event, data in {"Pending": [], "Updating": [("Ready", {}), ("Update", {"Changes": {}, "Seen": {}})], "Deleting": [("Ready", {}), ("Delete", {})]}[state]:
        story.event(event, **data)
    assert story.status == state
    for event in ("Update", "Delete"):
        with pytest.raises(ImpossibleTransition):
            story.event(event, Changes={})


def test_an_app_runs_and_is_deleted() -> None:
    story = running()
    assert story.status == "InService"
    assert story.told("Delete") == ["Retire"]
    assert story.status == "Deleting"
    assert "_task" not in story.doc
    assert story.told("Exited", Task="t-0", ExitCode=143) == []
    assert story.told("Finished", Task="t-0") == ["Forget"]
    assert story.status == "Deleting"
    assert story.told("Forgotten", Task="t-0") == ["Clear"]
    move = story.event("Cleared")
    assert move is not None
    assert story.status == "Deleted"
    assert [(i.name, i.delay) for i in move.instructions] == [("Expire", LISTED)]
    gone = story.event("Expire", Serial=0)
    assert gone is not None
    assert gone.remove


def test_a_new_app_in_its_place_outlives_the_old_ones_expiry() -> None:
    story = Story(APPS, AppName="default", _task="t-1", _serial=1)
    assert story.event("Expire", Serial=0) is None
    story.event("Ready", Task="t-1", Sockets=["/a"])
    assert story.event("Expire", Serial=0) is None
    story.event("Delete")
    for event in ("Finished", "Forgotten"):
        story.event(event, Task="t-1")
    story.event("Cleared")
    assert story.event("Expire", Serial=0) is None
    assert story.status == "Deleted"


def test_an_app_that_cannot_run_says_why() -> None:
    story = app()
    assert story.told("Refused", Reason="ClientError: no") == ["Retire"]
    assert (story.status, story.doc["FailureReason"]) == ("Failed", "ClientError: no")
    assert story.told("Ready", Task="t-0", Sockets=["/a"]) == []
    assert story.status == "Failed"


def test_an_app_that_dies_at_its_start_shows_its_last_line() -> None:
    story = app()
    story.event("Exited", Task="t-0", ExitCode=3, LastLog="no module named lab")
    assert story.status == "Failed"
    assert story.doc["FailureReason"] == "The app exited with code 3. Last log line: no module named lab"


@pytest.mark.parametrize(("data", "status"), [
    ({"ExitCode": 0}, "Deleting"), ({"ExitCode": 1}, "Failed"), ({"Reason": "the agent vanished"}, "Failed"), ({"ExitCode": 0, "Reason": "x"}, "Failed"),
])  # fmt: skip
def test_an_app_that_ends_from_inside(data: dict[str, Any], status: str) -> None:
    story = running()
    story.event("Exited", Task="t-0", **data)
    assert story.status == status


def test_an_app_deleted_before_its_task_was_ready() -> None:
    story = app()
    assert story.told("Delete") == ["Retire"]
    assert story.told("Ready", Task="t-0", Sockets=["/a"]) == []
    assert story.told("Failed", Task="t-0", Reason="stopped") == ["Forget"]
    assert story.told("Forgotten", Task="t-0") == ["Clear"]


def test_an_idle_app_is_deleted_once() -> None:
    story = running()
    assert story.told("Idle") == ["Retire"]
    with pytest.raises(ImpossibleTransition):
        story.event("Idle")


def test_a_failed_app_without_tasks_is_deleted_at_once() -> None:
    story = app()
    story.event("Refused", Reason="x")
    story.event("Finished", Task="t-0")
    story.event("Forgotten", Task="t-0")
    assert story.told("Delete") == ["Clear"]


def test_activity_is_shown_and_changes_no_status() -> None:
    story = running()
    story.event("Activity", At=5.0, Healthy=6.0)
    assert (story.doc["LastUserActivityTimestamp"], story.doc["LastHealthCheckTimestamp"], story.status) == (5.0, 6.0, "InService")


def test_watching_ends_with_the_task() -> None:
    story = running()
    move = story.event("Watch", Task="t-0", After=60.0)
    assert move is not None
    assert [(i.name, i.delay) for i in move.instructions] == [("Watch", 60.0)]
    assert story.event("Watch", Task="t-9", After=60.0) is None


def test_keys_are_known_until_their_task_is_gone() -> None:
    story = app()
    story.event("Keyed", Task="t-0", Key="A")
    story.event("Keyed", Task="t-0", Key="B")
    assert story.doc["_keys"] == {"t-0": ["A", "B"]}
    story.event("Delete")
    story.event("Finished", Task="t-0")
    story.event("Forgotten", Task="t-0")
    assert story.doc["_keys"] == {}


@pytest.mark.parametrize(("state", "told"), [("Pending", ["Retire"]), ("InService", []), ("Deleting", ["Retire"])])
def test_an_executor_that_gave_up(state: str, told: list[str]) -> None:
    story = app() if state == "Pending" else running()
    if state == "Deleting":
        story.event("Delete")
    assert story.told("Fault", Reason="InternalServerError: x") == told
    assert story.status == ("Failed" if state == "Pending" else state)

"""Tracking servers' states: every race as a pure call."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.slices.mlflow.lifecycle import (
    ALL,
    APPLY,
    DEPLOY,
    ERASE,
    FORGET,
    LONGEST_DELAY,
    RETIRE,
    Active,
    Inactive,
    active,
    lifecycle,
    next_task,
)

TABLE = lifecycle("MlflowTrackingServer", "TrackingServerStatus")


def new() -> dict[str, Any]:
    doc = {"_prefix": "p", **next_task({"_prefix": "p"})}
    return TABLE.begin(doc, 0.0)


def go(doc: dict[str, Any], name: str, now: float = 1.0, **data: Any) -> tuple[dict[str, Any], list[str], bool]:
    """(document after, instructions, removed)."""
    stepped = TABLE.step("s", doc, Event(name, data), now)
    if stepped is None:
        return doc, [], False
    after, move = stepped
    return after, [i.name for i in move.instructions], move.remove


def created() -> dict[str, Any]:
    return go(new(), "Ready", Task="p-0", Sockets=["/s"])[0]


def test_creation() -> None:
    doc = new()
    assert doc["TrackingServerStatus"] == "Creating"
    assert not active(doc)
    doc, _, _ = go(doc, "Preparing", Task="p-0", Message="building")
    doc, work, _ = go(doc, "Ready", Task="p-0", Sockets=["/s"])
    assert (doc["TrackingServerStatus"], doc["_sockets"], active(doc)) == ("Created", ["/s"], True)
    assert work == ["Register"]


def test_creation_that_fails_says_why_and_leaves_nothing() -> None:
    doc, work, _ = go(new(), "Refused", Reason="no such role")
    assert (doc["TrackingServerStatus"], doc["_failure"]) == ("CreateFailed", "no such role")
    doc, work, _ = go(new(), "Failed", Task="p-0", Reason="ClientError: x")
    assert work == [RETIRE]
    doc, work, _ = go(doc, "Finished", Task="p-0")
    assert work == [FORGET]
    doc, work, _ = go(doc, "Forgotten", Task="p-0")
    assert (doc["_retiring"], doc["TrackingServerStatus"], active(doc)) == ({}, "CreateFailed", False)
    doc, work, gone = go(doc, "Delete")
    assert (work, gone) == ([ERASE], False)
    assert go(doc, "Erased")[2]


def test_stop_start_and_again() -> None:
    doc, work, _ = go(created(), "Stop")
    assert (doc["TrackingServerStatus"], work, doc["_retiring"]) == ("Stopping", [RETIRE], {"p-0": ["/s"]})
    assert not active(doc)
    doc, work, _ = go(doc, "Exited", Task="p-0", ExitCode=0)
    assert work == []
    doc, work, _ = go(doc, "Finished", Task="p-0")
    doc, work, _ = go(doc, "Forgotten", Task="p-0")
    assert doc["TrackingServerStatus"] == "Stopped"
    with pytest.raises(Inactive):
        go(doc, "Stop")
    doc, work, _ = go(doc, "Start")
    assert (doc["TrackingServerStatus"], doc["_task"], work) == ("Starting", "p-1", [DEPLOY])
    doc, _, _ = go(doc, "Ready", Task="p-1", Sockets=["/t"])
    assert doc["TrackingServerStatus"] == "Started"
    with pytest.raises(Active):
        go(doc, "Start")
    with pytest.raises(ImpossibleTransition):
        go(new(), "Stop")


def test_an_update_that_needs_no_restart_keeps_the_task() -> None:
    doc, work, _ = go(created(), "Update", Changes={"AutomaticModelRegistration": True}, Restart=False)
    assert (doc["TrackingServerStatus"], work, active(doc)) == ("Updating", [APPLY], True)
    doc, _, _ = go(doc, "Applied")
    assert (doc["TrackingServerStatus"], doc["_task"], doc["AutomaticModelRegistration"]) == ("Updated", "p-0", True)


def test_an_update_begins_anew_only_when_the_old_task_is_gone() -> None:
    doc, work, _ = go(created(), "Update", Changes={"ArtifactStoreUri": "s3://b"}, Restart=True)
    assert (doc["TrackingServerStatus"], work, doc.get("_task")) == ("Updating", [RETIRE], None)
    doc, work, _ = go(doc, "Finished", Task="p-0")
    doc, work, _ = go(doc, "Forgotten", Task="p-0")
    assert (doc["_task"], work) == ("p-1", [DEPLOY])
    doc, _, _ = go(doc, "Ready", Task="p-0", Sockets=["/late"])
    assert doc["TrackingServerStatus"] == "Updating"
    doc, _, _ = go(doc, "Ready", Task="p-1", Sockets=["/t"])
    assert doc["TrackingServerStatus"] == "Updated"


def test_an_update_of_a_stopped_server_leaves_it_stopped() -> None:
    doc = go(go(go(created(), "Stop")[0], "Finished", Task="p-0")[0], "Forgotten", Task="p-0")[0]
    doc, work, _ = go(doc, "Update", Changes={"ArtifactStoreUri": "s3://b"}, Restart=True)
    assert work == [APPLY]
    doc, _, _ = go(doc, "Applied")
    assert (doc["TrackingServerStatus"], active(doc)) == ("Updated", False)
    assert go(doc, "Start")[1] == [DEPLOY]


def test_a_lost_task_is_replaced_later_each_time() -> None:
    doc, delays = created(), []
    for number in range(9):
        stepped = TABLE.step("s", doc, Event("Failed", {"Task": f"p-{number}", "Reason": "gone"}), 1.0)
        assert stepped is not None
        doc, move = stepped
        assert doc["TrackingServerStatus"] == "Created"
        assert active(doc)
        assert [i.name for i in move.instructions] == [RETIRE, DEPLOY]
        delays.append(move.instructions[1].delay)
    assert delays[0] < delays[1] < delays[2]
    assert delays[-1] == LONGEST_DELAY
    assert doc["_task"] == "p-9"


def test_a_task_lost_while_settings_are_applied_is_replaced_too() -> None:
    doc = go(created(), "Update", Changes={}, Restart=False)[0]
    doc, work, _ = go(doc, "Failed", Task="p-0", Reason="gone")
    assert (doc["TrackingServerStatus"], work) == ("Updating", [RETIRE, DEPLOY])


def test_deleting_waits_for_the_last_task_then_erases() -> None:
    doc, work, gone = go(created(), "Delete")
    assert (work, gone) == ([RETIRE], False)
    with pytest.raises(ImpossibleTransition):
        go(doc, "Delete")
    doc, work, gone = go(doc, "Finished", Task="p-0")
    doc, work, gone = go(doc, "Forgotten", Task="p-0")
    assert (work, gone) == ([ERASE], False)


def test_reports_are_allowed_in_every_state() -> None:
    for state in ALL:
        for name in ("Preparing", "Staging", "Started", "Metric", "Ready", "Exited", "Finished", "Failed", "Forgotten", "Keyed", "Fault"):
            assert TABLE.allows(state, name), (state, name)

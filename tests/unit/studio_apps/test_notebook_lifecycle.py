"""The states of notebook instances: every race of a task's reports and its owner's wishes."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event, ImpossibleTransition, Move
from sagewright.slices.studio_apps.notebooks.lifecycle import INSTANCES

NEW: dict[str, Any] = {"_prefix": "n", "_task": "n-0", "_serial": 1, "_sockets": []}


def after(*events: tuple[str, dict[str, Any]], doc: dict[str, Any] | None = None) -> tuple[dict[str, Any], list[str], Move | None]:
    """(document, names of all instructions, last move)."""
    doc = INSTANCES.begin(NEW, 0.0) if doc is None else doc
    said: list[str] = []
    move = None
    for name, data in events:
        stepped = INSTANCES.step("k", doc, Event(name, data), 1.0)
        if stepped is not None:
            doc, move = stepped
            said += [one.name for one in move.instructions]
    return doc, said, move


READY = ("Ready", {"Task": "n-0", "Sockets": ["/s"]})
FINISHED = ("Finished", {"Task": "n-0"})
FORGOTTEN = ("Forgotten", {"Task": "n-0"})


def test_it_comes_into_service_and_stops() -> None:
    doc, said, _ = after(READY)
    assert (doc["NotebookInstanceStatus"], doc["_sockets"], said) == ("InService", ["/s"], ["Watch"])
    doc, said, _ = after(("Stop", {}), doc=doc)
    assert (doc["NotebookInstanceStatus"], said) == ("Stopping", ["Retire"])
    assert "_sockets" not in doc
    doc, said, _ = after(FINISHED, doc=doc)
    assert (doc["NotebookInstanceStatus"], said) == ("Stopping", ["Forget"])
    doc, _, _ = after(FORGOTTEN, doc=doc)
    assert doc["NotebookInstanceStatus"] == "Stopped"
    doc, said, _ = after(("Start", {}), doc=doc)
    assert (doc["NotebookInstanceStatus"], doc["_task"], said) == ("Pending", "n-1", ["Start"])
    assert doc["_created"]


def test_a_task_that_ends_by_itself_is_a_failure_that_says_why() -> None:
    for events in ((), (READY,)):
        doc, said, _ = after(*events, ("Exited", {"Task": "n-0", "ExitCode": 1, "LastLog": "no space"}), FINISHED, FORGOTTEN)
        assert doc["NotebookInstanceStatus"] == "Failed"
        assert doc["FailureReason"] == "JupyterLab exited with code 1. Last log line: no space"
        assert said[-2:] == ["Retire", "Forget"]
    doc, _, _ = after(("Start", {}), doc=doc)
    assert doc["NotebookInstanceStatus"] == "Pending"
    assert "FailureReason" not in doc


def test_late_reports_change_nothing() -> None:
    doc, _, _ = after(READY, ("Stop", {}), FINISHED, FORGOTTEN)
    for late in (READY, FINISHED, ("Refused", {"Reason": "x"}), ("Exited", {"Task": "n-0", "ExitCode": 0})):
        assert after(late, doc=doc)[0]["NotebookInstanceStatus"] == "Stopped"
    doc, _, _ = after(("Start", {}), doc=doc)
    assert after(READY, doc=doc)[0]["NotebookInstanceStatus"] == "Pending"  # it is an earlier task's


def test_a_watch_of_an_earlier_task_ends() -> None:
    doc, _, _ = after(READY)
    assert after(("Watch", {"Task": "n-0", "After": 60.0}), doc=doc)[1] == ["Watch"]
    assert after(("Watch", {"Task": "other", "After": 60.0}), doc=doc)[1] == []


@pytest.mark.parametrize(("state", "event"), [
    ("InService", "Start"), ("InService", "Delete"), ("InService", "Update"), ("Pending", "Stop"), ("Pending", "Delete"), ("Deleting", "Start"),
])
def test_what_a_state_does_not_allow(state: str, event: str) -> None:
    with pytest.raises(ImpossibleTransition):
        INSTANCES.step("k", {**NEW, "_state": state}, Event(event, {"Changes": {}}), 0.0)


def test_deletion_takes_the_volume_first() -> None:
    doc = {**NEW, "_state": "Stopped", "_task": None}
    doc, said, _ = after(("Delete", {}), doc=doc)
    assert (doc["NotebookInstanceStatus"], said) == ("Deleting", ["Erase"])
    move = after(("Erased", {}), doc=doc)[2]
    assert move is not None
    assert move.remove
    assert after(("Fault", {"Reason": "disk"}), doc=doc)[1] == ["Erase"]

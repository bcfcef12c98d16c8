"""An alarm's states, event by event."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.runtime.lifecycle import Event
from sagewright.slices.metrics.alarms.lifecycle import LIFECYCLE


@pytest.fixture
def alarm() -> dict[str, Any]:
    return LIFECYCLE.begin({
        "AlarmName": "a", "ActionsEnabled": True, "OKActions": ["ok"], "AlarmActions": ["one", "two"], "InsufficientDataActions": [], "_serial": 1,
        "Threshold": 1.0, "AlarmDescription": "old", "Tags": [{"Key": "k", "Value": "v"}],
    }, 0.0)  # fmt: skip


def send(doc: dict[str, Any], name: str, now: float = 1.0, **data: Any) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    stepped = LIFECYCLE.step("a", doc, Event(name, data), now)
    if stepped is None:
        return doc, []
    after, move = stepped
    return after, [(i.name, i.args.get("Action") or i.args.get("Summary") or i.args.get("Serial")) for i in move.instructions]


def evaluated(doc: dict[str, Any], state: str, serial: int = 1, now: float = 1.0) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    return send(doc, "Evaluated", now, State=state, Reason="r", Data="{}", Serial=serial)


def test_a_change_of_state_is_noted_and_acted_on(alarm: dict[str, Any]) -> None:
    doc, given = evaluated(alarm, "ALARM", now=5.0)
    assert given == [("Note", "Alarm updated from INSUFFICIENT_DATA to ALARM"), ("Act", "one"), ("Act", "two")]
    assert (doc["StateValue"], doc["StateReason"], doc["StateUpdatedTimestamp"], doc["StateTransitionedTimestamp"]) == ("ALARM", "r", 5.0, 5.0)
    assert evaluated(doc, "OK")[1][1:] == [("Act", "ok")]


def test_the_same_state_again_changes_nothing(alarm: dict[str, Any]) -> None:
    doc, _ = evaluated(alarm, "ALARM")
    assert evaluated(doc, "ALARM", now=9.0) == (doc, [])


def test_an_evaluation_of_an_older_configuration_means_nothing(alarm: dict[str, Any]) -> None:
    new = {"AlarmName": "a", "ActionsEnabled": True, "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [], "Threshold": 2.0}
    doc, given = send(alarm, "Configured", Alarm=new)
    assert ("Evaluate", 2) in given
    assert (doc["Threshold"], doc["Tags"], "AlarmDescription" in doc, doc["_state"]) == (2.0, alarm["Tags"], False, "INSUFFICIENT_DATA")
    assert evaluated(doc, "ALARM", serial=1) == (doc, [])
    assert evaluated(doc, "ALARM", serial=2)[0]["StateValue"] == "ALARM"


def test_disabled_actions(alarm: dict[str, Any]) -> None:
    doc, _ = send(alarm, "Enabled", Enabled=False)
    assert [name for name, _ in evaluated(doc, "ALARM")[1]] == ["Note"]
    assert send(doc, "Enabled", Enabled=False) == (doc, [])


def test_somebody_sets_the_state(alarm: dict[str, Any]) -> None:
    doc, given = send(alarm, "SetState", State="ALARM", Reason="drill", Data="")
    assert [name for name, _ in given] == ["Note", "Act", "Act"]
    assert (doc["StateReason"], "StateReasonData" in doc) == ("drill", False)
    again, given = send(doc, "SetState", 7.0, State="ALARM", Reason="drill 2", Data="{}")
    assert (again["StateReason"], again["StateReasonData"], given) == ("drill 2", "{}", [])
    assert again["StateTransitionedTimestamp"] < again["StateUpdatedTimestamp"] == 7.0

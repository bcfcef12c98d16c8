"""A component's states: every race without a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagewright.runtime.lifecycle import Event, ImpossibleTransition, Move
from sagewright.slices.inference_components import copies
from sagewright.slices.inference_components.lifecycle import LIFECYCLE, NO_ROOM
from sagewright.slices.inference_components.pool import PENDING, READY, SHORT, STARTING

SPEC = [{"ModelName": "m"}]
POLICY = {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}}


class Component:
    """A component that is stepped through its life."""

    def __init__(self, want: int = 2) -> None:
        doc: dict[str, Any] = {
            "InferenceComponentName": "part", "VariantName": "v", "_want": want, "_revision": "1", "_revisions": 1, "_specs": {"1": SPEC},
            "_copies": {}, "_serial": 0, "_prefix": "c",
        }
        self.doc = LIFECYCLE.begin({**doc, **copies.arrange(doc)}, 0.0)
        self.now = 0.0
        self.removed = False
        self.done: list[Any] = []

    def send(self, name: str, **data: Any) -> Move | None:
        self.now += 1.0
        stepped = LIFECYCLE.step("part", self.doc, Event(name, data), self.now)
        if stepped is None:
            return None
        self.doc, move = stepped
        self.removed = move.remove
        self.done += move.instructions
        return move

    @property
    def state(self) -> str:
        state: str = self.doc["_state"]
        return state

    def tasks(self, *phases: str, revision: str = "") -> list[str]:
        return [
            t for t, about in self.doc["_copies"].items()
            if (not phases or about["Phase"] in phases) and (not revision or about["Revision"] == revision)
        ]

    def place(self, *tasks: str) -> None:
        self.send("Placed", Copies={t: {"Instance": "i-0", "Type": "ml.m5.large", "Need": [0, 1000, 512]} for t in tasks or self.tasks(PENDING, SHORT)})

    def ready(self, *tasks: str) -> None:
        for task in tasks or self.tasks(STARTING):
            self.send("Ready", Task=task, Sockets=[f"/{task}"])

    def gone(self) -> None:
        for task in list(self.doc.get("_retiring", {})):
            self.send("Finished", Task=task)
            self.send("Forgotten", Task=task)

    def served(self) -> Component:
        self.place()
        self.ready()
        assert self.state == "InService"
        return self

    def update(self, config: dict[str, Any] | None = POLICY, batch: int = 1, want: int | None = None) -> None:
        more = {} if want is None else {"CopyCount": want}
        self.send("Update", Specifications=SPEC, Config=config, Batch=batch, Back=0, Caller={}, Id="u", **more)


def test_it_is_in_service_when_every_copy_answers() -> None:
    one = Component(2)
    one.place()
    first, second = one.tasks(STARTING)
    one.ready(first)
    assert one.state == "Creating"
    one.ready(second)
    assert (one.state, copies.answering(one.doc)) == ("InService", 2)


def test_without_copies_it_is_complete_at_once() -> None:
    one = Component(0)
    one.send("Looked")
    assert one.state == "InService"


def test_without_room_it_fails() -> None:
    one = Component(2)
    one.send("Short", Copies=one.tasks())
    assert (one.state, one.doc["FailureReason"]) == ("Failed", NO_ROOM)
    assert not one.doc["_copies"]


def test_with_room_for_some_it_serves_with_those_and_goes_on_when_there_is_more() -> None:
    one = Component(2)
    first, second = one.tasks()
    one.place(first)
    one.send("Short", Copies=[second])
    assert one.state == "Creating"
    one.ready(first)
    assert (one.state, one.doc["FailureReason"]) == ("InService", NO_ROOM)
    one.place(second)
    one.ready(second)
    assert (one.state, copies.answering(one.doc)) == ("InService", 2)
    assert "FailureReason" not in one.doc


def test_a_copy_that_does_not_start_fails_a_new_component() -> None:
    one = Component(2)
    one.place()
    one.send("Exited", Task=one.tasks()[0], ExitCode=1, LastLog="no such module")
    assert one.state == "Failed"
    assert "no such module" in one.doc["FailureReason"]
    assert len(one.doc["_retiring"]) == 2


def test_a_lost_copy_is_replaced_later_each_time() -> None:
    one = Component(1).served()
    delays = []
    for _ in range(3):
        one.done.clear()
        (task,) = one.tasks()
        one.send("Exited", Task=task, ExitCode=3)
        delays += [i.delay for i in one.done if i.name == "Place"]
        one.served()
    assert delays == [0.5, 1.0, 2.0]
    assert one.state == "InService"


def test_more_copies_that_do_not_start_are_taken_back() -> None:
    one = Component(1).served()
    one.send("Scale", CopyCount=3)
    assert one.state == "Updating"
    one.place()
    one.send("Failed", Task=one.tasks(STARTING)[0], Reason="ClientError: no")
    assert (one.state, one.doc["_want"], len(one.tasks())) == ("InService", 1, 1)
    assert "ClientError: no" in one.doc["FailureReason"]


def test_fewer_copies_are_there_at_once_and_none_is_a_count() -> None:
    one = Component(2).served()
    one.send("Scale", CopyCount=0)
    assert (one.state, one.tasks()) == ("InService", [])
    one.gone()
    assert not one.doc["_retiring"]


def test_an_update_replaces_batch_by_batch() -> None:
    one = Component(3).served()
    one.update()
    seen = []
    for _ in range(3):
        assert one.state == "Updating"
        seen.append((len(one.tasks(READY, revision="1")), len(one.tasks(PENDING, revision="2"))))
        one.place()
        one.ready()
    assert seen == [(3, 1), (2, 1), (1, 1)]
    assert (one.state, one.doc["_revision"], len(one.tasks(READY, revision="2"))) == ("InService", "2", 3)
    assert list(one.doc["_specs"]) == ["2"]


def test_an_update_without_a_policy_is_one_batch() -> None:
    one = Component(2).served()
    one.update(None, batch=0)
    assert len(one.tasks(PENDING, revision="2")) == 2
    one.place()
    one.ready()
    assert (one.state, len(one.tasks())) == ("InService", 2)


def test_batches_are_watched_for_their_time() -> None:
    config = {"RollingUpdatePolicy": {**POLICY["RollingUpdatePolicy"], "WaitIntervalInSeconds": 7}}
    one = Component(2).served()
    one.done.clear()
    one.update(config)
    one.place()
    one.ready()
    assert [(i.name, i.delay) for i in one.done if i.name == "Bake"] == [("Bake", 7.0)]
    assert one.state == "Updating"
    one.send("Baked", Update="u", Step=1)  # of a step that is not there yet
    assert len(one.tasks(READY, revision="1")) == 2
    one.send("Baked", Update="u", Step=0)
    assert len(one.tasks(READY, revision="1")) == 1


@pytest.mark.parametrize("how", ["alarm", "exit", "short"])
def test_an_update_that_goes_wrong_is_taken_back(how: str) -> None:
    config = {"RollingUpdatePolicy": {**POLICY["RollingUpdatePolicy"], "WaitIntervalInSeconds": 7}}
    one = Component(3).served()
    one.update(config)
    one.place()
    one.ready()
    one.send("Baked", Update="u", Step=0)
    assert len(one.tasks(revision="1")) == 2
    if how == "short":
        one.send("Short", Copies=one.tasks(PENDING, revision="2"))
    else:
        one.place()
        if how == "alarm":
            one.ready()
            one.send("Tripped", Update="u", Step=1, Reason="An alarm went off.")
        else:
            one.send("Exited", Task=one.tasks(STARTING, revision="2")[0], ExitCode=1)
    assert one.state == "Updating"
    one.place()
    one.ready()
    assert (one.state, one.doc["_revision"], len(one.tasks(READY, revision="1")), one.tasks(revision="2")) == ("InService", "1", 3, [])
    assert one.doc["FailureReason"]


def test_there_is_always_somebody_to_answer_while_it_is_taken_back() -> None:
    one = Component(2).served()
    one.update()
    one.place()
    one.ready()
    one.place()
    assert len(one.tasks(READY)) == 2
    one.send("Exited", Task=one.tasks(STARTING)[0], ExitCode=1)
    assert len(one.tasks(READY)) == 2  # one of each revision
    one.place()
    one.ready()
    assert len(one.tasks(READY, revision="1")) == 2


def test_a_copy_that_moves_answers_until_another_does() -> None:
    one = Component(1).served()
    (old,) = one.tasks()
    one.send("Moving", Copies=[old])
    assert one.state == "InService"
    assert copies.answering(one.doc) == 1
    one.place()
    one.ready()
    assert one.tasks() != [old]
    assert (len(one.tasks()), list(one.doc["_retiring"])) == (1, [old])


def test_deleting_waits_for_what_is_left() -> None:
    one = Component(2).served()
    one.send("Delete")
    assert (one.state, one.removed) == ("Deleting", False)
    one.gone()
    assert one.removed


def test_deleting_what_has_no_copies_is_done() -> None:
    one = Component(0)
    one.send("Looked")
    one.send("Delete")
    assert one.removed


def test_busy_components_refuse_to_be_changed() -> None:
    one = Component(1)
    for event in ("Scale", "Update"):
        with pytest.raises(ImpossibleTransition):
            one.send(event, CopyCount=2)


def test_late_words_of_copies_that_are_gone_mean_nothing() -> None:
    one = Component(1).served()
    before = one.doc
    for event in ("Ready", "Exited", "Failed", "Finished"):
        assert one.send(event, Task="c-99", Sockets=[]) is None
    assert one.send("Tripped", Update="x", Reason="late") is None
    assert one.doc is before


EVENTS = st.lists(st.tuples(st.sampled_from(("Scale", "Update", "Place", "Ready", "Lose", "Short", "Trip", "Move", "Gone")), st.integers(0, 3)), max_size=30)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 3), EVENTS)
def test_whatever_happens_it_comes_to_rest_with_what_was_asked_for(want: int, events: list[tuple[str, int]]) -> None:
    one = Component(want)
    one.send("Looked")
    for name, n in events:
        happen(one, name, n)
    for _ in range(40):  # from now on everything has room and starts
        one.place()
        one.ready()
        one.gone()
        one.now += 100.0
    if one.state != "Failed":
        assert one.state == "InService"
        assert len(one.tasks(READY)) == one.doc["_want"] == len(one.tasks())
        assert {about["Revision"] for about in one.doc["_copies"].values()} <= {one.doc["_revision"]}
        assert "_update" not in one.doc
    assert not one.doc["_retiring"]


def happen(one: Component, name: str, n: int) -> None:
    tasks = one.tasks()
    try:
        match name:
            case "Scale":
                one.send("Scale", CopyCount=n)
            case "Update":
                one.update(batch=1 + n % 2, want=n)
            case "Place":
                one.place(*one.tasks(PENDING, SHORT)[: n + 1])
            case "Ready":
                one.ready(*one.tasks(STARTING)[: n + 1])
            case "Lose" if tasks:
                one.send("Exited", Task=tasks[n % len(tasks)], ExitCode=1)
            case "Short":
                one.send("Short", Copies=one.tasks(PENDING)[: n + 1])
            case "Trip" if one.doc.get("_update"):
                one.send("Tripped", Update="u", Reason="An alarm went off.")
            case "Move" if one.tasks(READY):
                one.send("Moving", Copies=one.tasks(READY)[:1])
            case "Gone":
                one.gone()
    except ImpossibleTransition:
        pass

"""What comes next: branches, triggers, failures, Fail steps, selections; and the states of an execution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.runtime.lifecycle import Event, ImpossibleTransition
from sagewright.slices.pipelines.definition import Definition
from sagewright.slices.pipelines.lifecycle import LIFECYCLE, RUN
from sagewright.slices.pipelines.plan import FAILURE, Plan
from sagewright.slices.pipelines.selection import borrowed
from sagewright.wire.errors import Invalid

from .definitions import choice, fail, read, train


def docs(steps: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Documents of steps: name → status, or True/False of a Condition."""
    return {
        name: {"StepName": name, "StepStatus": "Succeeded", "_outcome": status} if status in ("True", "False") else {"StepName": name, "StepStatus": status}
        for name, status in steps.items()
    }


def plan(definition: Definition, selected: list[str] | None = None, **steps: str) -> Plan:
    return Plan(definition, docs(steps), selected)


def ready(definition: Definition, selected: list[str] | None = None, **steps: str) -> list[str]:
    return [step.name for step in plan(definition, selected, **steps).ready()]


DIAMOND = read(train("D", "B", "C"), train("B", "A"), train("C", "A"), train("A"))
BRANCHES = read(
    choice("C", [train("Yes"), train("YesToo", "Yes")], [train("No")], "A"), train("A"), train("After", "C"), train("AfterYes", "YesToo"),
)


def test_a_step_waits_for_all_before_it() -> None:
    assert ready(DIAMOND) == ["A"]
    assert ready(DIAMOND, A="Executing") == []
    assert ready(DIAMOND, A="Succeeded") == ["B", "C"], "in the order of the definition"
    assert ready(DIAMOND, A="Succeeded", B="Succeeded", C="Executing") == []
    assert ready(DIAMOND, A="Succeeded", B="Succeeded", C="Succeeded") == ["D"]


def test_what_depends_on_a_failure_never_begins_and_the_rest_goes_on() -> None:
    assert ready(DIAMOND, A="Succeeded", B="Failed") == ["C"]
    after = plan(DIAMOND, A="Succeeded", B="Failed", C="Succeeded")
    assert after.ready() == []
    assert after.verdict() == ("Failed", FAILURE)


def test_one_branch_only() -> None:
    assert ready(BRANCHES, A="Succeeded") == ["C"], "no branch before the decision"
    assert ready(BRANCHES, A="Succeeded", C="True") == ["Yes", "After"]
    assert ready(BRANCHES, A="Succeeded", C="False") == ["No", "After"]
    assert ready(BRANCHES, A="Succeeded", C="False", No="Succeeded", After="Succeeded") == [], "what depends on the other branch never comes"
    assert plan(BRANCHES, A="Succeeded", C="False", No="Succeeded", After="Succeeded").verdict() == ("Succeeded", "")
    assert ready(BRANCHES, A="Succeeded", C="True", Yes="Succeeded", YesToo="Succeeded", After="Succeeded") == ["AfterYes"]
    assert ready(BRANCHES, A="Succeeded", C="Failed") == []


def test_branches_within_branches() -> None:
    nested = read(choice("Outer", [choice("Inner", [train("Both")], [train("Half")])], []))
    assert ready(nested) == ["Outer"]
    assert ready(nested, Outer="True") == ["Inner"]
    assert ready(nested, Outer="False") == []
    assert ready(nested, Outer="True", Inner="False") == ["Half"]


@pytest.mark.parametrize(("trigger", "goes"), [
    ("Completed", {"Succeeded"}), ("Failed", {"Failed"}), ("Stopped", {"Stopped"}), ("Any", {"Succeeded", "Failed", "Stopped"}),
])
def test_triggers(trigger: str, goes: set[str]) -> None:
    found = read(train("A"), train("B", {"Step": "A", "Trigger": trigger}))
    for status in ("Starting", "Executing", "Stopping", "Succeeded", "Failed", "Stopped"):
        assert (ready(found, A=status) == ["B"]) is (status in goes)


def test_a_failure_that_somebody_was_there_for() -> None:
    found = read(train("A"), train("Clean", {"Step": "A", "Trigger": "Failed"}), train("X"))
    assert plan(found, A="Failed", Clean="Succeeded", X="Succeeded").verdict() == ("CompletedWithFailures", "")
    assert plan(found, A="Failed", Clean="Failed", X="Succeeded").verdict() == ("Failed", FAILURE)
    assert plan(found, A="Failed", Clean="Succeeded", X="Failed").verdict() == ("Failed", FAILURE), "the other one was not handled"
    assert plan(found, A="Succeeded", X="Succeeded").verdict() == ("Succeeded", "")
    assert plan(found, A="Stopped", X="Succeeded").verdict() == ("Stopped", ""), "somebody stopped its job"


def test_a_Fail_step_ends_it() -> None:
    found = read(fail("F"), train("A"), train("B", "A"))
    steps = docs({"F": "Failed", "A": "Executing"})
    steps["F"]["FailureReason"] = "told so"
    after = Plan(found, steps)
    assert after.ready() == []
    assert after.active() == ["A"]
    assert after.verdict() == ("Failed", "told so")


def test_a_long_chain_in_the_worst_order() -> None:
    chain = read(*(train(f"s{number}", f"s{number + 1}") for number in range(3_000)), train("s3000"))
    assert ready(chain) == ["s3000"]
    assert ready(chain, s3000="Succeeded") == ["s2999"]


EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=14)


@given(EDGES, st.data())
def test_executions_end_whatever_their_steps_come_to(edges: list[tuple[int, int]], data: st.DataObject) -> None:
    """Every step begins at most once, after all that it needs; and what is left at the end has a reason."""
    needs: dict[int, set[int]] = {number: set() for number in range(8)}
    for a, b in edges:
        if a != b:
            needs[max(a, b)].add(min(a, b))
    found = read(*(train(str(number), *map(str, needs[number])) for number in data.draw(st.permutations(range(8)))))
    statuses: dict[str, str] = {}
    while names := [step.name for step in Plan(found, docs(statuses)).ready()]:
        name = data.draw(st.sampled_from(names))
        assert name not in statuses
        assert all(statuses.get(str(before)) == "Succeeded" for before in needs[int(name)])
        statuses[name] = data.draw(st.sampled_from(["Succeeded", "Succeeded", "Failed"]))
    for number in range(8):
        assert str(number) in statuses or any(statuses.get(str(before)) != "Succeeded" for before in needs[number])
    assert Plan(found, docs(statuses)).verdict()[0] == ("Failed" if "Failed" in statuses.values() else "Succeeded")


# -- selections


def source(**steps: str) -> dict[str, dict[str, Any]]:
    return docs(steps)


def test_a_selection_takes_what_is_before_it_from_another_execution() -> None:
    found = borrowed(DIAMOND, ["D"], "arn:x", source(A="Succeeded", B="Succeeded", C="Succeeded", D="Failed"))
    assert [step["StepName"] for step in found] == ["A", "B", "C"]
    assert {step["SelectiveExecutionResult"]["SourcePipelineExecutionArn"] for step in found} == {"arn:x"}
    assert ready(DIAMOND, ["D"], A="Succeeded", B="Succeeded", C="Succeeded") == ["D"]
    assert ready(DIAMOND, ["B"], A="Succeeded", B="Succeeded") == [], "nothing that was not selected"
    assert borrowed(DIAMOND, ["A"], "", {}) == [], "nothing before it: no source needed"


def test_what_was_borrowed_twice_names_where_it_came_from() -> None:
    steps = source(A="Succeeded")
    steps["A"]["SelectiveExecutionResult"] = {"SourcePipelineExecutionArn": "arn:first"}
    assert borrowed(DIAMOND, ["B"], "arn:second", steps)[0]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": "arn:first"}


@pytest.mark.parametrize(("selected", "where", "says"), [
    (["Nobody"], "arn:x", "Nobody"), (["Nobody"], "", "Nobody"), (["A", "D"], "arn:x", "gap: B"), (["B"], "", "SourcePipelineExecutionArn"),
    (["D"], "arn:x", "The step B has no result"),
])
def test_selections_that_cannot_be(selected: list[str], where: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        borrowed(DIAMOND, selected, where, source(A="Succeeded", C="Succeeded", B="Failed"))


def test_borrowed_failures_do_not_count() -> None:
    steps = docs({"A": "Succeeded", "B": "Succeeded"})
    steps["A"] |= {"StepStatus": "Failed", "SelectiveExecutionResult": {}}
    assert Plan(read(train("A"), train("B", {"Step": "A", "Trigger": "Any"})), steps, ["B"]).verdict() == ("Succeeded", "")


# -- states


def begun() -> dict[str, Any]:
    return LIFECYCLE.begin({"PipelineExecutionArn": "arn", "_round": 1}, 1.0)


def after(doc: dict[str, Any], name: str, **data: Any) -> dict[str, Any]:
    stepped = LIFECYCLE.step("p", doc, Event(name, data), 2.0)
    return doc if stepped is None else stepped[0]


def test_the_life_of_an_execution() -> None:
    doc = begun()
    assert (doc["PipelineExecutionStatus"], doc["LastModifiedTime"]) == ("Executing", 1.0)
    doc = after(doc, "Tally", Changes={"x": 1})
    assert (doc["x"], doc["LastModifiedTime"]) == (1, 2.0)
    done = after(doc, "Ended", State="Succeeded", Reason="")
    assert done["PipelineExecutionStatus"] == "Succeeded"
    assert "FailureReason" not in done
    failed = after(doc, "Ended", State="Failed", Reason="x" * 5000)
    assert failed["FailureReason"] == "x" * 1024


def test_a_stop_wins_over_whatever_the_steps_come_to() -> None:
    stopping = after(begun(), "Stop")
    assert stopping["PipelineExecutionStatus"] == "Stopping"
    assert after(stopping, "Stop") == stopping, "twice is once"
    for state in ("Succeeded", "Failed", "Stopped", "CompletedWithFailures"):
        stopped = after(stopping, "Ended", State=state, Reason="no")
        assert stopped["PipelineExecutionStatus"] == "Stopped"
        assert "FailureReason" not in stopped


def test_a_retry_is_a_new_round_of_what_failed_or_was_stopped() -> None:
    failed = after(begun(), "Ended", State="Failed", Reason="no")
    stepped = LIFECYCLE.step("p", failed, Event("Retry", {"Changes": {}}), 3.0)
    assert stepped is not None
    doc, move = stepped
    assert (doc["PipelineExecutionStatus"], doc["_round"]) == ("Executing", 2)
    assert "FailureReason" not in doc
    assert [instruction.name for instruction in move.instructions] == [RUN]
    for state in ("Succeeded", "CompletedWithFailures"):
        with pytest.raises(ImpossibleTransition):
            after(after(begun(), "Ended", State=state, Reason=""), "Retry", Changes={})
    for doc in (begun(), after(begun(), "Stop")):
        with pytest.raises(ImpossibleTransition):
            after(doc, "Retry", Changes={})


@pytest.mark.parametrize("event", ["Tally", "Ended", "Stop", "Answered"])
def test_nothing_moves_an_execution_that_has_ended(event: str) -> None:
    done = after(begun(), "Ended", State="Succeeded", Reason="")
    with pytest.raises(ImpossibleTransition):
        after(done, event, Changes={}, State="Failed")
    assert after(done, "Fault", Reason="late") == done
    assert after(done, "Update", Changes={"PipelineExecutionDescription": "d"})["PipelineExecutionDescription"] == "d"

"""Reading a definition: what steps wait for, and what is refused with a reason."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagewright.slices.pipelines import definition
from sagewright.slices.pipelines.definition import UNBUILT
from sagewright.slices.pipelines.kinds import KINDS
from sagewright.wire.errors import Invalid, NotImplementedHere

from .definitions import choice, equal, fail, get, read, text, train

REPORT = {"PropertyFileName": "r", "OutputName": "o", "FilePath": "r.json"}
SCORE = {"Std:JsonGet": {"PropertyFile": get("Steps.P.PropertyFiles.r"), "Path": "a.b"}}
CALLBACK = {"Name": "Ask", "Type": "Callback", "SqsQueueUrl": get("Parameters.P"), "Arguments": {}, "OutputParameters": [{"OutputName": "o"}]}
POLICY = {"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 3}
WHOLE = {
    "Version": "2020-12-01", "Metadata": {}, "Parameters": [{"Name": "P", "Type": "Integer", "DefaultValue": 1, "EnumValues": [1, 2]}],
    "PipelineExperimentConfig": {"ExperimentName": get("Execution.PipelineName"), "TrialName": "t"},
    "Steps": [
        choice("C", [train("T", "P", RetryPolicies=[POLICY])], [fail("F")], left=SCORE, right=get("Parameters.P")),
        {"Name": "P", "Type": "Processing", "Arguments": {"x": [get("Parameters.P")]}, "PropertyFiles": [REPORT], "CacheConfig": {"Enabled": True, "ExpireAfter": "30d"}},
        CALLBACK,
    ],
}


def refused(*steps: dict[str, Any], **more: Any) -> str:
    with pytest.raises(Invalid) as caught:
        read(*steps, **more)
    assert caught.value.message.startswith("Unable to parse pipeline definition. ")
    return caught.value.message


def test_what_a_step_waits_for() -> None:
    found = definition.read(json.dumps(WHOLE))
    assert list(found.steps) == ["C", "T", "F", "P", "Ask"], "in the order of the text"
    assert found.steps["C"].needs == {"P": "Completed"}, "by the expressions of its conditions; not by those of its branches"
    assert found.steps["T"].needs == {"P": "Completed"}
    assert (found.steps["T"].branch, found.steps["F"].branch, found.steps["C"].branch) == (("C", True), ("C", False), None)
    assert found.steps["T"].before == {"C", "P"}
    assert found.steps["P"].files == {"r": ("o", "r.json")}
    assert {step.name for step in found.dependents("C")} == {"T", "F"}
    assert found.upstream(["T"]) == {"C", "P"}
    assert found.order.index("P") < found.order.index("C") < found.order.index("T")


def test_a_dependency_may_be_on_another_end() -> None:
    depends = ["A", {"Step": "B", "Trigger": "Failed"}, {"Step": "C"}]
    found = read(train("D", *depends, Arguments={"x": get("Steps.B.y")}), train("A"), train("B"), train("C"))
    assert found.steps["D"].needs == {"A": "Completed", "B": "Failed", "C": "Completed"}, "an expression does not change what DependsOn says"


def test_the_queue_of_a_callback_is_an_expression_like_others() -> None:
    assert read(train("A"), {**CALLBACK, "SqsQueueUrl": get("Steps.A.q")}).steps["Ask"].needs == {"A": "Completed"}
    assert "parameter P" in refused(CALLBACK)


@pytest.mark.parametrize("type_", sorted(UNBUILT))
def test_a_type_that_is_not_built_is_named(type_: str) -> None:
    with pytest.raises(NotImplementedHere, match=type_):
        read({"Name": "S", "Type": type_, "Arguments": {}})


def test_types_are_built_or_not() -> None:
    assert not UNBUILT & set(KINDS)


@pytest.mark.parametrize(("steps", "says"), [
    ([], "at least one step"),
    ([train("A"), train("A")], "several named A"),
    ([train("A"), choice("C", [train("A")], [])], "several named A"),
    ([train("A", "B")], "depends on B"),
    ([train("A", Arguments={"x": get("Steps.B.y")})], "depends on B"),
    ([train("A", "A")], "circle: A"),
    ([train("A", "B"), train("B", "C"), train("C", "A"), train("D")], "circle: A, B, C"),
    ([choice("C", [train("T")], [], "T")], "circle: C, T"),
    ([train("a b")], "step name"),
    ([train("x" * 65)], "step name"),
    ([train("A", Arguments={"x": get("Parameters.P")})], "parameter P"),
    ([train("A", Arguments={"x": get("Execution.Nothing")})], "Execution.Nothing"),
    ([train("A", Arguments={"x": get("Execution.PipelineName.x")})], "Execution.PipelineName.x"),
    ([train("A", Arguments={"x": get("Nobody.x")})], "Nobody"),
    ([train("A"), train("B", Arguments={"x": {"Std:JsonGet": {"PropertyFile": get("Steps.A.PropertyFiles.f"), "Path": "a"}}})], "property file f"),
    ([train("A", Type="Brew")], "'Brew'"),
    ([train("A", Type=["Training"])], "needs a Type"),
    ([train("A", Arguments=[])], "Arguments of the step A"),
    ([{**train("A"), "DependsOn": "B"}], "DependsOn of the step A must be a list"),
    ([train("A", 5)], "means nothing: 5"),
    ([train("A", {"Step": "A", "Trigger": "Sometimes"})], "Sometimes"),
    ([train("A", DisplayName=5)], "DisplayName"),
    ([train("A", PropertyFiles=[{"PropertyFileName": []}])], "PropertyFile of the step A"),
    ([train("A", CacheConfig=5)], "CacheConfig"),
    ([train("A", RetryPolicies=[5])], "RetryPolicies"),
    ([{**CALLBACK, "SqsQueueUrl": ""}], "needs SqsQueueUrl"),
    ([{**CALLBACK, "SqsQueueUrl": "q", "OutputParameters": [{}]}], "OutputParameters"),
    ([{"Name": "C", "Type": "Condition", "Arguments": {}}], "needs Conditions"),
    ([{"Name": "C", "Type": "Condition", "Arguments": {"Conditions": [{"Type": "Or", "Conditions": [{"Type": "Perhaps"}]}]}}], "Perhaps"),
    ([{"Name": "C", "Type": "Condition", "Arguments": {"Conditions": [{"Type": "Not"}]}}], "None"),
    ([{"Name": "C", "Type": "Condition", "Arguments": {"Conditions": [equal()], "IfSteps": {}, "ElseSteps": 5}}], "ElseSteps"),
])
def test_what_is_wrong_is_said(steps: list[dict[str, Any]], says: str) -> None:
    assert says in refused(*steps)


@pytest.mark.parametrize(("more", "says"), [
    ({"Version": "2019-01-01"}, "2020-12-01"), ({"Parameters": [{"Name": "P"}, {"Name": "P"}]}, "unique"), ({"Parameters": {"P": 1}}, "list of objects"),
    ({"PipelineExperimentConfig": "x"}, "object or null"), ({"PipelineExperimentConfig": {"ExperimentName": get("Steps.A.x")}}, "before all"),
    ({"Parameters": [{"Name": "P", "EnumValues": 5}]}, "EnumValues"),
])
def test_what_is_wrong_at_the_top_is_said(more: dict[str, Any], says: str) -> None:
    assert says in refused(train("A"), **more)


@pytest.mark.parametrize("given", [
    "", "{", "[]", "5", "null", '{"Version": "2020-12-01", "Steps": [NaN]}', "[" * 100_000, '{"a":' * 50_000, "\ud800",
    text(train("A", Description="x")).replace('"x"', r'"\ud800"'), text(train("A", Arguments={"x": 1})).replace("1}", "1e999}"),
    text(train("A", Arguments={"x": 10**30})),
])
def test_what_is_not_JSON_that_can_be_kept(given: str) -> None:
    with pytest.raises(Invalid):
        definition.read(given)


def test_a_whole_character_may_be_escaped() -> None:
    assert read(train("A", Description="\U0001f600")).steps["A"].raw["Description"] == "\U0001f600"


def test_depth_and_size_have_limits() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert "levels" in refused(train("A", Arguments={"x": deep}))
    with pytest.raises(Invalid, match="1 MB"):
        read(train("A", Arguments={"x": "y" * (1 << 20)}))


def test_thousands_of_steps_in_the_worst_order() -> None:
    """A chain whose last step comes first; what is quadratic, or recursive, ends here."""
    chain = [train(f"s{number}", f"s{number + 1}") for number in range(8_000)] + [train("s8000")]
    found = read(*chain)
    assert found.order == tuple(f"s{number}" for number in range(8_000, -1, -1))
    assert len(found.upstream(["s0"])) == 8_000


PLACES = st.lists(st.integers(0, 20), min_size=1, max_size=9)
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3),
    st.sampled_from([[], {}, [5], [[]], {"Get": "Steps.T.x"}, {"Get": 5}, {"Get": "Steps"}, {"Std:Join": {}}, [{}], [{"Name": []}], {"Type": []}]),
)


@settings(max_examples=400, deadline=None)
@given(PLACES, JUNK)
def test_whatever_stands_anywhere_is_read_or_refused(place: list[int], junk: Any) -> None:
    """Never an error of ours: one part of a good definition is replaced by something else."""
    whole: Any = copy.deepcopy(WHOLE)
    at = whole
    for number in place[:-1]:
        below = at[list(at)[number % len(at)]] if isinstance(at, dict) and at else at[number % len(at)] if isinstance(at, list) and at else None
        if not isinstance(below, (dict, list)) or not below:
            break
        at = below
    if isinstance(at, dict):
        at[list(at)[place[-1] % len(at)]] = junk
    else:
        at[place[-1] % len(at)] = junk
    try:
        definition.read(json.dumps(whole))
    except (Invalid, NotImplementedHere) as refusal:
        said = refusal.message
        assert said

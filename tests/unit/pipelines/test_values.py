"""Parameters, comparisons, and what a request's shape makes of values."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.pipelines import callbacks, conditions
from sagewright.slices.pipelines.coerce import coerced
from sagewright.slices.pipelines.expressions import Unresolved, text
from sagewright.slices.pipelines.parameters import MOST, Parameter, values
from sagewright.wire.errors import Invalid
from sagewright.wire.models import Models

TYPED = [
    ("Integer", "3", 3), ("Integer", 3, 3), ("Integer", 3.0, 3), ("Integer", "-7", -7), ("Integer", "3.0", 3), ("Integer", "3.5", None), ("Integer", 3.5, None),
    ("Integer", True, None), ("Integer", "True", None), ("Integer", "x", None), ("Integer", "", None), ("Integer", "9" * 5000, None), ("Integer", str(2**63 - 1), 2**63 - 1),
    ("Integer", str(2**63), None), ("Integer", 10**30, None), ("Integer", str(-(2**63) - 1), None), ("Integer", "inf", None),
    ("Float", "1.01", 1.01), ("Float", 2, 2.0), ("Float", "1e-3", 0.001), ("Float", "nan", None), ("Float", "inf", None), ("Float", "1e999", None), ("Float", "x", None),
    ("Float", True, None), ("Boolean", "True", True), ("Boolean", "false", False), ("Boolean", True, True), ("Boolean", False, False), ("Boolean", "1", None),
    ("Boolean", 1, None), ("String", "", ""), ("String", "3", "3"), ("String", 3, None), ("String", True, None),
]


@pytest.mark.parametrize(("type_", "given", "value"), TYPED)
def test_a_parameter_has_its_type(type_: str, given: Any, value: Any) -> None:
    parameter = Parameter("P", type_)
    if value is None:
        with pytest.raises(Invalid, match=f"type {type_}"):
            parameter.value(given)
    else:
        assert parameter.value(given) == value
        assert type(parameter.value(given)) is type(value)


@given(st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_what_the_SDKs_send_comes_back(value: int | float | bool) -> None:
    """They send str(value)."""
    type_ = {int: "Integer", float: "Float", bool: "Boolean"}[type(value)]
    assert Parameter("P", type_).value(str(value)) == value
    json.dumps(value, allow_nan=False)


def test_defaults_and_choices() -> None:
    read = Parameter.read({"Name": "P", "Type": "Integer", "DefaultValue": "2", "EnumValues": [1, 2]})
    assert (read.default, read.among) == (2, (1, 2))
    assert read.value("1") == 1
    with pytest.raises(Invalid, match="one of 1, 2"):
        read.value("3")
    with pytest.raises(Invalid, match="one of 1, 2"):
        Parameter.read({"Name": "P", "Type": "Integer", "DefaultValue": 3, "EnumValues": [1, 2]})
    assert Parameter.read({"Name": "P", "Type": "Boolean", "DefaultValue": False}).default is False
    assert Parameter.read({"Name": "P", "DefaultValue": ""}).default == "", "an empty text is a default"
    for bad in ({}, {"Name": ""}, {"Name": 5}, {"Name": "P", "Type": "Date"}, {"Name": "P", "Type": []}, {"Name": "P", "Type": "Float", "DefaultValue": "x"}):
        with pytest.raises(Invalid):
            Parameter.read(bad)


def test_values_of_an_execution() -> None:
    declared = {p.name: p for p in (Parameter("A", "Integer", 1), Parameter("B", "String"), Parameter("C", "Boolean", False))}
    assert values(declared, [{"Name": "B", "Value": "b"}, {"Name": "A", "Value": "2"}]) == {"A": 2, "B": "b", "C": False}
    for texts, says in (
        ([], "need a value: B"), ([{"Name": "X", "Value": "1"}], "Unknown pipeline parameters: X"),
        ([{"Name": "B", "Value": "1"}, {"Name": "B", "Value": "1"}], "more than once"), ([{"Name": "A", "Value": "x"}], "'x' of the parameter A"),
        ([{"Name": "B", "Value": "1"}] * (MOST + 1), "at most 200"),
    ):
        with pytest.raises(Invalid, match=says):
            values(declared, texts)


# -- conditions


def holds(type_: str, left: Any, right: Any) -> bool:
    return conditions.fulfilled([{"Type": type_, "LeftValue": left, "RightValue": right}])


@pytest.mark.parametrize(("left", "type_", "right", "expected"), [
    (0.95, "LessThan", 1.01, True), ("0.9", "LessThan", 10, True), ("0.9", "GreaterThan", "10", False), (10, "GreaterThanOrEqualTo", "10.0", True),
    (1, "Equals", 1.0, True), ("1", "Equals", 1, True), ("1", "Equals", "1.0", False), ("a", "Equals", "a", True), ("a", "NotEquals", "b", True),
    (True, "Equals", True, True), (True, "Equals", "true", True), (True, "Equals", 1, False), (False, "Equals", 0, False), (False, "NotEquals", True, True),
    ("2026-01-02T00:00:00.000Z", "LessThan", "2026-01-10T00:00:00.000Z", True), ("b", "GreaterThan", "a", True), (None, "Equals", None, True),
    (None, "Equals", "x", False), ([1], "Equals", [1], True), (10**400, "Equals", 10**400, True), (10**400, "Equals", 1, False), (10**400, "GreaterThan", 1.5, True),
    (2**53, "Equals", 2**53 + 1, False), (str(2**53), "LessThan", 2**53 + 1, True),
])
def test_comparisons(left: Any, type_: str, right: Any, expected: bool) -> None:
    assert holds(type_, left, right) is expected


@pytest.mark.parametrize(("left", "right"), [(None, 1), (True, 1), ("x", 1), ([1], [2])])
def test_what_has_no_order_is_said(left: Any, right: Any) -> None:
    with pytest.raises(Unresolved, match="cannot be compared by LessThan"):
        holds("LessThan", left, right)


NUMBERS = st.one_of(st.integers(-100, 100), st.floats(-100, 100))


@given(NUMBERS, NUMBERS, st.booleans(), st.booleans())
def test_numbers_compare_as_numbers_whether_texts_or_not(a: float, b: float, a_text: bool, b_text: bool) -> None:
    left, right = str(a) if a_text else a, str(b) if b_text else b
    assert holds("LessThan", left, right) == (a < b)
    assert holds("GreaterThanOrEqualTo", left, right) == (a >= b)
    assert holds("GreaterThan", left, right) == (not holds("LessThanOrEqualTo", left, right))
    if not (a_text and b_text):
        assert holds("Equals", left, right) == (a == b) == (not holds("NotEquals", left, right))


def test_of_what_conditions_consist() -> None:
    yes, no = ({"Type": "Equals", "LeftValue": 1, "RightValue": right} for right in (1, 2))
    assert conditions.fulfilled([yes, yes])
    assert not conditions.fulfilled([yes, no]), "all of them"
    assert conditions.fulfilled([{"Type": "Or", "Conditions": [no, yes]}])
    assert not conditions.fulfilled([{"Type": "Or", "Conditions": [no, no]}])
    assert conditions.fulfilled([{"Type": "Not", "Expression": no}])
    assert not conditions.fulfilled([{"Type": "Not", "Condition": {"Type": "Or", "Conditions": [no, yes]}}])
    for names in (("QueryValue", "Values"), ("Value", "In")):
        for value, among in (("a", True), (2, True), ("2", True), ("c", False)):
            given = {names[0]: value, names[1]: ["a", 2]}
            assert conditions.fulfilled([{"Type": "In", **given}]) is among
            assert conditions.fulfilled([{"Type": "NotIn", **given}]) is not among
            assert not conditions.check({"Type": "In", **given})


@pytest.mark.parametrize("condition", [
    None, [], {}, {"Type": []}, {"Type": "Like"}, {"Type": "Equals"}, {"Type": "Equals", "LeftValue": 1}, {"Type": "Or"}, {"Type": "Or", "Conditions": []},
    {"Type": "Or", "Conditions": [5]}, {"Type": "Not"}, {"Type": "Not", "Expression": {"Type": "x"}}, {"Type": "In", "Values": []},
    {"Type": "In", "Value": 1}, {"Type": "In", "QueryValue": 1, "Values": 5},
])
def test_a_condition_that_cannot_be_decided_is_refused_beforehand(condition: Any) -> None:
    assert conditions.check(condition)


# -- requests


@pytest.fixture(scope="module")
def training(models: Models) -> Any:
    return models.operation("sagemaker", "CreateTrainingJob").input


@pytest.fixture(scope="module")
def models() -> Models:
    return Models()


@pytest.mark.parametrize(("given", "wanted"), [
    ({"HyperParameters": {"trees": 50, "rate": 0.3, "on": True, "list": [1, "a"]}}, {"HyperParameters": {"trees": "50", "rate": "0.3", "on": "true", "list": '[1, "a"]'}}),
    ({"StoppingCondition": {"MaxRuntimeInSeconds": "600"}}, {"StoppingCondition": {"MaxRuntimeInSeconds": 600}}),
    ({"StoppingCondition": {"MaxRuntimeInSeconds": 600.0}}, {"StoppingCondition": {"MaxRuntimeInSeconds": 600}}),
    ({"StoppingCondition": {"MaxRuntimeInSeconds": "6e2"}}, {"StoppingCondition": {"MaxRuntimeInSeconds": 600}}),
    ({"StoppingCondition": {"MaxRuntimeInSeconds": "10.5"}}, {"StoppingCondition": {"MaxRuntimeInSeconds": "10.5"}}),
    ({"StoppingCondition": {"MaxRuntimeInSeconds": "1e999"}}, {"StoppingCondition": {"MaxRuntimeInSeconds": "1e999"}}),
    ({"StoppingCondition": {"MaxRuntimeInSeconds": "²"}}, {"StoppingCondition": {"MaxRuntimeInSeconds": "²"}}),
    ({"EnableManagedSpotTraining": "True"}, {"EnableManagedSpotTraining": True}),
    ({"EnableManagedSpotTraining": "yes"}, {"EnableManagedSpotTraining": "yes"}),
    ({"RoleArn": None, "Tags": [{"Key": 1, "Value": 2.0}]}, {"Tags": [{"Key": "1", "Value": "2.0"}]}),
    ({"Unknown": {"x": 1}, "HyperParameters": 5, "Tags": {"a": 1}}, {"Unknown": {"x": 1}, "HyperParameters": 5, "Tags": {"a": 1}}),
])
def test_a_request_takes_values_as_its_shape_wants_them(training: Any, given: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = coerced(given, training)
    assert found == wanted
    assert json.dumps(found) == json.dumps(wanted), "of the same types, too"


@given(value=st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_number_as_a_text_is_the_number_again(value: float) -> None:
    assert type(value)(text(value)) == value
    outputs = callbacks.outputs({"v": "Float" if isinstance(value, float) else "Integer"}, [{"Name": "v", "Value": text(value)}])
    assert outputs == {"v": value}


def test_outputs_of_a_callback_have_their_types_where_they_can() -> None:
    declared = {"i": "Integer", "f": "Float", "b": "Boolean", "s": "String", "bad": "Integer", "nan": "Float", "big": "Integer"}
    given = [{"Name": n, "Value": v} for n, v in (("i", "3"), ("f", "1.5"), ("b", "TRUE"), ("s", "3"), ("bad", "x"), ("nan", "nan"), ("other", "1"), ("big", "9" * 30))]
    found = callbacks.outputs(declared, given)
    assert found == {"i": 3, "f": 1.5, "b": True, "s": "3", "bad": "x", "nan": "nan", "other": "1", "big": "9" * 30}
    assert all(not isinstance(v, float) or math.isfinite(v) for v in found.values())

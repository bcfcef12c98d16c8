"""Search expressions on documents."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.resources.search import compiled, lookup, sort_value
from sagewright.wire.errors import Invalid

DOC: dict[str, Any] = {
    "TrialComponentName": "run-1",
    "CreationTime": 1_700_000_000.0,
    "Flag": True,
    "Parameters": {"lr": {"NumberValue": 0.1}, "opt": {"StringValue": "adam"}, "SageMaker.InstanceType": {"StringValue": "ml.m5.large"}},
    "HyperParameters": {"rate": "0.4", "depth": "12", "deep.rate": "7.9", "kind": "tree"},
    "Metrics": [
        {"MetricName": "loss", "Max": 3.0, "Min": 0.5, "Last": 0.75, "Count": 10},
        {"MetricName": "test:acc.top5", "Max": 0.9, "Last": 0.8},
    ],
    "Tags": [{"Key": "team", "Value": "blue"}, {"Key": "a.b", "Value": "dotted"}],
    "Source": {"SourceArn": "arn:aws:sagemaker:us-east-1:1:training-job/x"},
    "Parents": [{"TrialName": "t1", "ExperimentName": "e"}, {"TrialName": "t2", "ExperimentName": "f"}],
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://mybucket/cat"}}},
        {"ChannelName": "validation", "DataSource": {"S3DataSource": {"S3Uri": "s3://other/dog"}}},
    ],
    "Empty": None,
}


def holds(name: str, operator: str, value: str | None = None) -> bool:
    given = {"Name": name, "Operator": operator} | ({"Value": value} if value is not None else {})
    return compiled({"Filters": [given]}).matches(DOC)


@pytest.mark.parametrize(("name", "operator", "value"), [
    ("TrialComponentName", "Equals", "run-1"),
    ("trialcomponentname", "Equals", "run-1"),
    ("TrialComponentName", "NotEquals", "run-2"),
    ("TrialComponentName", "Contains", "un-"),
    ("TrialComponentName", "In", "x, run-1,y"),
    ("Flag", "Equals", "true"),
    ("CreationTime", "LessThan", "2030-01-01T00:00:00"),
    ("CreationTime", "GreaterThan", "2020-01-01T00:00:00Z"),
    ("CreationTime", "Equals", "2023-11-14T22:13:20"),
    ("Parameters.lr", "Equals", "0.10"),
    ("Parameters.lr", "LessThan", "0.2"),
    ("Parameters.lr.NumberValue", "GreaterThanOrEqualTo", "0.1"),
    ("parameters.opt", "Equals", "adam"),
    ("Parameters.SageMaker.InstanceType", "Contains", "m5"),
    ("Parameters.SageMaker.InstanceType.StringValue", "Equals", "ml.m5.large"),
    ("HyperParameters.rate", "LessThan", "0.5"),
    ("HyperParameters.rate", "LessThan", "1"),
    ("HyperParameters.deep.rate", "LessThanOrEqualTo", "7"),  # against an integer, decimals count as integers
    ("HyperParameters.depth", "GreaterThan", "9"),  # not as text
    ("Metrics.loss", "Equals", "0.75"),
    ("Metrics.loss.Max", "Equals", "3"),
    ("metrics.loss.max", "GreaterThan", "2"),
    ("Metrics.test:acc.top5", "GreaterThan", "0.7"),
    ("Metrics.test:acc.top5.Max", "Equals", "0.9"),
    ("Tags.team", "Equals", "blue"),
    ("Tags.a.b", "Equals", "dotted"),
    ("Source.SourceArn", "Contains", "training-job/x"),
    ("Parents.TrialName", "Equals", "t2"),
    ("Parents.ExperimentName", "In", "f,g"),
    ("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "mybucket"),
    ("Parameters.lr", "Exists", None),
    ("Tags.team", "Exists", None),
    ("Tags.none", "NotExists", None),
    ("Empty", "NotExists", None),
    ("Metrics.none", "NotExists", None),
    ("Nothing.at.all", "NotEquals", "x"),
])  # fmt: skip
def test_holds(name: str, operator: str, value: str | None) -> None:
    assert holds(name, operator, value)


@pytest.mark.parametrize(("name", "operator", "value"), [
    ("TrialComponentName", "Equals", "RUN-1"),
    ("TrialComponentName", "GreaterThan", "a"),  # not for text
    ("TrialComponentName", "Contains", "UN"),
    ("Parents.TrialName", "NotEquals", "t1"),
    ("Parents.TrialName", "Equals", "t3"),
    ("Parameters.none", "LessThan", "5"),
    ("Parameters", "Equals", "lr"),
    ("Flag", "GreaterThan", "0"),
    ("HyperParameters.rate", "LessThan", "0"),
    ("HyperParameters.deep.rate", "GreaterThan", "7"),
    ("HyperParameters.kind", "GreaterThan", "1"),
    ("Metrics.los", "Exists", None),
    ("Metrics.loss.Other", "Exists", None),
    ("Parameters.SageMaker", "Exists", None),
    ("Empty", "Exists", None),
    ("CreationTime", "LessThan", "soon"),
])  # fmt: skip
def test_does_not_hold(name: str, operator: str, value: str | None) -> None:
    assert not holds(name, operator, value)


def test_equals_is_the_default() -> None:
    assert compiled({"Filters": [{"Name": "Parameters.opt", "Value": "adam"}]}).matches(DOC)


def test_nested_filters_need_one_element_with_all() -> None:
    def nested(channel: str, uri: str) -> bool:
        filters = [
            {"Name": "InputDataConfig.ChannelName", "Operator": "Equals", "Value": channel},
            {"Name": "InputDataConfig.DataSource.S3DataSource.S3Uri", "Operator": "Contains", "Value": uri},
        ]
        return compiled({"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}).matches(DOC)

    assert nested("train", "mybucket/cat")
    assert not nested("train", "other/dog")


def test_and_or_and_sub_expressions() -> None:
    yes = {"Name": "Parameters.opt", "Operator": "Equals", "Value": "adam"}
    no = {"Name": "Parameters.opt", "Operator": "Equals", "Value": "sgd"}
    assert not compiled({"Filters": [yes, no]}).matches(DOC)
    assert compiled({"Filters": [yes, no], "Operator": "Or"}).matches(DOC)
    assert compiled({"Filters": [yes], "SubExpressions": [{"Filters": [no, yes], "Operator": "Or"}]}).matches(DOC)
    assert not compiled({"Filters": [yes], "SubExpressions": [{"Filters": [no, yes]}]}).matches(DOC)
    assert compiled(None).matches(DOC)


def test_only_what_every_match_fulfils_narrows_down() -> None:
    a, b, c = ({"Name": n, "Operator": "Equals", "Value": "1"} for n in "ABC")
    assert compiled({"Filters": [a], "SubExpressions": [{"Filters": [b]}]}).equal == {"a": "1", "b": "1"}
    assert compiled({"Filters": [a], "SubExpressions": [{"Filters": [b, c], "Operator": "Or"}]}).equal == {"a": "1"}
    assert compiled({"Filters": [a, b], "Operator": "Or"}).equal == {}
    assert compiled({"Filters": [a], "Operator": "Or"}).equal == {"a": "1"}
    assert compiled({"Filters": [{**a, "Operator": "NotEquals"}]}).equal == {}


def test_properties_are_all_that_are_named() -> None:
    nested = {"NestedPropertyName": "I", "Filters": [{"Name": "I.x", "Value": "1"}]}
    given = {"Filters": [{"Name": "A", "Value": "1"}], "NestedFilters": [nested], "SubExpressions": [{"Filters": [{"Name": "B", "Value": "1"}]}]}
    assert compiled(given).properties == ["A", "I.x", "B"]


def test_too_much_and_nothing() -> None:
    one = {"Name": "A", "Operator": "Equals", "Value": "1"}
    with pytest.raises(Invalid):
        compiled({})
    with pytest.raises(Invalid):
        compiled({"SubExpressions": [{"Filters": [one] * 20}] * 3})
    with pytest.raises(Invalid, match="usage limit of 1"):
        compiled({"Filters": [{"Name": "Source.SourceArn", "Operator": "Contains", "Value": "x"}] * 2})
    compiled({"Filters": [{"Name": "DisplayName", "Operator": "Contains", "Value": "x"}] * 2})
    with pytest.raises(Invalid, match="needs a Value"):
        compiled({"Filters": [{"Name": "A", "Operator": "LessThan"}]})


def test_sorting_puts_numbers_texts_and_nothing_in_this_order() -> None:
    docs: list[dict[str, Any]] = [{"n": 1}, {"x": "b"}, {"x": 10.0}, {"x": "a"}, {"x": 9}, {"x": True}]
    ordered = sorted(docs, key=lambda d: sort_value(d, "x"))
    assert ordered == [{"x": True}, {"x": 9}, {"x": 10.0}, {"x": "a"}, {"x": "b"}, {"n": 1}]
    assert sort_value(DOC, "metrics.loss.max") == (0, 3.0)


def test_lookup_of_odd_paths() -> None:
    assert lookup(DOC, [""]) == []
    assert lookup(DOC, ["Parameters", "", ""]) == []
    assert lookup([], ["x"]) == []
    assert lookup({"a": [[1, 2]]}, ["a"]) == [[1, 2]]

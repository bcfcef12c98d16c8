"""Filter policies, by the developer guide's rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagewright.slices.sns.filters import check, wants
from sagewright.wire.errors import Invalid, NotImplementedHere


def said(**values: Any) -> dict[str, dict[str, str]]:
    made = {}
    for name, value in values.items():
        kind = "String.Array" if isinstance(value, list) else "String" if isinstance(value, str) else "Number"
        made[name] = {"DataType": kind, "StringValue": value if isinstance(value, str) else json.dumps(value)}
    return made


@pytest.mark.parametrize(("policy", "attributes", "answer"), [
    ({"a": ["x", "y"]}, {"a": "y"}, True),
    ({"a": ["x"]}, {"a": "z"}, False),
    ({"a": ["x"]}, {}, False),
    ({"a": ["x"], "b": ["y"]}, {"a": "x"}, False),
    ({"a": [{"prefix": "ab"}]}, {"a": "abc"}, True),
    ({"a": [{"suffix": "bc"}]}, {"a": "abd"}, False),
    ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "z"}, True),
    ({"a": [{"anything-but": "x"}]}, {"a": "x"}, False),
    ({"a": [{"anything-but": "x"}]}, {}, False),
    ({"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "xy"}, False),
    ({"a": [{"equals-ignore-case": "X"}]}, {"a": "x"}, True),
    ({"n": [{"numeric": [">=", 3, "<", 5]}]}, {"n": 3}, True),
    ({"n": [{"numeric": [">=", 3, "<", 5]}]}, {"n": 5}, False),
    ({"n": [3]}, {"n": 3}, True),
    ({"n": [3]}, {"n": "3"}, False),
    ({"a": [{"exists": False}]}, {}, True),
    ({"a": [{"exists": True}]}, {}, False),
    ({"a": ["x"]}, {"a": ["w", "x"]}, True),
    ({"a": [True]}, {"a": [1]}, False),
    ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, True),
    ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"c": "y"}, False),
])
def test_attributes(policy: Any, attributes: dict[str, Any], answer: bool) -> None:
    check(json.dumps(policy), "MessageAttributes")
    assert wants(policy, "MessageAttributes", "text", said(**attributes)) is answer


@pytest.mark.parametrize(("policy", "body", "answer"), [
    ({"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
    ({"a": {"b": ["x"]}}, {"a": {"c": "x"}}, False),
    ({"a": {"b": ["x"]}}, {"a": [{"b": "w"}, {"b": "x"}]}, True),
    ({"a": {"b": [{"exists": False}]}}, {"a": {}}, True),
    ({"a": [None]}, {"a": None}, True),
])
def test_bodies(policy: Any, body: Any, answer: bool) -> None:
    check(json.dumps(policy), "MessageBody")
    assert wants(policy, "MessageBody", json.dumps(body), {}) is answer


def test_a_body_that_is_no_object() -> None:
    assert not wants({"a": ["x"]}, "MessageBody", "text", {})
    assert wants(None, "MessageBody", "text", {})


@pytest.mark.parametrize("policy", ["{", "[]", '{"a": "x"}', '{"a": []}', '{"a": [{"near": 1}]}', '{"a": {"b": ["x"]}}',
                                    '{"a": [{"numeric": ["about", 1]}]}', '{"a": [{"exists": 1}]}', '{"a": [["x"]]}'])
def test_what_is_no_policy(policy: str) -> None:
    with pytest.raises(Invalid):
        check(policy, "MessageAttributes")


def test_what_is_not_built() -> None:
    with pytest.raises(NotImplementedHere):
        check('{"a": [{"wildcard": "x*"}]}', "MessageAttributes")

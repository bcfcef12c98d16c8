"""Expressions: paths, references, what they lead to, and what is refused before anything runs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.pipelines.expressions import Unresolved, check, moment, parts, references, resolve, text, walk

from .definitions import Known, get

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
FILES = {"S/f": {"a": {"b": [1, {"c d": True}]}, "n": float("nan"), "word": "abc", "none": None, "big": 10**30, "half": "\ud800", "deep": DEEP}}


def found(value: Any, values: dict[str, Any] | None = None) -> Any:
    return asyncio.run(resolve(value, Known(values, FILES)))


def json_get(path: Any, **where: Any) -> dict[str, Any]:
    return {"Std:JsonGet": {**(where or {"PropertyFile": get("Steps.S.PropertyFiles.f")}), "Path": path}}


@pytest.mark.parametrize(("given", "expected"), [
    ("Parameters.P", ("Parameters", "P")), ("Steps.create-CreateModel.ModelName", ("Steps", "create-CreateModel", "ModelName")),
    ("Steps.S.a[0]['k.l']", ("Steps", "S", "a", 0, "k.l")), ('a["x"][12].b', ("a", "x", 12, "b")), ("Result", ("Result",)), ("[3]", (3,)),
])
def test_paths(given: str, expected: tuple[str | int, ...]) -> None:
    assert parts(given) == expected


@pytest.mark.parametrize("given", ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[-1]", "a[x]", "a['b]", "a]b", f"a[{'9' * 5000}]", None, 5, ["a"], {"a": 1}])
def test_what_is_no_path(given: Any) -> None:
    with pytest.raises(Unresolved):
        parts(given)


MEMBERS = st.text("abcXYZ019-_ '\"", min_size=1, max_size=8)
KEYS = MEMBERS.filter(lambda key: "'" not in key)


@given(MEMBERS, st.lists(st.one_of(MEMBERS, st.integers(0, 10**8)), max_size=5))
def test_paths_come_back_as_they_were_written(first: str, rest: list[str | int]) -> None:
    written = first + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)
    assert parts(written) == (first, *rest)


@given(st.lists(KEYS, min_size=1, max_size=5))
def test_quoted_keys_may_have_anything_but_their_quote(keys: list[str]) -> None:
    assert parts("S" + "".join(f"['{key}.[0]']" for key in keys)) == ("S", *(f"{key}.[0]" for key in keys))


def test_references_are_found_at_any_depth_and_only_where_Get_stands_alone() -> None:
    value = {
        "a": [get("Parameters.P"), {"Std:Join": {"On": "/", "Values": ["x", get("Steps.A.b"), json_get(get("Parameters.Q"))]}}],
        "Get": "Parameters.No", "besides": 1, "text": "Steps.B.c",
    }
    assert list(references(value)) == [("Parameters", "P"), ("Steps", "A", "b"), ("Steps", "S", "PropertyFiles", "f"), ("Parameters", "Q")]


def test_values_keep_their_types_and_joins_are_texts() -> None:
    values = {"Parameters.I": 50, "Parameters.F": 0.3, "Parameters.B": True, "Parameters.S": "s"}
    every = [get(path) for path in values]
    assert found({"x": [every, "plain", 7, None]}, values) == {"x": [[50, 0.3, True, "s"], "plain", 7, None]}
    assert found({"Std:Join": {"On": "/", "Values": [*every, 1]}}, values) == "50/0.3/true/s/1"
    assert found({"Std:Join": {"Values": ["s3:/", "b"]}}, values) == "s3:/b", "without On nothing stands between"


@pytest.mark.parametrize(("path", "value"), [
    ("a.b[0]", 1), ("a.b.0", 1), ("a['b'][1]['c d']", True), ("word", "abc"), ("none", None), ("a", {"b": [1, {"c d": True}]}),
])
def test_JsonGet_reads_a_property_file(path: str, value: Any) -> None:
    assert found(json_get(path)) == value


@pytest.mark.parametrize("path", ["a.c", "a.b[2]", "a.b.-1", "a.b.x", "word[0]", "word.0", "none.x", "a.b[0].x"])
def test_JsonGet_of_what_is_not_there_says_so(path: str) -> None:
    with pytest.raises(Unresolved, match=r"^f has no .* is not there$"):
        found(json_get(path))


def test_a_value_that_no_document_can_have_is_refused() -> None:
    """Python writes NaN into reports; a request, and the database, know none."""
    for path in ("n", "big", "half", "deep"):
        with pytest.raises(Unresolved, match=f"{path} of f is no value"):
            found(json_get(path))
    assert found(json_get("word")) == "abc", "another value of the same file is fine"


def test_the_exception_of_a_step_function_is_told() -> None:
    results = {"Result": None, "Exception": "Object of type set is not JSON serializable"}
    with pytest.raises(Unresolved, match="type set"):
        asyncio.run(resolve(json_get("Result[0]", S3Uri=get("u")), Known({"u": "s3://b/r"}, {"s3://b/r": results})))
    results["Exception"] = None
    assert asyncio.run(resolve(json_get("Result", S3Uri="s3://b/r"), Known({}, {"s3://b/r": results}))) is None


@pytest.mark.parametrize("value", [
    get(""), {"Get": 5}, {"Get": None}, {"Std:Join": None}, {"Std:Join": {"On": "/"}}, {"Std:Join": {"On": 1, "Values": []}},
    {"Std:Join": {"On": "/", "Values": "ab"}}, {"Std:Join": {"Values": [{"Get": []}]}}, {"Std:JsonGet": None}, {"Std:JsonGet": {"Path": "a"}},
    json_get("a", PropertyFile="Steps.S.PropertyFiles.f"), json_get("a", PropertyFile=get("Steps.S.f")), json_get("a["), json_get(3),
    json_get("a", S3Uri={"Get": 1}), [{"deep": [get(".")]}],
])
def test_what_could_never_be_resolved_is_refused_beforehand(value: Any) -> None:
    with pytest.raises(Unresolved):
        check(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab.[]'", max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["Get", "Std:Join", "Std:JsonGet", "On", "Values", "Path", "S3Uri", "PropertyFile", "x"]), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_what_is_accepted_resolves_or_says_what_leads_nowhere(value: Any) -> None:
    try:
        check(value)
    except Unresolved:
        return
    try:
        json.dumps(found(value, {"a": 1, "b": "s3://x"}))
    except Unresolved as nowhere:
        said = str(nowhere)
        assert said


def test_walk_does_not_take_letters_for_elements() -> None:
    with pytest.raises(Unresolved, match=r"there has no x\.0"):
        walk({"x": "letters"}, ("x", 0), "there")


def test_texts_and_moments() -> None:
    assert [text(v) for v in ("a", 1, 1.5, True, None, [1], {"a": False})] == ["a", "1", "1.5", "true", "null", "[1]", '{"a": false}']
    assert moment(1_700_000_000.1239) == "2023-11-14T22:13:20.123Z"

"""The JSONPath subset: what it selects, and what it is not."""

from typing import Any

import pytest

from sagewright.slices.transform.engine.filters import BadRecord, Processing
from sagewright.slices.transform.engine.paths import BadPath, NoMatch, parse

ROW = ["a", "b", "c", "d", "e", "f"]
DOC = {"id": 7, "features": [1, 2, 3, 4], "meta": {"deep": {"x y": "v"}}, "n-1": 0}


@pytest.mark.parametrize(("path", "found"), [
    ("$", ROW), ("$[0]", "a"), ("$[-1]", "f"), ("$[1,-1]", ["b", "f"]), ("$[1:4]", ["b", "c", "d"]), ("$[1:]", ROW[1:]),
    ("$[:2]", ["a", "b"]), ("$[-2:]", ["e", "f"]), ("$[0,5:]", ["a", "f"]), ("$[0, 2:4, -1]", ["a", "c", "d", "f"]),
    ("$[*]", ROW), ("$[:]", ROW), ("$[4:99]", ["e", "f"]), ("$[-3:-1]", ["d", "e"]),
])
def test_lists(path: str, found: Any) -> None:
    assert parse(path).select(ROW) == found


@pytest.mark.parametrize(("path", "found"), [
    ("$.id", 7), ("$['id']", 7), ('$["id"]', 7), ("$.features[1:3]", [2, 3]), ("$.meta.deep['x y']", "v"),
    ("$['id','n-1']", {"id": 7, "n-1": 0}), ("$.['id', 'features']", {"id": 7, "features": [1, 2, 3, 4]}), ("$.n-1", 0),
    ("$.features[*]", [1, 2, 3, 4]), ("$.meta.*", [{"x y": "v"}]), ("$.meta['deep'].*", ["v"]),
])
def test_objects(path: str, found: Any) -> None:
    assert parse(path).select(DOC) == found


@pytest.mark.parametrize("path", [
    "", "x", "$.", "$[", "$[]", "$['a'", "$[a]", "$[1:2:3]", "$[?(@.x)]", "$..a", "$['a',1]", "$[1,'a']", "$ x", "$['a''b']", "$[,]",
])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(BadPath):
        parse(path)


@pytest.mark.parametrize(("path", "value"), [("$[6]", ROW), ("$[-7]", ROW), ("$[0,9]", ROW), ("$.none", DOC), ("$.id[0]", DOC), ("$[0]", DOC), ("$.x", ROW)])
def test_what_a_record_does_not_have(path: str, value: Any) -> None:
    with pytest.raises(NoMatch):
        parse(path).select(value)


def process(kind: str, payload: bytes, answer: bytes = b"", lines: bool = True, **config: str) -> tuple[bytes, bytes]:
    processing = Processing(config, kind, None, lines=lines)
    return processing.request(payload), processing.result(payload, answer)


def test_csv_keeps_its_cells() -> None:
    payload = b'1,"a, ""quoted"" name",007\n2,plain,1.50'
    request, result = process("text/csv", payload, b"0.1\n0.9\n", InputFilter="$[1:]", JoinSource="Input", OutputFilter="$[0,-1]")
    assert request == b'"a, ""quoted"" name",007\nplain,1.50'
    assert result == b"1,0.1\n2,0.9"


def test_csv_join_takes_the_unfiltered_input() -> None:
    assert process("text/csv; charset=utf-8", b"1,2", b"9,8", InputFilter="$[0]", JoinSource="Input")[1] == b"1,2,9,8"


def test_json_join() -> None:
    assert process("application/json", b'{"a":1}', b"[2]", JoinSource="Input")[1] == b'{"a":1,"SageMakerOutput":[2]}'
    assert process("application/json", b"[1]", b'{"p":2}', JoinSource="Input")[1] == b'{"SageMakerInput":[1],"SageMakerOutput":{"p":2}}'
    got = process("application/json", b'{"id":1,"x":2}', b"3", JoinSource="Input", OutputFilter="$['id','SageMakerOutput']", InputFilter="$.x")
    assert got == (b"2", b'{"id":1,"SageMakerOutput":3}')


def test_json_lines_pair_up() -> None:
    payload = b'{"id":1,"f":[1,2]}\n{"id":2,"f":[3,4]}'
    request, result = process("application/jsonlines", payload, b'{"s":1}\n{"s":2}\n', InputFilter="$.f", JoinSource="Input", OutputFilter="$.SageMakerOutput.s")
    assert (request, result) == (b"[1,2]\n[3,4]", b"1\n2")


@pytest.mark.parametrize(("kind", "payload", "answer"), [
    ("text/csv", b"1\n2", b"0.5"), ("application/jsonlines", b"1\n2", b"1"), ("application/json", b"{}", b"oops"), ("text/csv", b'"open', b"1"),
    ("text/csv", b"\xff", b"1"),
])
def test_records_that_cannot_be_joined(kind: str, payload: bytes, answer: bytes) -> None:
    with pytest.raises(BadRecord):
        process(kind, payload, answer, JoinSource="Input")


def test_an_index_out_of_range_is_an_error() -> None:
    with pytest.raises(BadRecord, match="out of range"):
        process("text/csv", b"1,2", b"0.5", OutputFilter="$[3]")

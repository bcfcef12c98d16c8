"""The JSONPath subset: what it selects, and what it is not."""

import contextlib
import csv
import io
import json
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.slices.transform.engine.columns import every, picker
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
    assert result == b"1,0.1\n2,0.9\n", "it ends as the answer does"


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
    assert (request, result) == (b"[1,2]\n[3,4]", b"1\n2\n")


@pytest.mark.parametrize(("kind", "payload", "answer"), [
    ("text/csv", b"1\n2", b"0.5"), ("application/jsonlines", b"1\n2", b"1"), ("application/json", b"{}", b"oops"), ("text/csv", b'"open', b"1"),
    ("text/csv", b'"\xff"', b"1"), ("application/json", b"[" * 100_000, b"1"),
])
def test_records_that_cannot_be_joined(kind: str, payload: bytes, answer: bytes) -> None:
    with pytest.raises(BadRecord):
        process(kind, payload, answer, JoinSource="Input")


def test_an_index_out_of_range_is_an_error() -> None:
    with pytest.raises(BadRecord, match="out of range"):
        process("text/csv", b"1,2", b"0.5", OutputFilter="$[3]")


# -- properties

PART = st.one_of(
    st.integers(-8, 8),
    st.tuples(st.one_of(st.none(), st.integers(-8, 8)), st.one_of(st.none(), st.integers(-8, 8))),
)


def written(part: Any) -> str:
    return str(part) if isinstance(part, int) else ":".join("" if end is None else str(end) for end in part)


@given(st.lists(PART, min_size=1, max_size=4), st.lists(st.integers(), max_size=7), st.sampled_from(["", " "]))
def test_indices_and_slices_as_jsonpath_says(parts: list[Any], values: list[int], space: str) -> None:
    expected: list[int] | None = []
    count = len(values)
    for part in parts:
        if isinstance(part, int):
            position = part if part >= 0 else count + part
            expected = [*expected, values[position]] if expected is not None and 0 <= position < count else None
        elif expected is not None:
            start, end = part
            first = 0 if start is None else start if start >= 0 else max(count + start, 0)
            last = count if end is None else end if end >= 0 else count + end
            expected = expected + [values[n] for n in range(count) if first <= n < last]
    path = parse("$[" + f",{space}".join(written(part) for part in parts) + "]")
    if expected is None:
        with pytest.raises(NoMatch):
            path.select(values)
    else:
        single = len(parts) == 1 and isinstance(parts[0], int)
        assert path.select(values) == (expected[0] if single else expected)
        assert path.row(values) == expected


NAME = st.text(min_size=1, max_size=5)
DOCS = st.recursive(st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3))


def quoted(name: str) -> str:
    return "'" + re.sub(r"(['\\\\])", r"\\\1", name) + "'"


@given(DOCS, st.data())
def test_every_place_of_a_document_has_a_path(doc: Any, data: st.DataObject) -> None:
    path, value = "$", doc
    while isinstance(value, (dict, list)) and value:
        step = data.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        path += f"[{quoted(step) if isinstance(step, str) else step}]"
        value = value[step]
    assert parse(path).select(doc) == value


@given(st.text(alphabet="$.[]'\"*:,-01ab \\\\", max_size=12))
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(BadPath, NoMatch):
        parse("$" + text).select([["a"], {"a": 1}])


CELL = st.text(alphabet='ab ,"\n\r\u00e9', max_size=4)
ROWS = st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=4)


def as_csv(rows: list[list[str]], every: bool = False) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL).writerows(rows)
    # the csv module of some releases does not quote a carriage return
    return out.getvalue().encode()


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


@given(ROWS, ROWS, st.booleans())
def test_csv_is_read_and_written_as_the_standard_has_it(rows: list[list[str]], answers: list[list[str]], every: bool) -> None:
    every = every or any("\r" in cell for row in rows + answers for cell in row)
    count = min(len(rows), len(answers))
    rows, answers = rows[:count], answers[:count]
    config = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    request, result = process("text/csv", as_csv(rows, every), as_csv(answers, every), **config)
    assert read(request) == [row[1:] for row in rows]
    assert read(result) == [[row[0], answer[-1]] for row, answer in zip(rows, answers, strict=True)]


@given(st.lists(st.sampled_from([b"a", b"bc", b""]), min_size=1, max_size=6), st.lists(PART, min_size=1, max_size=3))
def test_quick_cuts_are_the_path_s(cells: list[bytes], parts: list[Any]) -> None:
    line = b",".join(cells)
    for text in ("$[" + ",".join(written(part) for part in parts) + "]", "$[*]", "$"):
        path = parse(text)
        try:
            expected = every(path, line) if not path.whole else line
        except NoMatch as error:
            with pytest.raises(NoMatch, match=re.escape(str(error))):
                picker(path)(line)
        else:
            assert picker(path)(line) == expected


def test_an_empty_cell_alone_is_still_a_row() -> None:
    assert process("text/csv", b"1,,2\n3,,4", InputFilter="$[1]")[0] == b'""\n""'


def stamped(kind: str, payload: bytes, answer: bytes, **config: str) -> bytes:
    return Processing(config, kind, None, lines=True, stamp="2026-01-02T03:04:05Z").result(payload, answer)


def test_inference_ids() -> None:
    rows = read(stamped("text/csv", b"", b"0.1\n0.2\n"))
    assert [row[0] for row in rows] == ["0.1", "0.2"]
    assert {row[2] for row in rows} == {"2026-01-02T03:04:05Z"}
    assert len({str(uuid.UUID(row[1], version=4)) for row in rows}) == 2
    joined = read(stamped("text/csv", b"a,1\n", b"0.1\n", JoinSource="Input", OutputFilter="$[0,-1]"))
    assert (joined[0][:2], len(joined[0])) == (["a", "0.1"], 4), "ids come after the output filter"
    first, second = (json.loads(line) for line in stamped("application/jsonlines", b"", b'{"score": 1}\n2\n').splitlines())
    assert (first["score"], first["SageMakerInferenceTime"]) == (1, "2026-01-02T03:04:05Z")
    assert second["SageMakerOutput"] == 2
    assert first["SageMakerInferenceId"] != second["SageMakerInferenceId"]

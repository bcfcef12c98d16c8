"""What is kept of requests that go by, and how much of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sagewright.gateway.answer import Answer
from sagewright.gateway.capture import Capture, Note
from sagewright.slices.async_inference import tape
from sagewright.slices.async_inference.tape import Tape, Tapes

ANSWER = Answer(200, {"content-type": "text/csv"})


class Kept:
    """Stands where a recorder is."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def add(self, note: Note) -> None:
        self.notes.append(note)


def begun(tapes: Tapes, **more: Any) -> Tape:
    found = tapes.begin(Capture("s3://b/x", **{"percent": 100.0, "input": True, "output": True, "role": "r", **more}), 1.0)
    assert found is not None
    return found


def noted(one: Tape, **doc: Any) -> Note | None:
    kept = Kept()
    return kept.notes[0] if one.note(kept, {"InferenceId": "i", **doc}, ANSWER) else None  # type: ignore[arg-type]


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for one in given:
        yield one


def test_only_the_share_is_begun() -> None:
    assert Tapes().begin(None, 1.0) is None
    assert Tapes().begin(Capture("s3://b/x", 0.0, True, True, "r"), 1.0) is None


async def test_pieces_are_kept_as_they_go_by() -> None:
    tapes = Tapes()
    one = begun(tapes)
    body = one.input(pieces(b"ab", b"c"))
    assert not isinstance(body, bytes)
    assert [piece async for piece in body] == [b"ab", b"c"]
    one.output(b"de")
    note = noted(one, ContentType="text/csv")
    assert note is not None
    assert (note.body, note.answer.body, tapes.held) == (b"abc", b"de", 5)
    assert note.headers == {"content-type": "text/csv"}
    one.end()
    assert tapes.held == 0


def test_an_id_is_told_only_if_it_is_the_callers() -> None:
    note = noted(begun(Tapes()), Named=True)
    assert note is not None
    assert note.headers == {"x-amzn-sagemaker-inference-id": "i"}


def test_a_side_that_is_not_wanted_is_not_kept() -> None:
    tapes = Tapes()
    one = begun(tapes, output=False)
    assert one.input(b"ab") == b"ab"
    one.output(b"cd")
    assert tapes.held == 2


def test_what_is_too_large_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "LARGEST", 4)
    tapes = Tapes()
    one = begun(tapes)
    one.input(b"abc")
    one.output(b"de")
    assert (tapes.held, noted(one)) == (0, None)
    one.output(b"f")
    assert tapes.held == 0


def test_all_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "HELD", 4)
    tapes = Tapes()
    first, second = begun(tapes), begun(tapes)
    first.input(b"abc")
    second.input(b"de")
    assert noted(second) is None
    assert noted(first) is not None
    first.end()
    third = begun(tapes)
    third.input(b"de")
    assert noted(third) is not None

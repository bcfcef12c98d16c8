"""Data capture: what a request asked and was answered, kept while it goes by, noted when its answer is stored.

Inputs and answers go from S3 to the model and back in pieces, and may be far larger than what is worth keeping. What is kept is
bounded, for each request and for all together; a request that does not fit is answered and not captured.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from ...gateway.answer import Answer
from ...gateway.capture import Capture, Note, Recorder
from ...gateway.taps import LARGEST, new_event
from .request import headers

HELD = 64 << 20
"""Bytes that the requests under way keep together."""


class Tapes:
    """The requests under way that are captured, of one platform."""

    def __init__(self) -> None:
        self.held = 0

    def begin(self, capture: Capture | None, at: float) -> Tape | None:
        """The tape of a request that is begun now; None if it is not one of those to capture."""
        return Tape(self, capture, at) if capture is not None and capture.wanted() else None


class Tape:
    """One attempt at one request.

    Args:
        at: seconds since 1970, of the invocation.
    """

    def __init__(self, tapes: Tapes, capture: Capture, at: float) -> None:
        self._tapes, self._capture, self._at = tapes, capture, at
        self._size = 0
        self._whole = True
        self._asked: list[bytes] = []
        self._answered: list[bytes] = []

    def input(self, body: bytes | AsyncIterator[bytes]) -> bytes | AsyncIterator[bytes]:
        """The body itself; what there is of it is kept as it goes by."""
        if not self._capture.input:
            return body
        if isinstance(body, bytes):
            self._keep(self._asked, body)
            return body
        return self._read(body)

    def output(self, piece: bytes) -> None:
        """A piece of the answer has come."""
        if self._capture.output:
            self._keep(self._answered, piece)

    def note(self, recorder: Recorder, doc: Mapping[str, Any], answer: Answer) -> bool:
        """The answer is stored: the request is captured, if all of it could be kept; whether it could."""
        if not self._whole:
            return False
        given = doc if doc.get("Named") else {k: v for k, v in doc.items() if k != "InferenceId"}  # an id of ours is nobody's
        told = {name.lower(): value for name, value in headers(given).items()}
        found = Answer(answer.status, answer.headers, b"".join(self._answered))
        recorder.add(Note(self._capture, new_event(), self._at, told, b"".join(self._asked), found))
        return True

    async def _read(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in body:
                self._keep(self._asked, piece)
                yield piece
        finally:
            await body.aclose()  # type: ignore[attr-defined]

    def _keep(self, side: list[bytes], piece: bytes) -> None:
        if not self._whole:
            return
        if self._size + len(piece) > LARGEST or self._tapes.held + len(piece) > HELD:
            self._whole = False
            self.end()
            return
        self._size += len(piece)
        self._tapes.held += len(piece)
        side.append(piece)

    def end(self) -> None:
        """Let go of what was kept, whatever became of the request."""
        self._tapes.held -= self._size
        self._size = 0
        self._asked.clear()
        self._answered.clear()


"""What becomes of a request to a worker: its answer, or why none came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Broken(Exception):
    """No whole answer came: the worker is gone, closed the connection, or does not speak HTTP.

    ``untouched`` is True when it cannot have seen the request, so that another worker may get it. ``container`` and ``steps``
    are as an Answer's.
    """

    container = ""
    steps: tuple[Step, ...] = ()

    def __init__(self, message: str, *, untouched: bool = False, status: int = 0) -> None:
        super().__init__(message)
        self.untouched = untouched
        self.status = status
        """Of an answer whose head came, and whose body did not come to its end; 0 otherwise."""


class Step(NamedTuple):
    """What one of an instance's containers had to do with a request."""

    container: str
    status: int
    """0: no answer came."""
    waited: float
    """Seconds since the container before it had answered, or the instance had the request."""
    took: float


@dataclass(slots=True)
class Answer:
    """A worker's response."""

    status: int
    headers: dict[str, str]
    """Lower-cased names."""
    body: bytes = b""
    cut: bool = field(default=False, kw_only=True)
    """The body broke off."""
    container: str = ""
    """Who gave it, where an instance has several containers."""
    steps: tuple[Step, ...] = ()
    """The containers that the request came to, in that order, where there are several."""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


Done = Callable[[Answer | Exception], None]

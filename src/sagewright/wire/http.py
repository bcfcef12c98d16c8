"""A request and an answer as the wire passes them along, and the faults that the wire itself finds."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, unquote_plus

from .types import FileSlice

_NOTHING: Mapping[str, str] = MappingProxyType({})
Payload = bytes | FileSlice | AsyncIterable[bytes]


@dataclass(slots=True)
class Request:
    """The head of an HTTP request. The path is the raw, undecoded one."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """Lower-cased; repeated ones joined by a comma."""
    scheme: str = "http"
    source_ip: str = ""
    _args: list[tuple[str, str]] | None = field(default=None, init=False, repr=False, compare=False)
    _arg: dict[str, str] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def args(self) -> list[tuple[str, str]]:
        """Decoded query pairs in order; a bare key has the value ''."""
        if self._args is None:
            self._args = split_query(self.query)
        return self._args

    @property
    def arg(self) -> Mapping[str, str]:
        """The first value of each query key."""
        if not self.query:
            return _NOTHING
        if self._arg is None:
            self._arg = {}
            for key, value in self.args:
                self._arg.setdefault(key, value)
        return self._arg

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


def split_query(text: str, *, form: bool = False) -> list[tuple[str, str]]:
    """Pairs of a query string; ``form`` reads + as a space, as HTML forms write it."""
    if not text:
        return []
    decode = unquote_plus if form else unquote
    pairs = []
    for piece in text.split("&"):
        if piece:
            key, _, value = piece.partition("=")
            pairs.append((decode(key) if "%" in key or "+" in key else key,
                          decode(value) if "%" in value or "+" in value else value))
    return pairs


@dataclass(slots=True)
class Answer:
    """An HTTP answer. ``length`` is given when the payload cannot tell it (HEAD, streams)."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Payload = b""
    length: int | None = None


class WireFault(Exception):
    """A request that the wire refuses before any operation runs. The caller's protocol decides how it looks.

    ``code`` is the json name; ``query`` and ``xml`` are what those protocols call the same thing.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, *, query: str = "", xml: str = "", **members: Any
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        self.query, self.xml = query or code, xml or query or code
        self.members = members

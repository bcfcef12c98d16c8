"""The few types that travel between the wire and the operations.

Values inside ``params`` and results use wire names and plain JSON types, with three additions: a timestamp is a
float of epoch seconds (results may also hold ``datetime``), a blob is ``bytes``, and a streaming blob is a ``Body``
on the way in and ``bytes``, ``AsyncIterable[bytes]`` or ``FileSlice`` on the way out. An output event stream is an
``AsyncIterable`` of one-member dicts, such as ``{"PayloadPart": {"Bytes": b"..."}}``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling."""

    arn: str
    """As GetCallerIdentity reports it: assumed-role form for roles and for the operator's keys."""
    account: str
    kind: Literal["root", "user", "role", "service", "anonymous"]
    user_id: str = ""
    access_key: str = ""
    name: str = ""
    """Role or user name, the key to its policies."""
    session_policies: tuple[str, ...] = ()
    """Policy documents (JSON) that narrow a session."""


class Body(Protocol):
    """A streamed request payload. Signature, length and checksum faults raise while it is read."""

    length: int | None
    """Decoded length in bytes, when the client said it."""
    trailers: Mapping[str, str]
    """Lower-cased trailers, complete once the stream has ended."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def blocks(self, size: int) -> AsyncGenerator[Sequence[bytes | memoryview], None]:
        """As iteration, gathered into blocks of about ``size`` bytes, the last one shorter. The memory of a block may be
        written again as soon as the next but one is asked for."""
        ...

    async def read(self, limit: int | None = None) -> bytes:
        """Everything; raises ServiceError EntityTooLarge above ``limit`` bytes."""
        ...


@dataclass(frozen=True, slots=True)
class FileSlice:
    """``length`` bytes of a file from ``offset`` on, sent without passing through memory as a whole."""

    path: Path
    offset: int
    length: int
    file: BinaryIO | None = None
    """Open on the very version meant (``path`` may be replaced meanwhile): read this by offset and close it at the end."""


@dataclass(slots=True)
class Call:
    """One operation being called, over HTTP or in process."""

    service: str
    """botocore's service name, such as ``sagemaker-runtime``."""
    operation: str
    params: dict[str, Any]
    principal: Principal
    account: str
    region: str
    request_id: str
    user_agent: str = ""
    source_ip: str = ""
    endpoint: str = ""
    """The base URL the client used, for answers that contain URLs."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-cased request headers; empty in process."""
    source: str = ""
    """ARN of the resource on whose behalf the platform itself calls; nobody can say it from outside."""

    @property
    def scope(self) -> str:
        """The partition of records this call works in: ``account/region``."""
        return f"{self.account}/{self.region}"


@dataclass(slots=True)
class Reply:
    """A result that needs another status or more headers than the model says."""

    result: dict[str, Any]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    audited: bool = False
    """The operation has stored its audit record itself, in the transaction of its change."""


ConditionKeys = Mapping[str, str | Sequence[str]]
"""Condition key → what it is for a request."""


Handler = Callable[[Call], Awaitable["dict[str, Any] | Reply | None"]]


class Authority(Protocol):
    """Who owns a key, and what a principal may do. The identity slice provides it."""

    changed: list[Callable[[], None]]
    """Called after a change of users, roles, keys or policies: what was remembered of earlier answers may be wrong."""

    def secret(self, access_key: str) -> tuple[str, str | None, Principal] | None:
        """(secret key, session token or None, principal) of a live access key; None if unknown or expired."""
        ...

    def authorize(self, principal: Principal, action: str, resource: str, context: ConditionKeys) -> None:
        """Return if ``principal`` may do ``action`` on the ARN ``resource``.

        Raises:
            AccessDenied: the message names action, resource and the statement that denies (or that none allows).
        """
        ...


class Conditions(Protocol):
    """What policies may ask of a call besides who makes it and from where."""

    async def context(self, call: Call, where: str) -> ConditionKeys:
        """The condition keys of a call for the resource with the ARN ``where``, or ``*``."""
        ...

    def besides(self, call: Call) -> Sequence[str]:
        """Actions that the caller needs on the same resources, beside the operation's own."""
        ...

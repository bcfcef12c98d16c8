"""Records: every document of the platform, with optimistic versions and a durable work queue.

One transaction may write documents and the work that follows from them, so that a killed process never leaves a
document whose next step nobody takes. Adapters: ``adapters.sqlite`` and ``adapters.postgres``; both pass
``sagewright.testing.records``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """A stored document. ``doc`` holds wire names; times are epoch seconds."""

    kind: str
    """Resource kind, such as ``TrainingJob``."""
    scope: str
    """``account/region``."""
    key: str
    doc: dict[str, Any]
    version: int
    """1 at creation, one more at each write."""
    created: float
    modified: float
    status: str = ""
    name: str = ""
    """What NameContains searches and SortBy=Name sorts; the key unless given."""
    parent: str = ""
    """The key of the owning record, for lists within a parent."""


@dataclass(frozen=True, slots=True)
class Query:
    """Filter, then sort, then page. Ties of the sort column are broken by key, then scope, in the same direction.

    Strings sort by code point.
    """

    parent: str | None = None
    statuses: tuple[str, ...] = ()
    name_contains: str | None = None
    """Substring; ASCII letters match in either case."""
    name_prefix: str | None = None
    """Exact start of the name."""
    created_after: float | None = None
    """At or after, epoch seconds; ``..._before`` is strictly before."""
    created_before: float | None = None
    modified_after: float | None = None
    modified_before: float | None = None
    where: tuple[tuple[str, Any], ...] = ()
    """(dotted path into doc, value): equality with a string, number or boolean; None also matches what is absent."""
    sort_by: Literal["created", "modified", "name", "status"] = "created"
    descending: bool = True
    after: tuple[Any, str] | tuple[Any, str, str] | None = None
    """(sort value, key) of the last record already seen; (sort value, key, scope) when finding in every scope."""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Work:
    """One instruction to carry out for a record, at least once, not before ``due``."""

    id: str
    kind: str
    scope: str
    key: str
    instruction: str
    args: dict[str, Any] = field(default_factory=dict)
    due: float = 0.0
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole record: document, status, name and parent are as given here, whatever they were.

    ``expected``: 0 it must not exist, n it must be at version n, None whatever it is.
    """

    kind: str
    scope: str
    key: str
    doc: dict[str, Any]
    expected: int | None = None
    status: str = ""
    name: str = ""
    """The key if empty."""
    parent: str = ""
    created: float | None = None
    """Epoch seconds; now when creating, kept when updating, unless given."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document and the work still queued for it. ``expected`` as in Put; missing is fine when None."""

    kind: str
    scope: str
    key: str
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class AddWork:
    """Queue work; the same id again replaces it."""

    work: Work


@dataclass(frozen=True, slots=True)
class DoneWork:
    """Take work off the queue; missing is fine."""

    id: str


@dataclass(frozen=True, slots=True)
class Append:
    """Add to a history: written once, never changed, found by its time alone (``Records.history``).

    Costs a fraction of a Put, which keeps an index for every way to list.
    """

    kind: str
    scope: str
    key: str
    """Unique within the kind and scope."""
    doc: dict[str, Any]
    at: float
    """Epoch seconds."""


Change = Put | Delete | AddWork | DoneWork | Append


class Conflict(Exception):
    """A Put or Delete met another version than it expected; nothing of the batch was written."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"{kind} {key} was changed by someone else")
        self.kind, self.key = kind, key


class Records(Protocol):
    """The metadata store. Safe to use from many tasks of one event loop. The work queue belongs to one server.

    Guarantees: a commit is atomic, and durable against a killed process when it returns (durable against power loss
    by the adapter's setting). Reads see every commit that returned before them.
    """

    async def get(self, kind: str, scope: str, key: str) -> Record | None: ...

    async def several(self, kind: str, scope: str, keys: Sequence[str]) -> list[Record]:
        """Those that exist, in the order of the keys."""
        ...

    async def find(self, kind: str, scope: str | None, query: Query = Query()) -> list[Record]:
        """At most ``query.limit`` records; ``scope`` None looks in every scope."""
        ...

    async def count(self, kind: str, scope: str | None, query: Query = Query()) -> int:
        """How many records match, the page left aside."""
        ...

    async def history(self, kind: str, scope: str, query: Query = Query()) -> list[Record]:
        """What was appended, newest first; of the query only ``where``, ``created_...``, ``after`` and ``limit`` count.

        ``created`` and ``modified`` of the records are the time they were appended with.
        """
        ...

    async def commit(self, *changes: Change) -> None:
        """Apply all or none.

        Raises:
            Conflict: an ``expected`` did not hold.
        """
        ...

    async def due(self, now: float, limit: int = 100) -> list[Work]:
        """Queued work with ``due`` ≤ now, oldest first. It stays queued until DoneWork."""
        ...

    async def next_due(self) -> float | None:
        """When the earliest queued work is due."""
        ...

    async def backup(self, target: str) -> None:
        """A consistent copy of everything into the file ``target`` while writes go on."""
        ...

    async def close(self) -> None: ...

"""The operations that somebody has bound. What is not here answers 501 with its own name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .types import Call, Handler

Effect = Literal["works", "metadata"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One bound operation of a service."""

    service: str
    name: str
    handler: Handler
    effect: Effect = "works"
    """``metadata``: documents are kept, nothing else happens; the coverage page says so."""
    action: str = ""
    """IAM action when it is not ``<prefix>:<name>``, such as ``s3:ListBucket`` for ListObjectsV2."""
    resources: Callable[[Call], Sequence[str]] | None = None
    """The ARNs that the caller must be allowed to act on; ``*`` when None."""
    public: bool = False
    """Callable without credentials."""
    conditions: Callable[[Call], Mapping[str, str]] | None = None
    """Condition keys of the service's own that a policy may look at, beside those that every request has."""


class Operations:
    """The table of bound operations, filled by the slices at start."""

    def __init__(self) -> None:
        self._table: dict[tuple[str, str], Operation] = {}

    def bind(
        self,
        service: str,
        name: str,
        handler: Handler,
        *,
        effect: Effect = "works",
        action: str = "",
        resources: Callable[[Call], Sequence[str]] | None = None,
        public: bool = False,
        conditions: Callable[[Call], Mapping[str, str]] | None = None,
    ) -> None:
        """Bind a handler; binding the same operation twice is a mistake and raises ValueError."""
        if (service, name) in self._table:
            raise ValueError(f"{service} {name} is bound already")
        self._table[service, name] = Operation(service, name, handler, effect, action, resources, public, conditions)

    def get(self, service: str, name: str) -> Operation | None:
        return self._table.get((service, name))

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._table.values())

    def services(self) -> set[str]:
        """Services with at least one bound operation."""
        return {service for service, _ in self._table}

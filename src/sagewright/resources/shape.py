"""What the service model says of a noun's verbs: which members a description has, what a list returns, its defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_ORDER = re.compile(r"default\b[^.]*?<code>(Ascending|Descending)</code>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListShape:
    """A List operation: the member that holds the page, the members of its items, and the default order."""

    member: str
    item: frozenset[str]
    order: str


class Shapes:
    """Reads botocore's model of one service, once per question."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._outputs: dict[str, frozenset[str]] = {}
        self._lists: dict[str, ListShape] = {}

    def has(self, operation: str) -> bool:
        return operation in self._model.operation_names

    def output(self, operation: str) -> frozenset[str]:
        """Names of the members that an operation answers with."""
        if operation not in self._outputs:
            shape = self._model.operation_model(operation).output_shape
            self._outputs[operation] = frozenset(shape.members) if shape else frozenset()
        return self._outputs[operation]

    def list(self, operation: str) -> ListShape:
        if operation not in self._lists:
            model = self._model.operation_model(operation)
            member, shape = next((n, s) for n, s in model.output_shape.members.items() if s.type_name == "list")
            sort = model.input_shape.members.get("SortOrder")
            said = _ORDER.search(sort.documentation) if sort is not None else None
            item = frozenset(shape.member.members) if shape.member.type_name == "structure" else frozenset()
            self._lists[operation] = ListShape(member, item, said.group(1) if said else "Descending")
        return self._lists[operation]

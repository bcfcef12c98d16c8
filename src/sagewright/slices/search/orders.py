"""Orders of searches that are being paged through: a page further on costs its own records, not another look at all of them.

It is a cache. An order that is not here any more (another server, a restart, others since) is found again by the last place
that the token names. While it is here, the pages are of one moment: nothing is shown twice or left out because a value changed.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

MOST = 250_000
"""Places kept in all; the order that nobody has asked for the longest goes first."""

Place = tuple[tuple[int, Any], str]
"""(sort value, key)."""


class Orders:
    """Those of one server."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._held = most, 0
        self._kept: OrderedDict[str, Sequence[Place]] = OrderedDict()

    def keep(self, order: Sequence[Place]) -> str:
        """A name for it."""
        name = secrets.token_urlsafe(6)
        self._kept[name] = order
        self._held += len(order)
        while self._held > self._most:
            _, gone = self._kept.popitem(last=False)
            self._held -= len(gone)
        return name

    def get(self, name: str) -> Sequence[Place] | None:
        """None for one that is not here any more."""
        if name in self._kept:
            self._kept.move_to_end(name)
        return self._kept.get(name)

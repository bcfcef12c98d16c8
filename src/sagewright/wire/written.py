"""Functions of shapes, written out as source and compiled at their first use: what a model says is looked up once, not a call.

The source consists of names and numbers of the service models alone, each by ``repr``; values that a caller sent never
get into it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .models import Shape


class Written:
    """The functions that one writer has made, by shape, and what they refer to."""

    def __init__(self, body: Callable[[Shape], list[str]]) -> None:
        """``body``: the lines of a shape's function of ``v``, each indented by at least one space."""
        self._body = body
        self._space: dict[str, Any] = {}
        self._names: dict[Shape, str] = {}

    def keep(self, thing: Any) -> str:
        """A name for something, good in all functions."""
        name = f"t{len(self._space)}"
        self._space[name] = thing
        return name

    def name(self, shape: Shape) -> str:
        """The name of a shape's function, which may call itself: until its first call one that writes it."""
        name = self._names.get(shape)
        if name is None:
            name = self._names[shape] = self.keep(None)

            def write(value: Any) -> Any:
                if self._space[name] is write:  # who holds on to this one comes here again
                    self.define("\n".join([f"def {name}(v):", *self._body(shape)]))
                return self._space[name](value)

            self._space[name] = write
        return name

    def define(self, source: str) -> None:
        exec(source, self._space)

    def of(self, shape: Shape) -> Callable[[Any], Any]:
        """A shape's function."""
        found: Callable[[Any], Any] = self._space[self.name(shape)]
        return found

    def __getitem__(self, name: str) -> Any:
        return self._space[name]

"""Lifecycles: pure tables, (state, event) → (state, changes, instructions).

No I/O and no clock of their own: every race is a unit test that calls ``step``. A document keeps its lifecycle's
working data in members whose names begin with an underscore; they never leave through the API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

HISTORY = 40
"""How many transitions a document remembers."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a resource."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Instruction:
    """Something to be done, at least once, by the executor registered under ``name``."""

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds from now; a timer is an instruction with a delay."""


@dataclass(frozen=True, slots=True)
class Move:
    """What an event leads to."""

    state: str
    changes: dict[str, Any] = field(default_factory=dict)
    """Members to set in the document; None removes one."""
    instructions: tuple[Instruction, ...] = ()
    remove: bool = False
    """The document goes away."""


Rule = Callable[[dict[str, Any], Event, float], Move | None]
"""(document, event, now) → move; None ignores the event."""


class ImpossibleTransition(Exception):
    """An event that the state does not allow; says the resource's history."""

    def __init__(self, lifecycle: str, key: str, state: str, event: str, history: Iterable[Any]) -> None:
        story = " → ".join(f"{h[1]}[{h[0]}]" for h in history) or "nothing yet"
        super().__init__(f"{lifecycle} {key}: no {event} in state {state} (so far: {story})")
        self.state, self.event = state, event


def to(state: str, *instructions: Instruction, **changes: Any) -> Rule:
    """A rule that always makes the same move."""
    move = Move(state, changes, instructions)
    return lambda doc, event, now: move


def ignore(doc: dict[str, Any], event: Event, now: float) -> None:
    """A rule for events that come late and mean nothing any more."""
    return


class Lifecycle:
    """A named table of rules.

    Args:
        name: the resource's noun.
        start: the state of a new document.
        table: (state or tuple of states, event name) → rule.
        status: state → the public status that lists filter by; the identity unless given.
        final: states that nothing leaves by itself; a patient Describe waits for one of these.
        entered: (document, old state, move, now) → more changes, applied on every change of state. It keeps what
            follows from the state alone, such as transition lists and LastModifiedTime.
    """

    def __init__(
        self,
        name: str,
        *,
        start: str,
        table: Mapping[tuple[str | tuple[str, ...], str], Rule],
        final: Iterable[str],
        status: Callable[[str], str] = lambda state: state,
        entered: Callable[[dict[str, Any], str, Move, float], dict[str, Any]] | None = None,
    ) -> None:
        self.name, self.start, self.status, self.final = name, start, status, frozenset(final)
        self._entered = entered
        self._rules: dict[tuple[str, str], Rule] = {}
        for (states, event), rule in table.items():
            for state in (states,) if isinstance(states, str) else states:
                if (state, event) in self._rules:
                    raise ValueError(f"{name}: two rules for {event} in {state}")
                self._rules[state, event] = rule

    @property
    def states(self) -> set[str]:
        return {self.start, *self.final, *(state for state, _ in self._rules)}

    def allows(self, state: str, event: str) -> bool:
        return (state, event) in self._rules

    def settled(self, doc: Mapping[str, Any]) -> bool:
        """Whether a document rests in a final state."""
        return doc.get("_state") in self.final

    def begin(self, doc: dict[str, Any], now: float) -> dict[str, Any]:
        """A new document in its first state."""
        doc = {**doc, "_state": self.start, "_history": [[now, self.start, "Create"]]}
        if self._entered:
            doc.update(self._entered(doc, "", Move(self.start), now))
        return doc

    def step(self, key: str, doc: dict[str, Any], event: Event, now: float) -> tuple[dict[str, Any], Move] | None:
        """The document after the event, and the move; None if the event is ignored.

        Raises:
            ImpossibleTransition: no rule for the event in the document's state.
        """
        state = doc["_state"]
        rule = self._rules.get((state, event.name))
        if rule is None:
            raise ImpossibleTransition(self.name, key, state, event.name, doc.get("_history", ()))
        move = rule(doc, event, now)
        if move is None:
            return None
        after = {**doc, **move.changes}
        if move.state != state:
            after["_state"] = move.state
            after["_history"] = [*doc.get("_history", ()), [now, move.state, event.name]][-HISTORY:]
        if self._entered:
            after.update(self._entered(after, state, move, now))
        return {name: value for name, value in after.items() if value is not None}, move

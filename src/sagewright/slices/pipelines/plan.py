"""What comes next in an execution: which steps are ready, which never come, how it ends. Pure: rebuilt from the steps at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .definition import Definition, Step
from .lifecycle import FAILED, PARTLY, STOPPED, SUCCEEDED

STARTING, EXECUTING, STOPPING = "Starting", "Executing", "Stopping"
ACTIVE = (STARTING, EXECUTING, STOPPING)
READY, WAITING, NEVER = "ready", "waiting", "never"
FAILURE = "Step failure: One or multiple steps failed."
_WANTED = {"Completed": (SUCCEEDED,), "Failed": (FAILED,), "Stopped": (STOPPED,), "Any": (SUCCEEDED, FAILED, STOPPED)}


class Plan:
    """One execution's steps: what the definition says of them, and what has become of them.

    Args:
        steps: the documents of those that have begun, by name.
        selected: the steps that a selective execution carries out; None for all.
    """

    def __init__(self, definition: Definition, steps: Mapping[str, Mapping[str, Any]], selected: Iterable[str] | None = None) -> None:
        self.definition, self.steps = definition, steps
        self.selected = None if selected is None else frozenset(selected)

    def ready(self) -> list[Step]:
        """Those that could begin now, in the definition's order; none after a Fail step."""
        if self.ended_by() is not None:
            return []
        states = self._states()
        return [step for name, step in self.definition.steps.items() if states[name] == READY]

    def active(self) -> list[str]:
        """The names of those that have begun and not ended."""
        return [name for name, doc in self.steps.items() if doc["StepStatus"] in ACTIVE]

    def ended_by(self) -> Mapping[str, Any] | None:
        """The Fail step that was reached."""
        return next((doc for name, doc in self.steps.items() if self.definition.steps[name].type == "Fail"), None)

    def verdict(self) -> tuple[str, str]:
        """(status, reason) of an execution of which nothing runs and nothing is ready."""
        fail = self.ended_by()
        if fail is not None:
            return FAILED, str(fail.get("FailureReason", ""))
        ended = {name: doc["StepStatus"] for name, doc in self.steps.items() if "SelectiveExecutionResult" not in doc}
        failed = [name for name, status in ended.items() if status == FAILED]
        if failed:
            handled = all(self._handled(name) for name in failed)
            return (PARTLY, "") if handled else (FAILED, FAILURE)
        if any(status == STOPPED and not self._handled(name) for name, status in ended.items()):
            return STOPPED, ""
        return SUCCEEDED, ""

    def _handled(self, name: str) -> bool:
        """Whether a step was there for the case that this one does not succeed, and was carried out."""
        status = self.steps[name]["StepStatus"]
        return any(
            step.name in self.steps and step.needs.get(name, "Completed") != "Completed" and status in _WANTED[step.needs[name]]
            for step in self.definition.dependents(name)
        )

    def _states(self) -> dict[str, str]:
        """Of every step: its status if it has begun, else whether it is ready, waits, or never comes."""
        known: dict[str, str] = {}
        for name in self.definition.order:
            known[name] = self._found(self.definition.steps[name], known)
        return known

    def _found(self, step: Step, known: Mapping[str, str]) -> str:
        """One step's, from those of the steps before it."""
        if step.name in self.steps:
            return str(self.steps[step.name]["StepStatus"])
        if self.selected is not None and step.name not in self.selected:
            return NEVER
        waits = False
        if step.branch is not None:
            condition, side = step.branch
            state = known[condition]
            if state in (NEVER, FAILED, STOPPED):
                return NEVER
            if state != SUCCEEDED:
                waits = True
            elif (self.steps[condition]["_outcome"] == "True") is not side:
                return NEVER
        for before, trigger in step.needs.items():
            state = known[before]
            if state in ACTIVE or state in (READY, WAITING):
                waits = True
            elif state not in _WANTED[trigger]:
                return NEVER
        return WAITING if waits else READY

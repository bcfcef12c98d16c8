"""Selective execution: some steps, with what an earlier execution knows of the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...wire.errors import Invalid
from .definition import Definition
from .lifecycle import SUCCEEDED


def borrowed(
    definition: Definition, selected: Sequence[str], source: str, steps: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The documents of the steps before the selected ones, as the new execution has them.

    Args:
        source: ARN of the execution that they come from; empty if none was named.
        steps: the documents of its steps, by name.

    Raises:
        Invalid: a step is unknown, has unselected ones between itself and a selected one, or needs a result that there is not.
    """
    _known(definition, selected)
    before = definition.upstream(selected) - set(selected)
    later = _downstream(definition, selected)
    for name in sorted(before):
        if name in later:
            raise Invalid(f"SelectedSteps has a gap: {name} stands between selected steps and must be selected, too.")
    if before and not source:
        raise Invalid("SelectiveExecutionConfig needs a SourcePipelineExecutionArn: the selected steps need results of others.")
    found = []
    for name in sorted(before):
        doc = steps.get(name)
        if doc is None or doc["StepStatus"] != SUCCEEDED:
            raise Invalid(f"The step {name} has no result in {source}, and the selected steps need it.")
        origin = doc.get("SelectiveExecutionResult", {}).get("SourcePipelineExecutionArn", source)
        found.append({**doc, "SelectiveExecutionResult": {"SourcePipelineExecutionArn": origin}})
    return found


def _known(definition: Definition, selected: Sequence[str]) -> None:
    if unknown := sorted(set(selected) - set(definition.steps)):
        raise Invalid(f"SelectedSteps names {', '.join(unknown)}, which the pipeline does not have.")


def _downstream(definition: Definition, selected: Sequence[str]) -> set[str]:
    """All that waits for a selected step, at any distance."""
    found: set[str] = set()
    chosen = set(selected)
    for name in definition.order:
        before = definition.steps[name].before
        if before & found or before & chosen:
            found.add(name)
    return found

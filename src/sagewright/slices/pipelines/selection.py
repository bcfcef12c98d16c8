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
        source: ARN of the execution that they come from.
        steps: the documents of its steps, by name.

    Raises:
        Invalid: a step is unknown, has unselected ones between itself and a selected one, or needs a result that there is not.
    """
    if unknown := sorted(set(selected) - set(definition.steps)):
        raise Invalid(f"SelectedSteps names {', '.join(unknown)}, which the pipeline does not have.")
    before = definition.upstream(selected) - set(selected)
    for name in sorted(before):
        if definition.upstream([name]) & set(selected):
            raise Invalid(f"SelectedSteps has a gap: {name} stands between selected steps and must be selected, too.")
    found = []
    for name in sorted(before):
        doc = steps.get(name)
        if doc is None or doc["StepStatus"] != SUCCEEDED:
            raise Invalid(f"The step {name} has no result in {source}, and the selected steps need it.")
        origin = doc.get("SelectiveExecutionResult", {}).get("SourcePipelineExecutionArn", source)
        found.append({**doc, "SelectiveExecutionResult": {"SourcePipelineExecutionArn": origin}})
    return found

"""What expressions of one execution lead to: its parameters, itself, the results of its steps, and JSON in S3."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from ...resources.arn import join, s3_location
from ...resources.jobs import object_refusal
from ...resources.platform import Platform
from ...wire.errors import DomainError
from .definition import Definition
from .expressions import Path, Unresolved, moment, walk
from .kinds import KINDS, Made
from .lifecycle import SUCCEEDED

LARGEST = 10 << 20
"""Bytes of a JSON file that an expression reads."""
NAMED = ("OutputName", "InputName", "MetricName", "ChannelName", "Name", "VariantName")
"""What an element of a list may be called by: ``Outputs['train']``."""

Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""(operation of SageMaker, request) → answer, with the permissions of the execution's role."""


class Results:
    """Implements ``expressions.Scope`` for one execution.

    Args:
        doc: gives the execution's document as it is now.
        steps: the documents of the steps that have begun, by name; read when something is asked.
    """

    def __init__(
        self, platform: Platform, definition: Definition, doc: Callable[[], Mapping[str, Any]], steps: Mapping[str, Mapping[str, Any]], ask: Ask,
    ) -> None:
        self.platform, self.definition, self.steps = platform, definition, steps
        self._doc, self._ask = doc, ask
        self._described: dict[str, dict[str, Any]] = {}
        self.step = ""
        """The step whose expressions are being resolved."""
        self.job = ""
        """The name of the job that it will make."""

    async def get(self, path: Path) -> Any:
        first, rest = path[0], path[1:]
        if first == "Parameters" and rest:
            return walk(self._doc()["_parameters"], rest, "Parameters")
        if first == "Execution" and rest:
            return self._execution(str(rest[0]))
        if first == "PipelineExperimentConfig" and rest:
            return walk(self._doc().get("PipelineExperimentConfig", {}), rest, "PipelineExperimentConfig")
        if first == "Steps" and rest:
            name = str(rest[0])
            return _named(await self._properties(name), rest[1:], f"the step {name}")
        raise Unresolved(f"{'.'.join(map(str, path))} is unknown")

    async def file(self, step: str, name: str) -> Any:
        output, path = self.definition.steps[step].files[name]
        found = _named(await self._properties(step), ("ProcessingOutputConfig", "Outputs", output, "S3Output", "S3Uri"), f"the step {step}")
        return await self.object(join(found, path))

    async def object(self, uri: str) -> Any:
        try:
            why = await object_refusal(self.platform, self._doc()["RoleArn"], uri)
        except DomainError as error:
            why = error.message
        if why:
            raise Unresolved(f"{uri} cannot be read: {why}")
        return await asyncio.to_thread(self._read, uri)

    def _read(self, uri: str) -> Any:
        try:
            info, file = self.platform.objects.open(*s3_location(uri))
        except Exception as error:
            raise Unresolved(f"{uri} cannot be read: {error}") from None
        with file:
            if info.size > LARGEST:
                raise Unresolved(f"{uri} has {info.size} bytes, more than {LARGEST}")
            try:
                return json.loads(file.read())
            except (ValueError, RecursionError) as error:
                raise Unresolved(f"{uri} is not JSON: {error}") from None

    def _execution(self, name: str) -> str:
        doc = self._doc()
        found = {
            "StartDateTime": moment(doc["CreationTime"]), "CurrentDateTime": moment(self.platform.clock()), "PipelineName": doc["_pipeline"],
            "PipelineArn": doc["PipelineArn"], "PipelineExecutionId": doc["PipelineExecutionArn"].rpartition("/")[2],
            "PipelineExecutionArn": doc["PipelineExecutionArn"], "TrainingJobName": self.job, "ProcessingJobName": self.job,
        }
        return str(found[name])

    async def _properties(self, name: str) -> Mapping[str, Any]:
        """What may be asked of a step: the description of what it made, its outcome, or its output parameters."""
        doc = self.steps.get(name)
        if doc is None:
            raise Unresolved(f"the step {name} was not carried out")
        kind = KINDS[self.definition.steps[name].type]
        if not isinstance(kind, Made):
            return {"Outcome": doc.get("_outcome"), "OutputParameters": doc.get("_outputs", {})}
        made = doc.get("_made")
        if made is None:
            raise Unresolved(f"the step {name} has made nothing")
        if made not in self._described:
            try:
                found = await self._ask(f"Describe{kind.noun}", {kind.name: made})
                if kind.noun == "HyperParameterTuningJob":
                    found = found | await self._trials(made, found)
            except DomainError as error:
                raise Unresolved(f"what the step {name} made cannot be described: {error.message}") from None
            if doc["StepStatus"] != SUCCEEDED:
                return found
            self._described[made] = found
        return self._described[made]

    async def _trials(self, name: str, job: Mapping[str, Any]) -> dict[str, Any]:
        """The best trials first."""
        objective = job.get("HyperParameterTuningJobConfig", {}).get("HyperParameterTuningJobObjective", {})
        order = "Ascending" if objective.get("Type") == "Minimize" else "Descending"
        asked = {"HyperParameterTuningJobName": name, "SortBy": "FinalObjectiveMetricValue", "SortOrder": order, "MaxResults": 100}
        return await self._ask("ListTrainingJobsForHyperParameterTuningJob", asked)


def _named(value: Any, path: Path, where: str) -> Any:
    """``walk``, but that elements of lists may be called by their names, too."""
    for number, part in enumerate(path):
        if isinstance(value, list) and isinstance(part, str):
            found = [each for each in value if isinstance(each, dict) and part in [each.get(member) for member in NAMED]]
            if not found:
                raise Unresolved(f"{where} has no {'.'.join(map(str, path))}: {part!r} is not there")
            value = found[0]
        else:
            value = walk(value, (part,), f"{where}, at {'.'.join(map(str, path[: number + 1]))},")
    return cast(Any, value)

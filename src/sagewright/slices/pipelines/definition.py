"""A pipeline's definition: its parameters and its steps, read from JSON and checked. Pure.

Steps of a Condition's branches are steps like the others, which know their branch. See
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/ for the format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...wire.errors import Invalid, NotImplementedHere
from . import expressions, policies
from .kinds import KINDS
from .parameters import Parameter

VERSION = "2020-12-01"
LARGEST = 1 << 20
"""Bytes of a definition."""
UNBUILT = frozenset({
    "Athena", "AutoML", "BedrockCustomModel", "BedrockCustomModelDeployment", "BedrockModelImport",
    "BedrockProvisionedModelThroughput", "ClarifyCheck", "Cleanup", "EMR", "EMRServerless", "ForEach", "Job", "Lambda", "Lineage",
    "QualityCheck",
})
"""Step types that Amazon SageMaker has and this platform not yet."""
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
TRIGGERS = ("Completed", "Failed", "Stopped", "Any")


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    name: str
    type: str
    arguments: Any
    raw: Mapping[str, Any]
    """Everything that the definition says of it."""
    needs: Mapping[str, str]
    """Step that has to have ended before → how: Completed, Failed, Stopped, Any."""
    branch: tuple[str, bool] | None = None
    """The Condition whose branch it is in, and whether that is the branch of the true one."""
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Property file → output that has it, path in it."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole pipeline."""

    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]
    """By name, branches included; in the order of the text."""
    experiment: Mapping[str, Any] | None
    """``ExperimentName`` and ``TrialName``, maybe expressions; None: executions make no trials."""

    def dependents(self, name: str) -> list[Step]:
        """The steps that wait for one."""
        return [step for step in self.steps.values() if name in step.needs or (step.branch and step.branch[0] == name)]

    def upstream(self, names: Iterable[str]) -> set[str]:
        """All that these steps wait for, at any distance."""
        found: set[str] = set()
        left = list(names)
        while left:
            step = self.steps[left.pop()]
            before = {*step.needs, *((step.branch[0],) if step.branch else ())}
            left += before - found
            found |= before
        return found


def read(text: str) -> Definition:
    """Raises Invalid, which says what is wrong and where; NotImplementedHere for steps that this platform cannot carry out."""
    if len(text.encode()) > LARGEST:
        raise Invalid("The pipeline definition is larger than 1 MB; store it in S3 and shorten it.")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"Unable to parse pipeline definition. It is not JSON: {error}") from None
    if not isinstance(whole, dict) or whole.get("Version") != VERSION:
        raise Invalid(f'Unable to parse pipeline definition. It must be an object with "Version": "{VERSION}".')
    if whole.get("MlflowConfig"):
        raise NotImplementedHere("MlflowConfig of a pipeline is not implemented; jobs take one of their own.")
    parameters = {p.name: p for p in map(Parameter.read, _list(whole, "Parameters", "the definition"))}
    if len(parameters) < len(whole.get("Parameters") or ()):
        raise Invalid("Unable to parse pipeline definition. Parameter names must be unique.")
    steps: dict[str, Step] = {}
    for step in _steps(_list(whole, "Steps", "the definition"), None):
        if step.name in steps:
            raise Invalid(f"Unable to parse pipeline definition. Step names must be unique; there are several named {step.name}.")
        steps[step.name] = step
    if not steps:
        raise Invalid("Unable to parse pipeline definition. A pipeline needs at least one step.")
    experiment = whole.get("PipelineExperimentConfig")
    _check(parameters, steps, experiment)
    return Definition(parameters, steps, experiment)


def _list(of: Mapping[str, Any], member: str, where: str) -> list[dict[str, Any]]:
    found = of.get(member) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Invalid(f"Unable to parse pipeline definition. {member} of {where} must be a list of objects.")
    return found


def _steps(raw: Iterable[dict[str, Any]], branch: tuple[str, bool] | None) -> Iterator[Step]:
    for each in raw:
        name, type_ = each.get("Name"), each.get("Type")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Invalid(f"Unable to parse pipeline definition. The step name {name!r} must match [A-Za-z0-9\\-_]{{1,64}}.")
        if type_ in UNBUILT:
            raise NotImplementedHere(f"The step {name} is of type {type_}, which is not implemented; these are: {', '.join(sorted(KINDS))}.")
        if type_ not in KINDS:
            raise Invalid(f"Unable to parse pipeline definition. The step {name} has the unknown type {type_!r}.")
        arguments = each.get("Arguments", {})
        files = {
            file.get("PropertyFileName", ""): (file.get("OutputName", ""), file.get("FilePath", ""))
            for file in _list(each, "PropertyFiles", f"the step {name}")
        }
        KINDS[type_].check(name, each)
        policies.check(each)
        yield Step(name, type_, arguments, each, _needs(name, type_, each, arguments), branch, files)
        if type_ == "Condition":
            yield from _steps(_list(arguments, "IfSteps", f"the step {name}"), (name, True))
            yield from _steps(_list(arguments, "ElseSteps", f"the step {name}"), (name, False))


def _needs(name: str, type_: str, raw: Mapping[str, Any], arguments: Any) -> dict[str, str]:
    """What a step waits for: what DependsOn says, and every step that an expression of it names."""
    needs: dict[str, str] = {}
    for each in raw.get("DependsOn") or ():
        step, trigger = (each.get("Step"), each.get("Trigger", "Completed")) if isinstance(each, dict) else (each, "Completed")
        if not isinstance(step, str) or trigger not in TRIGGERS:
            raise Invalid(f"Unable to parse pipeline definition. The step {name} has a DependsOn that means nothing: {each!r}.")
        needs[step] = trigger
    read = arguments.get("Conditions") if type_ == "Condition" and isinstance(arguments, dict) else arguments
    for path in expressions.references(read):
        if path[0] == "Steps" and len(path) > 1:
            needs.setdefault(str(path[1]), "Completed")
    return needs


def _check(parameters: Mapping[str, Parameter], steps: Mapping[str, Step], experiment: Any) -> None:
    """Every reference leads somewhere, and nothing waits for itself. Raises Invalid."""
    for step in steps.values():
        for name in step.needs:
            if name not in steps:
                raise Invalid(f"Unable to parse pipeline definition. The step {step.name} depends on {name}, which is no step of the pipeline.")
        for path in expressions.references(step.arguments if step.type != "Condition" else step.arguments.get("Conditions")):
            _check_reference(path, step.name, parameters, steps)
    for path in expressions.references(experiment):
        _check_reference(path, "PipelineExperimentConfig", parameters, steps)
    done: set[str] = set()
    waiting = dict(steps)
    while waiting:
        free = [s.name for s in waiting.values() if {*s.needs, *((s.branch[0],) if s.branch else ())} <= done]
        if not free:
            raise Invalid(f"Unable to parse pipeline definition. These steps wait for each other in a circle: {', '.join(sorted(waiting))}.")
        done.update(free)
        for name in free:
            del waiting[name]


def _check_reference(path: expressions.Path, where: str, parameters: Mapping[str, Parameter], steps: Mapping[str, Step]) -> None:
    first = path[0]
    if first == "Parameters" and len(path) > 1 and path[1] not in parameters:
        raise Invalid(f"Unable to parse pipeline definition. {where} refers to the parameter {path[1]}, which is not declared.")
    if first == "Execution" and (len(path) != 2 or path[1] not in expressions.EXECUTION):
        raise Invalid(f"Unable to parse pipeline definition. {where} refers to Execution.{'.'.join(map(str, path[1:]))}, which is unknown.")
    if first not in ("Parameters", "Execution", "Steps", "PipelineExperimentConfig"):
        raise Invalid(f"Unable to parse pipeline definition. {where} has the unknown reference {first}.")
    if first == "Steps" and len(path) > 3 and path[2] == "PropertyFiles" and path[3] not in steps[str(path[1])].files:
        raise Invalid(f"Unable to parse pipeline definition. {where} refers to the property file {path[3]}, which {path[1]} does not have.")

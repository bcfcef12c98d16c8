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
DEEPEST = 100
"""Objects and lists within each other."""
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

    @property
    def before(self) -> set[str]:
        """The steps that it waits for: those it needs, and the Condition that it is a branch of."""
        return {*self.needs, *((self.branch[0],) if self.branch else ())}

    @property
    def read(self) -> Any:
        """What it has of expressions; a Condition's branches have their own."""
        own = self.arguments.get("Conditions") if self.type == "Condition" else self.arguments
        return [own, self.raw.get("SqsQueueUrl")]


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole pipeline."""

    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]
    """By name, branches included; in the order of the text."""
    experiment: Mapping[str, Any] | None
    """``ExperimentName`` and ``TrialName``, maybe expressions; None: executions make no trials."""

    order: tuple[str, ...] = ()
    """The names of the steps, each after those that it waits for."""

    def dependents(self, name: str) -> list[Step]:
        """The steps that wait for one."""
        return [step for step in self.steps.values() if name in step.needs or (step.branch and step.branch[0] == name)]

    def upstream(self, names: Iterable[str]) -> set[str]:
        """All that these steps wait for, at any distance."""
        found: set[str] = set()
        left = list(names)
        while left:
            before = self.steps[left.pop()].before - found
            left += before
            found |= before
        return found


def read(text: str) -> Definition:
    """Raises Invalid, which says what is wrong and where; NotImplementedHere for steps that this platform cannot carry out."""
    whole = _parsed(text)
    if not isinstance(whole, dict) or whole.get("Version") != VERSION:
        raise Invalid(f'Unable to parse pipeline definition. It must be an object with "Version": "{VERSION}".')
    if whole.get("MlflowConfig"):
        raise NotImplementedHere("MlflowConfig of a pipeline is not implemented; jobs take one of their own.")
    parameters = {p.name: p for p in map(Parameter.read, _list(whole, "Parameters", "the definition"))}
    if len(parameters) < len(_list(whole, "Parameters", "the definition")):
        raise Invalid("Unable to parse pipeline definition. Parameter names must be unique.")
    steps: dict[str, Step] = {}
    for step in _steps(_list(whole, "Steps", "the definition"), None):
        if step.name in steps:
            raise Invalid(f"Unable to parse pipeline definition. Step names must be unique; there are several named {step.name}.")
        steps[step.name] = step
    if not steps:
        raise Invalid("Unable to parse pipeline definition. A pipeline needs at least one step.")
    experiment = whole.get("PipelineExperimentConfig")
    if experiment is not None and not isinstance(experiment, dict):
        raise Invalid("Unable to parse pipeline definition. PipelineExperimentConfig must be an object or null.")
    _check(parameters, steps, experiment)
    return Definition(parameters, steps, experiment, _ordered(steps))


def _parsed(text: str) -> Any:
    """The JSON, which is neither too large nor too deep and can be stored. Raises Invalid."""

    try:
        if len(text.encode()) > LARGEST:
            raise Invalid("The pipeline definition is larger than 1 MB; shorten it.")
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"Unable to parse pipeline definition. It is not JSON: {error}") from None
    if why := expressions.unstorable(whole):
        raise Invalid(f"Unable to parse pipeline definition. It cannot be kept: {why}")
    level, depth = [whole], 0
    while level:
        depth += 1
        nested = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, (dict, list))]
        level = [v for values in nested for v in values if isinstance(v, (dict, list))]
        if depth > DEEPEST:
            raise Invalid(f"Unable to parse pipeline definition. It is nested more than {DEEPEST} levels deep.")
    return whole


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
        if not isinstance(type_, str):
            raise Invalid(f"Unable to parse pipeline definition. The step {name} needs a Type.")
        if type_ in UNBUILT:
            raise NotImplementedHere(f"The step {name} is of type {type_}, which is not implemented; these are: {', '.join(sorted(KINDS))}.")
        if type_ not in KINDS:
            raise Invalid(f"Unable to parse pipeline definition. The step {name} has the unknown type {type_!r}.")
        arguments = each.get("Arguments", {})
        for member in ("DisplayName", "Description"):
            if not isinstance(each.get(member, ""), (str, type(None))):
                raise Invalid(f"Unable to parse pipeline definition. The {member} of the step {name} must be a text.")
        files = dict(_file(name, file) for file in _list(each, "PropertyFiles", f"the step {name}"))
        KINDS[type_].check(name, each)
        policies.check(each)
        yield Step(name, type_, arguments, each, _needs(name, type_, each, arguments), branch, files)
        if type_ == "Condition":
            yield from _steps(_list(arguments, "IfSteps", f"the step {name}"), (name, True))
            yield from _steps(_list(arguments, "ElseSteps", f"the step {name}"), (name, False))


def _file(step: str, raw: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
    """A property file as ``Step.files`` has it. Raises Invalid."""
    name, output, path = (raw.get(member) for member in ("PropertyFileName", "OutputName", "FilePath"))
    if not isinstance(name, str) or not isinstance(output, str) or not isinstance(path, str):
        raise Invalid(f"Unable to parse pipeline definition. A PropertyFile of the step {step} needs PropertyFileName, OutputName and FilePath.")
    return name, (output, path)


def _needs(name: str, type_: str, raw: Mapping[str, Any], arguments: Any) -> dict[str, str]:
    """What a step waits for: what DependsOn says, and every step that an expression of it names."""
    needs: dict[str, str] = {}
    depends = raw.get("DependsOn") or []
    if not isinstance(depends, list):
        raise Invalid(f"Unable to parse pipeline definition. DependsOn of the step {name} must be a list.")
    for each in depends:
        step, trigger = (each.get("Step"), each.get("Trigger", "Completed")) if isinstance(each, dict) else (each, "Completed")
        if not isinstance(step, str) or trigger not in TRIGGERS:
            raise Invalid(f"Unable to parse pipeline definition. The step {name} has a DependsOn that means nothing: {each!r}.")
        needs[step] = trigger
    read = arguments.get("Conditions") if type_ == "Condition" else arguments
    for path in expressions.references([read, raw.get("SqsQueueUrl")]):
        if path[0] == "Steps" and len(path) > 1:
            needs.setdefault(str(path[1]), "Completed")
    return needs


def _check(parameters: Mapping[str, Parameter], steps: Mapping[str, Step], experiment: Any) -> None:
    """Every reference leads somewhere, and nothing waits for itself. Raises Invalid."""
    for step in steps.values():
        for name in step.needs:
            if name not in steps:
                raise Invalid(f"Unable to parse pipeline definition. The step {step.name} depends on {name}, which is no step of the pipeline.")
        _check_expressions(step.read, step.name)
        for path in expressions.references(step.read):
            _check_reference(path, step.name, parameters, steps)
    _check_expressions(experiment, "PipelineExperimentConfig")
    for path in expressions.references(experiment):
        if path[0] == "Steps":
            raise Invalid("Unable to parse pipeline definition. PipelineExperimentConfig refers to a step, and comes before all of them.")
        _check_reference(path, "PipelineExperimentConfig", parameters, steps)


def _ordered(steps: Mapping[str, Step]) -> tuple[str, ...]:
    """The names, each after those that it waits for. Raises Invalid for steps that wait for each other."""
    left = {name: len(step.before) for name, step in steps.items()}
    after: dict[str, list[str]] = {name: [] for name in steps}
    for step in steps.values():
        for name in step.before:
            after[name].append(step.name)
    found = [name for name, number in left.items() if not number]
    for name in found:  # grows meanwhile
        for follower in after[name]:
            left[follower] -= 1
            if not left[follower]:
                found.append(follower)
    if len(found) < len(steps):
        circle = sorted(set(steps) - set(found))
        raise Invalid(f"Unable to parse pipeline definition. These steps wait for each other in a circle: {', '.join(circle[:20])}.")
    return tuple(found)


def _check_expressions(value: Any, where: str) -> None:
    try:
        expressions.check(value)
    except expressions.Unresolved as error:
        raise Invalid(f"Unable to parse pipeline definition. {where} has an expression that means nothing: {error}.") from None


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

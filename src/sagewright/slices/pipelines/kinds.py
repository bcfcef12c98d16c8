"""The types of steps: which operations one stands for, what its end looks like, what its cache key is made of. Pure."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...wire.errors import Invalid
from .conditions import check as check_condition

_LETTERS = string.ascii_letters + string.digits
RANDOM = 10
"""Characters that make a job's name unique."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of step that is carried out here, without a resource of its own."""

    members: tuple[str, ...] = ()
    """What the step must have besides Name and Type."""

    def check(self, name: str, raw: Mapping[str, Any]) -> None:
        """Raises Invalid for a step of this type that lacks something."""
        for member in self.members:
            if not raw.get(member):
                raise Invalid(f"Unable to parse pipeline definition. The step {name} needs {member}.")
        if not isinstance(raw.get("Arguments", {}), dict):
            raise Invalid(f"Unable to parse pipeline definition. The Arguments of the step {name} must be an object.")


@dataclass(frozen=True, slots=True)
class Made(Kind):
    """A step that makes a resource, by the service's own Create operation with Arguments as its request.

    Args:
        noun: of its operations: CreateTrainingJob.
        metadata: its member of a step's Metadata.
        status: the member of its description that says how far it is; empty where it is complete at once.
        good: the statuses of success.
        bad: the statuses of failure and of an end on somebody's wish.
        stops: whether there is a Stop operation.
        key: the arguments that a cache hit needs to be the same, as paths.
        longest: characters of its name.
        own_name: its name is the request's own, not one that the execution makes up.
        trial: whether its request may have an ExperimentConfig.
        role: the member of its request that is the execution's role unless the step gives another.
        updates: what an Update takes of the request, where one that exists is updated instead; empty where that is an error.
        told: what its description must have in common with the request when it is good: after an update that was taken back
            it has not.
    """

    noun: str = ""
    metadata: str = ""
    status: str = ""
    good: tuple[str, ...] = ("Completed",)
    bad: tuple[str, ...] = ("Failed", "Stopped")
    stops: bool = False
    key: tuple[str, ...] = ()
    longest: int = 63
    own_name: bool = False
    trial: bool = False
    role: str = ""
    updates: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.noun}Name"

    @property
    def arn(self) -> str:
        return f"{self.noun}Arn"

    def job_name(self, execution: str, step: str, attempt: str, own: str = "") -> str:
        """``pipelines-<execution>-<step>-<10 characters>``; the same whoever computes it, another for every attempt.

        Args:
            own: the name among the step's arguments; the SDKs leave one there as a prefix: it then stands for the step.
        """
        if self.own_name and own:
            return own
        id_ = execution.rpartition("/")[2]
        end = unique(f"{execution}/{step}/{attempt}")
        room = self.longest - len(id_) - len(end) - 2
        if own:
            parts = [own[:room].rstrip("-_"), id_, end]
        elif self.longest < 63:
            parts = [id_, step[:room].rstrip("-_"), end]
        else:
            parts = ["pipelines", id_, step[: room - len("pipelines-")].rstrip("-_"), end]
        return "-".join(parts).replace("_", "-")

    def roled(self, request: Mapping[str, Any], role: str) -> dict[str, Any]:
        """The request with the execution's role where it gives none."""
        if self.noun == "HyperParameterTuningJob":
            def given(one: Any) -> Any:
                return {"RoleArn": role, **one} if isinstance(one, Mapping) else [given(each) for each in one] if isinstance(one, list) else one

            return {k: given(v) if k in ("TrainingJobDefinition", "TrainingJobDefinitions") else v for k, v in request.items()}
        return {self.role: role, **request} if self.role else dict(request)

    def digest(self, arguments: Mapping[str, Any]) -> str:
        """What two steps have in common when one may stand for the other; empty for a type that is never cached."""
        if not self.key:
            return ""
        parts = [[path, list(_at(arguments, path.split(".")))] for path in self.key]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """A Condition."""

    def check(self, name: str, raw: Mapping[str, Any]) -> None:
        """Raises Invalid."""
        Kind.check(self, name, raw)
        conditions = raw.get("Arguments", {}).get("Conditions")
        if not isinstance(conditions, list) or not conditions:
            raise Invalid(f"Unable to parse pipeline definition. The Condition {name} needs Conditions.")
        for condition in conditions:
            if fault := check_condition(condition):
                raise Invalid(f"Unable to parse pipeline definition. The Condition {name} {fault}.")


@dataclass(frozen=True, slots=True)
class Asked(Kind):
    """A Callback."""

    def check(self, name: str, raw: Mapping[str, Any]) -> None:
        """Raises Invalid."""
        Kind.check(self, name, raw)
        outputs = raw.get("OutputParameters") or []
        if not isinstance(outputs, list) or not all(isinstance(each, dict) and isinstance(each.get("OutputName"), str) for each in outputs):
            raise Invalid(f"Unable to parse pipeline definition. OutputParameters of the Callback {name} must be a list of objects with OutputName.")


KINDS: dict[str, Kind] = {
    "Training": Made(
        noun="TrainingJob", metadata="TrainingJob", status="TrainingJobStatus", stops=True, trial=True, role="RoleArn",
        key=("AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations", "Environment",
             "HyperParameters", "InputDataConfig"),
    ),
    "Processing": Made(
        noun="ProcessingJob", metadata="ProcessingJob", status="ProcessingJobStatus", stops=True, trial=True, role="RoleArn",
        key=("AppSpecification", "Environment", "ProcessingInputs"),
    ),
    "Transform": Made(
        noun="TransformJob", metadata="TransformJob", status="TransformJobStatus", stops=True, trial=True,
        key=("DataProcessing", "Environment", "ModelName", "TransformInput"),
    ),
    "Tuning": Made(
        noun="HyperParameterTuningJob", metadata="TuningJob", status="HyperParameterTuningJobStatus", stops=True, longest=32,
        key=("HyperParameterTuningJobConfig", *(
            f"{definition}.{member}" for definition in ("TrainingJobDefinition", "TrainingJobDefinitions") for member in (
                "AlgorithmSpecification", "HyperParameterRanges", "InputDataConfig", "StaticHyperParameters", "TuningObjective")
        )),
    ),
    "Model": Made(noun="Model", metadata="Model", role="ExecutionRoleArn"),
    "RegisterModel": Made(noun="ModelPackage", metadata="RegisterModel"),
    "EndpointConfig": Made(noun="EndpointConfig", metadata="EndpointConfig", own_name=True),
    "Endpoint": Made(
        noun="Endpoint", metadata="Endpoint", status="EndpointStatus", good=("InService",), bad=("Failed", "OutOfService", "UpdateRollbackFailed"),
        own_name=True, updates=("EndpointName", "EndpointConfigName", "DeploymentConfig"), told=("EndpointConfigName",),
    ),
    "InferenceComponent": Made(
        noun="InferenceComponent", metadata="InferenceComponent", status="InferenceComponentStatus", good=("InService",), bad=("Failed",),
        own_name=True, updates=("InferenceComponentName", "Specification", "RuntimeConfig"),
    ),
    "Condition": Choice(),
    "Fail": Kind(),
    "Callback": Asked(members=("SqsQueueUrl",)),
}

UPDATED = frozenset(kind.noun for kind in KINDS.values() if isinstance(kind, Made) and kind.updates)
"""Kinds of resources that steps update where they exist."""


def unique(text: str) -> str:
    """Letters and digits that stand for a text."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    found = ""
    for _ in range(RANDOM):
        number, rest = divmod(number, len(_LETTERS))
        found += _LETTERS[rest]
    return found


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """Everything at a path; lists are looked through, and stay apart: what two elements have is not what one has."""
    if not path:
        yield value
    elif isinstance(value, list):
        yield [list(_at(each, path)) for each in value]
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])

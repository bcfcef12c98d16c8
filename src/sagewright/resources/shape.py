"""What the service model says of a noun's verbs: which members a description has, what a list returns, its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from ..wire.models import Models, OperationModel

ASCENDING = frozenset({
    "ListAlgorithms", "ListCandidatesForAutoMLJob", "ListClusterNodes", "ListClusters", "ListCodeRepositories",
    "ListCompilationJobs", "ListHyperParameterTuningJobs", "ListLabelingJobs", "ListLabelingJobsForWorkteam",
    "ListLineageGroups", "ListModelPackageGroups", "ListModelPackages", "ListOptimizationJobs", "ListProcessingJobs",
    "ListProjects", "ListSpaces", "ListTrainingJobs", "ListTrainingJobsForHyperParameterTuningJob", "ListWorkteams",
})
"""Lists whose documentation says that SortOrder defaults to Ascending; a test compares it with botocore's text."""


@dataclass(frozen=True, slots=True)
class ListShape:
    """A List operation: the member that holds the page, the members of its items, and the default order."""

    member: str
    item: frozenset[str]
    order: str


class Shapes:
    """Reads one service's model, once per question."""

    def __init__(self, models: Models, service: str) -> None:
        self._models, self._service = models, service
        self._outputs: dict[str, frozenset[str]] = {}
        self._lists: dict[str, ListShape] = {}

    def model(self, operation: str) -> OperationModel:
        """Everything that the service model says of an operation."""
        return self._models.operation(self._service, operation)

    def output(self, operation: str) -> frozenset[str]:
        """Names of the members that an operation answers with."""
        if operation not in self._outputs:
            shape = self._models.operation(self._service, operation).output
            self._outputs[operation] = frozenset(shape.members) if shape else frozenset()
        return self._outputs[operation]

    def list(self, operation: str) -> ListShape:
        if operation not in self._lists:
            output = self._models.operation(self._service, operation).output
            assert output is not None
            name, member = next((n, m) for n, m in output.members.items() if m.type == "list")
            element = member.shape.element
            item = frozenset(element.shape.members) if element else frozenset()
            self._lists[operation] = ListShape(name, item, "Ascending" if operation in ASCENDING else "Descending")
        return self._lists[operation]

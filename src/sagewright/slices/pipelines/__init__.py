"""SageMaker Pipelines: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .executions import Executions
from .executor import PipelineExecutor
from .pipelines import Pipelines
from .resources import execution, pipeline


def install(platform: Platform) -> None:
    """Bind the operations of pipelines and the executor of their executions."""
    pipelines = Pipelines(pipeline.install(platform))
    pipelines.install()
    Executions(execution.install(platform), pipelines).install()
    PipelineExecutor(platform).install()

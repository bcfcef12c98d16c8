"""Training jobs: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from . import channels
from .executor import TrainingExecutor
from .operations import TrainingOperations
from .resources import training_job


def install(platform: Platform) -> None:
    """Bind the operations and executors of training jobs. Raises ValueError for file systems that cannot be read."""
    channels.declared(platform.settings.file_systems)
    TrainingOperations(training_job.install(platform)).install()
    TrainingExecutor(platform).install()

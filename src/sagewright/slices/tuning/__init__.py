"""Hyperparameter tuning jobs: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .executor import TuningExecutor
from .operations import TuningOperations
from .resources import tuning_job


def install(platform: Platform) -> None:
    """Bind the operations and executors of tuning jobs."""
    TuningOperations(tuning_job.install(platform)).install()
    TuningExecutor(platform).install()

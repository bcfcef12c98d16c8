"""Inference experiments (shadow tests): see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .executor import ExperimentExecutor
from .operations import ExperimentOperations
from .resources import experiment


def install(platform: Platform) -> None:
    """Bind the operations and executors of inference experiments."""
    ExperimentOperations(experiment().install(platform)).install()
    ExperimentExecutor(platform).install()

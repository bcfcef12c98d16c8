"""Inference recommendations jobs: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .bench import Bench
from .executor import JobExecutor
from .operations import RecommenderOperations
from .resources import recommendations_job


def install(platform: Platform) -> None:
    """Bind the operations and executors of inference recommendations jobs."""
    RecommenderOperations(recommendations_job.install(platform)).install()
    JobExecutor(platform).install()
    Bench(platform).install()

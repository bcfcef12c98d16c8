"""Batch transform: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .executor import TransformExecutor
from .operations import TransformOperations
from .resources import transform_job


def install(platform: Platform) -> None:
    """Bind the operations and executors of transform jobs."""
    TransformOperations(transform_job.install(platform)).install()
    TransformExecutor(platform).install()

"""Processing jobs: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .executor import ProcessingExecutor
from .operations import ProcessingOperations
from .resources import processing_job


def install(platform: Platform) -> None:
    """Bind the operations and executors of processing jobs."""
    ProcessingOperations(processing_job.install(platform)).install()
    ProcessingExecutor(platform).install()

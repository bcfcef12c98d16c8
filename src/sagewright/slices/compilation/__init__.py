"""Compilation jobs: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .executor import CompilationExecutor
from .operations import CompilationOperations
from .resources import compilation_job


def install(platform: Platform) -> None:
    """Bind the operations and executors of compilation jobs."""
    CompilationOperations(compilation_job.install(platform)).install()
    CompilationExecutor(platform).install()

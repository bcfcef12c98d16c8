"""Algorithms: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .resources import algorithm


def install(platform: Platform) -> None:
    """Bind the operations of algorithms."""
    algorithm.install(platform)

"""Search and GetSearchSuggestions over every resource that is here: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .operations import SearchOperations


def install(platform: Platform) -> None:
    """Bind the operations."""
    SearchOperations(platform).install()

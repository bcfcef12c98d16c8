"""Lineage: artifacts, contexts and actions, and the associations between them: see README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .associations import Associations
from .entities import Entities, action, artifact, context


def install(platform: Platform) -> None:
    """Bind the operations."""
    desks = [noun.install(platform) for noun in (artifact, context, action)]
    associations = Associations(platform)
    Entities(desks, associations).install()
    associations.install()

"""AWS Secrets Manager: named secrets, encrypted in the records. See README.md for a workflow that runs."""

from __future__ import annotations

from ...resources.platform import Platform
from .store import Store
from .values import Values
from .verbs import Verbs


def install(platform: Platform) -> None:
    """Bind the operations of secrets and of their values."""
    store = Store(platform)
    store.install()
    Verbs(store).install()
    Values(store).install()

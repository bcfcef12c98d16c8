"""Names for what tests create on a server that they share."""

from __future__ import annotations

import itertools
import os

_numbers = itertools.count()


def unique(stem: str) -> str:
    """A name that no other test of this run uses, in whatever file or worker."""
    return f"{stem}-{os.getpid()}-{next(_numbers)}"
